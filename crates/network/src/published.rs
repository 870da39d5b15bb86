//! A published port: who speaks to it on this machine is led to a container.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What ports belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `IPPROTO_…`.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(()),
        }
    }
}

/// A port that is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The machine's address; none is every one of both families.
    pub at: Option<IpAddr>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The machine's.
    pub port: u16,
    /// The container's.
    pub inside: u16,
    /// It is passed on by a process, past this machine's own rules for what comes in.
    pub passed: bool,
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Published {
    /// The machine's address; none is every one of the family of `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<IpAddr>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The machine's port.
    pub port: u16,
    /// The container's address and port.
    pub to: SocketAddr,
    /// A process passes it on; the packet filter knows nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed: bool,
}
