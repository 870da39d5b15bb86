//! `--hostname` and `--domainname`.

use super::Invalid;
use crate::config::{DomainName, HostName};
use std::str::FromStr;

/// sethostname(2)'s limit.
const MAX: usize = 64;

/// A host name that `/etc/hosts` and a resolver can live with.
fn host_name(text: &str) -> Result<HostName, Invalid> {
    let label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
        label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            && edge(label.bytes().next())
            && edge(label.bytes().last())
    };
    if text.len() > MAX {
        return Err(Invalid::new(text, "longer than the kernel's 64 bytes"));
    }
    if text.split('.').all(label) {
        Ok(HostName(text.to_owned()))
    } else {
        Err(Invalid::new(text, "not a host name").hint("use letters, digits and - between, parts joined by ."))
    }
}

impl FromStr for HostName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        host_name(text)
    }
}

/// The kernel takes any bytes; control characters are surely a mistake.
impl FromStr for DomainName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" => Err(Invalid::new(text, "an empty domain name")),
            _ if text.len() > MAX => Err(Invalid::new(text, "longer than the kernel's 64 bytes")),
            _ if text.contains(|c: char| c.is_control() || c.is_whitespace()) => {
                Err(Invalid::new(text, "not a domain name"))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_fit_the_kernel_and_the_hosts_file() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        for (text, valid) in [
            ("web", true),
            ("web-1.example", true),
            ("a_b", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("-web", false),
            ("web-", false),
            ("web..1", false),
            ("we b", false),
            ("web\n10.0.0.1 evil", false),
        ] {
            assert_eq!(text.parse::<HostName>().is_ok(), valid, "{text:?}");
        }
    }
}
