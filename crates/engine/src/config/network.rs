//! Names and network: what `/etc/hosts` and `/etc/resolv.conf` will say, and where packets go.

pub use network::{Mac, Protocol};
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
    /// `container:NAME`: that of another container, by its name or id.
    Container(String),
    /// The machine's, by way of a process of the user's.
    Pasta,
    /// Networks; the first leads to everybody else.
    Networks(Vec<Joined>),
}

impl NetworkMode {
    /// One network, of which nothing in particular is asked.
    pub fn of(network: &str) -> Self {
        Self::Networks(vec![Joined { network: network.to_owned(), ..Joined::default() }])
    }

    /// The container has a network namespace of its own.
    pub fn is_own(mode: Option<&Self>) -> bool {
        matches!(mode, None | Some(Self::None | Self::Pasta | Self::Networks(_)))
    }

    /// As users write it.
    pub fn text(mode: Option<&Self>) -> String {
        match mode {
            None => "default".to_owned(),
            Some(Self::None) => "none".to_owned(),
            Some(Self::Host) => "host".to_owned(),
            Some(Self::Pasta) => "pasta".to_owned(),
            Some(Self::Path(path)) => format!("ns:{}", path.display()),
            Some(Self::Container(container)) => format!("container:{container}"),
            Some(Self::Networks(joined)) => joined.first().map(|joined| joined.network.clone()).unwrap_or_default(),
        }
    }
}

/// A network that a container is in, and what it wants there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The network's name.
    pub network: String,
    /// What else it is called there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its addresses, at most one of each family; any for one that is not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Its device's name; the first free `ethN` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// `-p`: a port of this machine that leads to one of the container's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRequest {
    /// The machine's address; every one where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<IpAddr>,
    /// The first free one of these, first and last; any where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<(u16, u16)>,
    /// The container's.
    pub inside: u16,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
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
