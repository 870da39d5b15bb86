//! `--userns`.

use super::{Invalid, namespace, number};
use crate::config::UsernsMode;
use std::str::FromStr;

const MODES: [&str; 5] = ["host", "auto", "keep-id", "nomap", "ns:PATH"];

impl FromStr for UsernsMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(path) = namespace::path(text) {
            return path.map(Self::Path);
        }
        let (mode, options) = text.split_once(':').unwrap_or((text, ""));
        match mode {
            "host" if options.is_empty() => Ok(Self::Host),
            "nomap" if options.is_empty() => Ok(Self::NoMap),
            "auto" => {
                let mut size = None;
                numbers(text, options, &mut [("size", &mut size)])?;
                Ok(Self::Auto { size })
            }
            "keep-id" => {
                let (mut uid, mut gid, mut size) = (None, None, None);
                numbers(text, options, &mut [("uid", &mut uid), ("gid", &mut gid), ("size", &mut size)])?;
                Ok(Self::KeepId { uid, gid, size })
            }
            "container" => Err(Invalid::new(text, "joining another container by name is not there yet")
                .hint("join by path: ns:/proc/PID/ns/user")),
            _ => Err(Invalid::new(text, "not a user namespace").suggest(
                mode,
                MODES,
                Some("give host, auto, auto:size=N, keep-id, keep-id:uid=N,gid=N, nomap or ns:PATH"),
            )),
        }
    }
}

/// `name=number,…`, each of `known` at most once; a size is not zero.
fn numbers(text: &str, options: &str, known: &mut [(&str, &mut Option<u32>)]) -> Result<(), Invalid> {
    if options.is_empty() && !text.contains(':') {
        return Ok(());
    }
    for option in options.split(',') {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let unknown = || Invalid::new(option, format!("not an option of --userns {text}"));
        let (name, value) = option.split_once('=').ok_or_else(|| unknown().hint(format!("give {}=N", names[0])))?;
        let Some((name, slot)) = known.iter_mut().find(|(known, _)| *known == name) else {
            return Err(unknown().hint(format!("there are {}", names.join(", "))));
        };
        let value = number::id(value)?;
        if *name == "size" && value == 0 {
            return Err(Invalid::new(option, "a user namespace without ids"));
        }
        if slot.replace(value).is_some() {
            return Err(Invalid::new(option, "given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_their_options_are_read() {
        let keep = |uid, gid, size| Some(UsernsMode::KeepId { uid, gid, size });
        for (text, expected) in [
            ("host", Some(UsernsMode::Host)),
            ("nomap", Some(UsernsMode::NoMap)),
            ("auto", Some(UsernsMode::Auto { size: None })),
            ("auto:size=65536", Some(UsernsMode::Auto { size: Some(65536) })),
            ("keep-id", keep(None, None, None)),
            ("keep-id:uid=200,gid=210", keep(Some(200), Some(210), None)),
            ("ns:/proc/7/ns/user", Some(UsernsMode::Path("/proc/7/ns/user".into()))),
            ("", None),
            ("host:", Some(UsernsMode::Host)),
            ("host:x", None),
            ("auto:", None),
            ("auto:size=0", None),
            ("auto:size=4294967295", None),
            ("auto:size=1,size=2", None),
            ("auto:uid=1", None),
            ("keep-id:uid=-1", None),
            ("keep-id:uid=4294967296", None),
            ("container:x", None),
            ("ns:x", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_mistyped_mode_gets_a_suggestion() {
        assert_eq!("keepid".parse::<UsernsMode>().unwrap_err().remedy(), Some("did you mean keep-id?"));
    }
}
