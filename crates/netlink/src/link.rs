//! A network device.

use crate::message::{Answer, attributes, text, word};

/// Attributes of a link (linux/if_link.h).
pub mod attribute {
    pub const IFNAME: u16 = 3;
    pub const NET_NS_FD: u16 = 28;
}

/// Length of `struct ifinfomsg`: family, type, index, flags, mask of changed flags.
pub const FIXED: usize = 16;

/// Up.
pub const IFF_UP: u32 = 1;

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its network namespace.
    pub index: u32,
    /// Its name there.
    pub name: String,
    /// It is up.
    pub up: bool,
}

impl Link {
    /// The fixed part of a request about a link; `flags` are those to be set.
    pub fn fixed(index: u32, flags: u32) -> [u8; FIXED] {
        let mut fixed = [0; FIXED];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
        fixed[12..].copy_from_slice(&flags.to_ne_bytes());
        fixed
    }

    /// Reads an `RTM_NEWLINK`.
    pub fn read(answer: &Answer<'_>) -> Option<Self> {
        let name = attributes(answer.payload, FIXED).find(|(kind, _)| *kind == attribute::IFNAME)?;
        let up = word(answer.payload, 8)? & IFF_UP != 0;
        Some(Self { index: word(answer.payload, 4)?, name: text(name.1), up })
    }
}
