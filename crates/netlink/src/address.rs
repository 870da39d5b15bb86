//! An address of a network device.

use crate::message::{Answer, Request, attributes, word};
use std::net::IpAddr;

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

/// `AF_INET` or `AF_INET6`.
pub fn family(address: IpAddr) -> u8 {
    const INET: u8 = 2;
    const INET6: u8 = 10;
    if address.is_ipv4() { INET } else { INET6 }
}

/// An address as the network has it.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The same back.
pub fn from_octets(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

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
    /// One that is given for good, valid at once: nobody else has it, so the kernel need not ask around (`NODAD`).
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        const NODAD: u32 = 0x02;
        let bytes = octets(address);
        let mut values = vec![(attribute::LOCAL, bytes.clone()), (attribute::ADDRESS, bytes)];
        if let IpAddr::V4(v4) = address
            && prefix < 31
        {
            let broadcast = v4.to_bits() | (u32::MAX >> prefix);
            values.push((attribute::BROADCAST, broadcast.to_be_bytes().to_vec()));
        }
        let flags = if address.is_ipv6() { NODAD } else { 0 };
        Self { family: family(address), prefix, scope: 0, permanent: true, flags, values }
    }

    /// The address itself.
    pub fn address(&self) -> Option<IpAddr> {
        let value = |kind| self.values.iter().find(|(k, _)| *k == kind).map(|(_, value)| value);
        from_octets(value(attribute::LOCAL).or_else(|| value(attribute::ADDRESS))?)
    }

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
