//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--cgroups`.

use super::Invalid;
use crate::config::{CgroupNamespace, CgroupUse, IpcNamespace, NamespaceMode};
use std::path::PathBuf;
use std::str::FromStr;

/// `ns:PATH`, which must be absolute; `None` when the word is something else.
pub(super) fn path(text: &str) -> Option<Result<PathBuf, Invalid>> {
    let path = text.strip_prefix("ns:")?;
    if path.starts_with('/') && !path.contains('\0') {
        return Some(Ok(PathBuf::from(path)));
    }
    Some(Err(Invalid::new(text, "not an absolute path").hint("write ns:PATH, such as ns:/proc/1234/ns/net")))
}

/// What none of the kinds takes, with the reason.
fn refuse(text: &str, what: &'static str, known: &[&str]) -> Invalid {
    if let Some(container) = text.strip_prefix("container:") {
        return Invalid::new(text, "joining another container by name is not there yet").hint(format!(
            "join by path: ns:/proc/PID/ns/{what}, with the PID that `coracle inspect {container}` tells"
        ));
    }
    let list = format!("give one of {}", known.join(", "));
    let invalid = Invalid::new(text, format!("not a {what} namespace"));
    match super::nearest(text, known.iter().copied()) {
        Some(near) => invalid.hint(format!("did you mean {near}?")),
        None => invalid.hint(list),
    }
}

impl FromStr for NamespaceMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" | "private" => Ok(Self::Private),
            "host" => Ok(Self::Host),
            _ => match path(text) {
                Some(path) => path.map(Self::Path),
                None => Err(refuse(text, "pid", &["private", "host", "ns:PATH"])),
            },
        }
    }
}

impl FromStr for IpcNamespace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" | "private" | "shareable" => Ok(Self::Private),
            "none" => Ok(Self::WithoutShm),
            "host" => Ok(Self::Host),
            _ => match path(text) {
                Some(path) => path.map(Self::Path),
                None => Err(refuse(text, "ipc", &["private", "shareable", "none", "host", "ns:PATH"])),
            },
        }
    }
}

impl FromStr for CgroupNamespace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" => Ok(Self::Default),
            "private" => Ok(Self::Private),
            "host" => Ok(Self::Host),
            _ => match path(text) {
                Some(path) => path.map(Self::Path),
                None => Err(refuse(text, "cgroup", &["private", "host", "ns:PATH"])),
            },
        }
    }
}

impl FromStr for CgroupUse {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "enabled" | "" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            "split" => Ok(Self::Split),
            "no-conmon" => Err(Invalid::new(text, "a podman mode that has no meaning here")
                .hint("give enabled, or disabled to stay in the caller's cgroup")),
            _ => Err(Invalid::new(text, "not a cgroup mode").hint("give enabled, disabled or split")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read() {
        assert_eq!("host".parse(), Ok(NamespaceMode::Host));
        assert_eq!("ns:/proc/1/ns/pid".parse(), Ok(NamespaceMode::Path("/proc/1/ns/pid".into())));
        assert_eq!("none".parse(), Ok(IpcNamespace::WithoutShm));
        for text in ["ns:", "ns:proc", "hots", "container:abc", "Host"] {
            assert!(text.parse::<NamespaceMode>().is_err(), "{text}");
            assert!(text.parse::<IpcNamespace>().is_err(), "{text}");
            assert!(text.parse::<CgroupNamespace>().is_err(), "{text}");
        }
    }
}
