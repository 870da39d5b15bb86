//! Signals by name and number, as `kill` takes them.

use crate::error::{Error, Result};

/// Names without `SIG`; the number is the index plus one (signal(7), x86-64 and arm64).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// Second names.
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The number of a signal that is given as a number, or by name in any case, with or without `SIG`. 0 asks whether the
/// process is there.
pub fn number(word: &str) -> Result<i32> {
    const LAST: i32 = 64;
    let unknown = || Error::Arguments(format!("unknown signal {word:?}"));
    if let Ok(number) = word.parse::<i32>() {
        return (0..=LAST).contains(&number).then_some(number).ok_or_else(unknown);
    }
    let upper = word.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES.iter().position(|name| *name == bare).map(|index| index as i32 + 1);
    let real_time = || {
        let (first, rest) = [(34, "RTMIN"), (LAST, "RTMAX")]
            .into_iter()
            .find_map(|(number, name)| bare.strip_prefix(name).map(|rest| (number, rest)))?;
        let offset = if rest.is_empty() { 0 } else { rest.parse::<i32>().ok()? };
        first.checked_add(offset).filter(|number| (34..=LAST).contains(number))
    };
    let alias = || ALIASES.iter().find(|(name, _)| *name == bare).map(|(_, number)| *number);
    named.or_else(alias).or_else(real_time).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_runc_reads_them() {
        for (word, expected) in [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("SIGKILL", Some(9)),
            ("sigterm", Some(15)),
            ("0", Some(0)),
            ("RTMIN+1", Some(35)),
            ("SIGRTMAX-2", Some(62)),
            ("RTMAX", Some(64)),
            ("RTMAX+1", None),
            ("65", None),
            ("-1", None),
            ("", None),
            ("SIG", None),
            ("BANANA", None),
        ] {
            assert_eq!(number(word).ok(), expected, "{word}");
        }
    }
}
