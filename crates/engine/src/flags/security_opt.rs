//! `--security-opt`.

use super::{Invalid, container_path};
use crate::config::{AppArmor, PathMasks, SelinuxLabel};
use std::path::PathBuf;
use std::str::FromStr;

const FORMS: &str =
    "there are no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask= and systempaths=unconfined";

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityOpt {
    /// `no-new-privileges[=BOOL]`.
    NoNewPrivileges(bool),
    /// `seccomp=unconfined`.
    SeccompUnconfined,
    /// `seccomp=FILE`, as it was written.
    SeccompFile(String),
    /// `apparmor=`.
    AppArmor(AppArmor),
    /// `label=`.
    Label(SelinuxLabel),
    /// `mask=`, `unmask=` or `systempaths=unconfined`.
    Paths(PathMasks),
}

/// The name and the value stand apart by `=`, or by `:` as docker once had it.
impl FromStr for SecurityOpt {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, value) = match text.split_once(['=', ':']) {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let needed =
            || value.filter(|value| !value.is_empty()).ok_or_else(|| Invalid::new(text, "no value").hint(FORMS));
        match name {
            "no-new-privileges" => match value {
                None | Some("true") => Ok(Self::NoNewPrivileges(true)),
                Some("false") => Ok(Self::NoNewPrivileges(false)),
                Some(_) => Err(Invalid::new(text, "neither true nor false")),
            },
            "seccomp" => Ok(match needed()? {
                "unconfined" => Self::SeccompUnconfined,
                file => Self::SeccompFile(file.to_owned()),
            }),
            "apparmor" => Ok(Self::AppArmor(match needed()? {
                "unconfined" => AppArmor::Unconfined,
                profile => AppArmor::Profile(profile.to_owned()),
            })),
            "label" => label(text, needed()?).map(Self::Label),
            "mask" => {
                let paths: Result<Vec<PathBuf>, Invalid> =
                    needed()?.split(':').map(|path| container_path(path).map(|path| path.as_path().into())).collect();
                Ok(Self::Paths(PathMasks { mask: paths?, ..PathMasks::default() }))
            }
            "unmask" => unmask(needed()?).map(Self::Paths),
            "systempaths" if value == Some("unconfined") => {
                Ok(Self::Paths(PathMasks { unmask_all: true, ..PathMasks::default() }))
            }
            "systempaths" => Err(Invalid::new(text, "only systempaths=unconfined is known")),
            _ => {
                let known = ["no-new-privileges", "seccomp", "apparmor", "label", "mask", "unmask", "systempaths"];
                Err(Invalid::new(text, "not a security option").suggest(name, known, Some(FORMS)))
            }
        }
    }
}

fn label(text: &str, value: &str) -> Result<SelinuxLabel, Invalid> {
    const PARTS: [&str; 5] = ["user", "role", "type", "level", "filetype"];
    if value == "disable" {
        return Ok(SelinuxLabel::Disable);
    }
    match value.split_once(':') {
        Some((part, value)) if PARTS.contains(&part) && !value.is_empty() => {
            Ok(SelinuxLabel::Part(part.to_owned(), value.to_owned()))
        }
        _ => Err(Invalid::new(text, "not an SELinux label")
            .hint("give label=disable, or label=user:, role:, type:, level: or filetype: with a value")),
    }
}

fn unmask(value: &str) -> Result<PathMasks, Invalid> {
    if value.eq_ignore_ascii_case("ALL") {
        return Ok(PathMasks { unmask_all: true, ..PathMasks::default() });
    }
    let patterns: Vec<String> = value.split(':').map(str::to_owned).collect();
    match patterns.iter().find(|pattern| !pattern.starts_with('/')) {
        Some(relative) => Err(Invalid::new(relative.as_str(), "not an absolute path").hint("or give unmask=ALL")),
        None => Ok(PathMasks { unmask: patterns, ..PathMasks::default() }),
    }
}

impl PathMasks {
    /// With what a further option says.
    pub fn merge(&mut self, other: Self) {
        self.mask.extend(other.mask);
        self.unmask.extend(other.unmask);
        self.unmask_all |= other.unmask_all;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_both_spellings() {
        for (text, expected) in [
            ("no-new-privileges", SecurityOpt::NoNewPrivileges(true)),
            ("no-new-privileges:false", SecurityOpt::NoNewPrivileges(false)),
            ("seccomp=unconfined", SecurityOpt::SeccompUnconfined),
            ("seccomp:/p.json", SecurityOpt::SeccompFile("/p.json".to_owned())),
            ("apparmor=unconfined", SecurityOpt::AppArmor(AppArmor::Unconfined)),
            ("apparmor=prof", SecurityOpt::AppArmor(AppArmor::Profile("prof".to_owned()))),
            ("label=disable", SecurityOpt::Label(SelinuxLabel::Disable)),
            ("label=type:x_t", SecurityOpt::Label(SelinuxLabel::Part("type".to_owned(), "x_t".to_owned()))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn paths_are_read() {
        let Ok(SecurityOpt::Paths(masks)) = "mask=/a:/b/".parse() else { panic!("a mask") };
        assert_eq!(masks.mask, [PathBuf::from("/a"), PathBuf::from("/b")]);
        let Ok(SecurityOpt::Paths(masks)) = "unmask=/proc/*:/sys/firmware".parse() else { panic!("an unmask") };
        assert_eq!(masks.unmask, ["/proc/*", "/sys/firmware"]);
        for text in ["unmask=ALL", "unmask=all", "systempaths=unconfined"] {
            let Ok(SecurityOpt::Paths(masks)) = text.parse() else { panic!("{text}") };
            assert!(masks.unmask_all, "{text}");
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for text in [
            "",
            "seccomp",
            "seccomp=",
            "label=x",
            "mask=proc",
            "unmask=proc",
            "systempaths=x",
            "x=y",
            "no-new-privileges=2",
        ] {
            assert!(text.parse::<SecurityOpt>().is_err(), "{text}");
        }
        let error = "secomp=unconfined".parse::<SecurityOpt>().unwrap_err();
        assert_eq!(error.remedy(), Some("did you mean seccomp?"));
    }
}
