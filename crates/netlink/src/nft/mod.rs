//! nf_tables, the kernel's packet filter, by batches of our own: tables, chains, rules, sets and maps
//! (linux/netfilter/nf_tables.h).
//!
//! A batch is done whole or not at all. Everything that changes often is an element of a set; rules stay as they are.

mod batch;
mod expression;
mod filter;
mod look;

pub use batch::{Base, Batch, Data, Family, Set, Verdict};
pub use expression::{Fib, Key, Rule};
pub use filter::Nft;
pub use look::{Chain, Seen};

/// Kinds of values, as nft(8) shows them (its `enum datatypes`), and their lengths in a key, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `ether_addr`.
    Ether,
    /// `inet_proto`.
    Protocol,
    /// `inet_service`.
    Port,
    /// `ifname`.
    Interface,
}

impl Type {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Interface => 41,
        }
    }

    /// Padded to whole registers of four bytes.
    pub(crate) fn length(self) -> u32 {
        match self {
            Self::Ipv4 | Self::Protocol | Self::Port => 4,
            Self::Ether => 8,
            Self::Ipv6 | Self::Interface => 16,
        }
    }
}

/// A value of several parts, each padded as [`Type`] says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value(pub(crate) Vec<u8>);

impl Value {
    /// Adds a part.
    #[must_use]
    pub fn and(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(part);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds the name of a device: 16 bytes, of which the last are 0.
    #[must_use]
    pub fn interface(mut self, name: &str) -> Self {
        self.0.extend_from_slice(&interface(name));
        self
    }
}

/// The name of a device as the filter compares it.
pub fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}
