//! An address of a network device.

use crate::message::{Answer, Request, attributes, word};

/// Attributes of an address (linux/if_addr.h).
mod attribute {
    pub const ADDRESS: u16 = 1;
    pub const LOCAL: u16 = 2;
    pub const BROADCAST: u16 = 4;
    pub const FLAGS: u16 = 8;
    pub const RT_PRIORITY: u16 = 9;
}

const PERMANENT: u32 = 0x80;

/// What a user may ask of an address; the other flags tell how it is: secondary, tentative, permanent.
/// `NODAD`, `HOMEADDRESS`, `MANAGETEMPADDR`, `NOPREFIXROUTE`, `MCAUTOJOIN`.
const ASKED: u32 = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;

/// Length of `struct ifaddrmsg`: family, length of the prefix, flags, scope, index of the link.
pub const FIXED: usize = 8;

/// An address of a network device, as it can be given to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Bits of the prefix.
    pub prefix: u8,
    /// `RT_SCOPE_…`, 0 for global.
    pub scope: u8,
    /// It was given by somebody for good, not for a time.
    pub permanent: bool,
    flags: u32,
    /// Address of the other end, own address, broadcast address, metric of its route: kind and value.
    values: Vec<(u16, Vec<u8>)>,
}

impl Address {
    /// Reads an `RTM_NEWADDR`: the index of its link, and the address.
    pub fn read(answer: &Answer<'_>) -> Option<(u32, Self)> {
        let [family, prefix, flags, scope] = *answer.payload.first_chunk::<4>()?;
        let mut address = Self { family, prefix, scope, permanent: false, flags: flags.into(), values: Vec::new() };
        for (kind, value) in attributes(answer.payload, FIXED) {
            match kind {
                attribute::FLAGS => address.flags = word(value, 0)?,
                attribute::ADDRESS | attribute::LOCAL | attribute::BROADCAST | attribute::RT_PRIORITY => {
                    address.values.push((kind, value.to_vec()));
                }
                _ => {}
            }
        }
        address.permanent = address.flags & PERMANENT != 0;
        address.flags &= ASKED;
        Some((word(answer.payload, 4)?, address))
    }

    /// The fixed part of a request that gives it to a link.
    pub fn fixed(&self, index: u32) -> [u8; FIXED] {
        let mut fixed = [self.family, self.prefix, 0, self.scope, 0, 0, 0, 0];
        fixed[4..].copy_from_slice(&index.to_ne_bytes());
        fixed
    }

    /// Adds what makes it.
    pub fn describe(&self, request: Request) -> Request {
        let request = self.values.iter().fold(request, |request, (kind, value)| request.attribute(*kind, value));
        request.attribute(attribute::FLAGS, &self.flags.to_ne_bytes())
    }
}
