//! A route: where packets for an address go (rtnetlink(7), `struct rtmsg`).

use crate::address::{family, from_octets, octets};
use crate::message::{Answer, Request, attributes, word};
use std::net::IpAddr;

/// Attributes of a route (linux/rtnetlink.h).
mod attribute {
    pub const DST: u16 = 1;
    pub const OIF: u16 = 4;
    pub const GATEWAY: u16 = 5;
    pub const PRIORITY: u16 = 6;
}

/// Length of `struct rtmsg`: family, lengths of both prefixes, service, table, protocol, scope, type, flags.
pub const FIXED: usize = 12;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Where to: an address and the bits of its prefix; 0 bits are everywhere.
    pub to: (IpAddr, u8),
    /// By whom; none is there at once, on the link.
    pub gateway: Option<IpAddr>,
    /// Over which link.
    pub link: u32,
    /// The lowest is taken; 0 leaves it to the kernel.
    pub metric: u32,
}

impl Path {
    /// The fixed part of a request about it.
    pub fn fixed(&self) -> [u8; FIXED] {
        const MAIN: u8 = 254;
        const STATIC: u8 = 4;
        const UNICAST: u8 = 1;
        const LINK: u8 = 253;
        let scope = if self.gateway.is_none() && self.to.0.is_ipv4() { LINK } else { 0 };
        [family(self.to.0), self.to.1, 0, 0, MAIN, STATIC, scope, UNICAST, 0, 0, 0, 0]
    }

    /// Adds what makes it.
    pub fn describe(&self, mut request: Request) -> Request {
        if self.to.1 > 0 {
            request = request.attribute(attribute::DST, &octets(self.to.0));
        }
        if let Some(gateway) = self.gateway {
            request = request.attribute(attribute::GATEWAY, &octets(gateway));
        }
        if self.metric > 0 {
            request = request.attribute(attribute::PRIORITY, &self.metric.to_ne_bytes());
        }
        request.attribute(attribute::OIF, &self.link.to_ne_bytes())
    }

    /// Reads an `RTM_NEWROUTE` of the main table that leads to one link.
    pub fn read(answer: &Answer<'_>) -> Option<Self> {
        const MAIN: u8 = 254;
        let [family, bits, _, _, table] = *answer.payload.first_chunk::<5>()?;
        if table != MAIN {
            return None;
        }
        let any = if family == 2 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let mut path = Self { to: (any, bits), gateway: None, link: 0, metric: 0 };
        for (kind, value) in attributes(answer.payload, FIXED) {
            match kind {
                attribute::DST => path.to.0 = from_octets(value)?,
                attribute::GATEWAY => path.gateway = from_octets(value),
                attribute::OIF => path.link = word(value, 0)?,
                attribute::PRIORITY => path.metric = word(value, 0)?,
                _ => {}
            }
        }
        Some(path)
    }
}
