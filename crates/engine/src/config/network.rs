//! Names and network: what `/etc/hosts` and `/etc/resolv.conf` will say, and where packets go.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// `--network`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkMode {
    /// A network namespace of its own in which only loopback is up.
    None,
    /// The host's.
    Host,
    /// `ns:PATH`.
    Path(PathBuf),
}

/// `--hostname`: 1 to 64 bytes (the kernel's limit, `HOST_NAME_MAX`), labels of letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostName(pub(crate) String);

/// `--domainname`, 1 to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainName(pub(crate) String);

/// `--add-host`: one line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// One name, or several that podman writes as `a;b`.
    pub names: Vec<String>,
    /// Address.
    pub address: IpAddr,
}

/// `--dns-search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SearchDomains {
    /// `.`: no search list at all, not even the host's.
    Nothing,
    /// These.
    These(Vec<String>),
}

/// `--dns-option`: one word such as `ndots:2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsOption(pub(crate) String);

macro_rules! text {
    ($($name:ident)*) => {$(
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text!(HostName DomainName DnsOption);
