//! A network device, and those that can be made.

use crate::message::{Answer, Request, attributes, text, word};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attributes of a link (linux/if_link.h).
pub mod attribute {
    pub const ADDRESS: u16 = 1;
    pub const IFNAME: u16 = 3;
    pub const MTU: u16 = 4;
    pub const LINK: u16 = 5;
    pub const TXQLEN: u16 = 13;
    pub const MASTER: u16 = 10;
    pub const LINKINFO: u16 = 18;
    pub const IFALIAS: u16 = 20;
    pub const AF_SPEC: u16 = 26;
    pub const NET_NS_FD: u16 = 28;
    pub const INFO_KIND: u16 = 1;
    pub const INFO_DATA: u16 = 2;
    pub const INFO_SLAVE_KIND: u16 = 4;
    pub const INFO_SLAVE_DATA: u16 = 5;
    pub const BRPORT_MODE: u16 = 4;
    pub const VETH_PEER: u16 = 1;
    pub const MACVLAN_MODE: u16 = 1;
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
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// The largest packet that it takes, in bytes.
    pub mtu: u32,
    /// Number of the bridge that it is a port of.
    pub master: Option<u32>,
    /// What somebody has written to it (`ip link set alias`).
    pub alias: String,
}

/// A hardware address.
pub type Mac = [u8; 6];

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
        let up = word(answer.payload, 8)? & IFF_UP != 0;
        let index = word(answer.payload, 4)?;
        let mut link = Self { index, name: String::new(), up, mac: None, mtu: 0, master: None, alias: String::new() };
        for (kind, value) in attributes(answer.payload, FIXED) {
            match kind {
                attribute::IFNAME => link.name = text(value),
                attribute::ADDRESS => link.mac = value.try_into().ok(),
                attribute::MTU => link.mtu = word(value, 0)?,
                attribute::MASTER => link.master = word(value, 0),
                attribute::IFALIAS => link.alias = text(value),
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

/// One end of a pair of virtual devices, or whichever device is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address; none leaves it to the kernel.
    pub mac: Option<Mac>,
    /// Its largest packet, in bytes; none leaves it to the kernel.
    pub mtu: Option<u32>,
    /// The network namespace that it is born in; none is the socket's.
    pub namespace: Option<BorrowedFd<'a>>,
    /// The bridge that it is a port of.
    pub master: Option<u32>,
    /// It gets no addresses of IPv6 by itself, as a port of a bridge needs none. As with the alias, a peer cannot be so.
    pub plain: bool,
    /// As a port of a bridge it gets back what it sends, where that is for itself.
    pub hairpin: bool,
    /// What is written to it, for people who look.
    pub alias: Option<&'a str>,
}

impl End<'_> {
    /// Adds what makes it.
    pub fn describe(&self, mut request: Request) -> Request {
        request = request.text(attribute::IFNAME, self.name);
        if let Some(mac) = &self.mac {
            request = request.attribute(attribute::ADDRESS, mac);
        }
        if let Some(mtu) = self.mtu {
            request = request.attribute(attribute::MTU, &mtu.to_ne_bytes());
        }
        if let Some(namespace) = self.namespace {
            request = request.attribute(attribute::NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        }
        match self.master {
            Some(master) => request.attribute(attribute::MASTER, &master.to_ne_bytes()),
            None => request,
        }
    }

    /// What the kernel does not take when it makes a device, as a request of its own.
    pub fn settle(&self, request: Request) -> Option<Request> {
        const INET6: u16 = 10;
        const ADDR_GEN_MODE: u16 = 8;
        const NONE: u8 = 1;
        if self.alias.is_none() && !self.plain && !self.hairpin {
            return None;
        }
        let mut request = request.text(attribute::IFNAME, self.name);
        if let Some(alias) = self.alias {
            request = request.text(attribute::IFALIAS, alias);
        }
        if self.hairpin {
            let mode = |request: Request| request.attribute(attribute::BRPORT_MODE, &[1]);
            request = request.nest(attribute::LINKINFO, |request| {
                request.text(attribute::INFO_SLAVE_KIND, "bridge").nest(attribute::INFO_SLAVE_DATA, mode)
            });
        }
        if self.plain {
            let none = |request: Request| request.nest(INET6, |request| request.attribute(ADDR_GEN_MODE, &[NONE]));
            request = request.nest(attribute::AF_SPEC, none);
        }
        Some(request)
    }
}

/// How the devices of a macvlan on one device see each other (linux/if_link.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Not at all.
    Private,
    /// By way of a switch that sends packets back.
    Vepa,
    /// At once.
    Bridge,
    /// There is one, which is the device itself.
    Passthru,
}

impl MacvlanMode {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Private => 1,
            Self::Vepa => 2,
            Self::Bridge => 4,
            Self::Passthru => 8,
        }
    }
}
