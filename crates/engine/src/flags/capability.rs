//! `--cap-add` and `--cap-drop`.

use super::Invalid;
use crate::config::{Capability, CapabilityChange, CapabilitySet};

/// All values of one of the two flags; each may be a list with commas.
pub fn capabilities<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<CapabilityChange, Invalid> {
    let mut set = CapabilitySet::EMPTY;
    let mut all = false;
    for word in words.into_iter().flat_map(|words| words.split(',')) {
        if word.eq_ignore_ascii_case("ALL") || word.eq_ignore_ascii_case("CAP_ALL") {
            all = true;
        } else {
            set = set.with(capability(word)?);
        }
    }
    Ok(if all { CapabilityChange::All } else { CapabilityChange::These(set) })
}

fn capability(word: &str) -> Result<Capability, Invalid> {
    Capability::by_name(word).ok_or_else(|| {
        let upper = word.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        Invalid::new(word, "not a capability").suggest(
            bare,
            Capability::all().map(Capability::short_name),
            Some("capabilities(7) lists them; ALL means all"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(words: &[&str]) -> Option<u64> {
        match capabilities(words.iter().copied()) {
            Ok(CapabilityChange::These(set)) => Some(set.bits()),
            Ok(CapabilityChange::All) => Some(u64::MAX),
            Err(_) => None,
        }
    }

    #[test]
    fn names_are_taken_in_any_spelling() {
        for words in [&["CAP_NET_RAW"][..], &["net_raw"], &["cap_net_raw"], &["Net_Raw", "NET_RAW"]] {
            assert_eq!(bits(words), Some(1 << 13), "{words:?}");
        }
        assert_eq!(bits(&["CHOWN,checkpoint_restore"]), Some(1 | 1 << 40));
        assert_eq!(bits(&["NET_RAW", "all"]), Some(u64::MAX));
        assert_eq!(bits(&[]), Some(0));
    }

    #[test]
    fn unknown_names_are_refused_with_a_suggestion() {
        for (word, near) in [("NET_ADMN", "NET_ADMIN"), ("CAP_SYS_ADMN", "SYS_ADMIN"), ("ptrace", "capabilities(7)")] {
            let error = capabilities([word]).unwrap_err();
            assert!(error.remedy().unwrap().contains(near), "{word}: {:?}", error.remedy());
        }
        assert_eq!(bits(&[""]), None);
        assert_eq!(bits(&["CAP_"]), None);
        assert_eq!(bits(&["CAP_CAP_CHOWN"]), None);
    }

    #[test]
    fn the_default_set_is_podmans_eleven() {
        let mut names: Vec<_> = CapabilitySet::DEFAULT.iter().map(Capability::short_name).collect();
        names.sort_unstable();
        let expected = [
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "FSETID",
            "KILL",
            "NET_BIND_SERVICE",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT",
        ];
        assert_eq!(names, expected);
    }
}
