//! A range of addresses that share their first bits, as `10.64.0.0/16` and `fd00::/64` write it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A subnet: its bits beyond the prefix are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The subnet that an address is in; `None` for a prefix that is longer than the address.
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = width(address);
        let mask = if prefix > bits { return None } else { mask(bits, prefix) };
        Some(Self { address: from_bits(address.is_ipv6(), to_bits(address) & mask), prefix })
    }

    /// Its first address, which names it.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits are the same in all of its addresses.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// It is one of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// An address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::of(address, self.prefix).is_some_and(|of| of == *self)
    }

    /// Some address lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (wide, narrow) = if self.prefix <= other.prefix { (self, other) } else { (other, self) };
        wide.contains(narrow.address)
    }

    /// Whether an address may be a device's: in it, and of IPv4 neither its name nor its broadcast address.
    pub fn has_host(&self, address: IpAddr) -> bool {
        self.contains(address) && self.hosts().contains(&self.offset(address))
    }

    /// The offsets of the addresses that devices may have.
    pub fn hosts(&self) -> std::ops::RangeInclusive<u128> {
        let last = !mask(width(self.address), self.prefix) & full(width(self.address));
        match self.address {
            // Of two or one address both may be (RFC 3021).
            IpAddr::V4(_) if self.prefix >= 31 => 0..=last,
            IpAddr::V4(_) => 1..=last - 1,
            // The first is every router's (RFC 4291, section 2.6.1).
            IpAddr::V6(_) if self.prefix == 128 => 0..=0,
            IpAddr::V6(_) => 1..=last,
        }
    }

    /// The address so far behind the first; `None` beyond the last.
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        let last = !mask(width(self.address), self.prefix) & full(width(self.address));
        (offset <= last).then(|| from_bits(self.is_ipv6(), to_bits(self.address) | offset))
    }

    /// How far an address lies behind the first one, its bits beyond the prefix.
    pub fn offset(&self, address: IpAddr) -> u128 {
        to_bits(address) & !mask(width(self.address), self.prefix) & full(width(self.address))
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

fn full(width: u8) -> u128 {
    if width == 128 { u128::MAX } else { (1 << width) - 1 }
}

fn mask(width: u8, prefix: u8) -> u128 {
    match width - prefix {
        128 => 0,
        rest => (full(width) >> rest) << rest,
    }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn from_bits(ipv6: bool, bits: u128) -> IpAddr {
    if ipv6 { Ipv6Addr::from_bits(bits).into() } else { Ipv4Addr::from_bits(bits as u32).into() }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What is no subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no subnet: one is written as 10.64.0.0/16 or fd00:1::/64")]
pub struct NoSubnet;

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (address, prefix) = text.split_once('/').ok_or(NoSubnet)?;
        if prefix.starts_with('+') {
            return Err(NoSubnet);
        }
        let address = address.parse().map_err(|_| NoSubnet)?;
        Self::of(address, prefix.parse().map_err(|_| NoSubnet)?).ok_or(NoSubnet)
    }
}

impl Serialize for Subnet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a subnet")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn texts_are_read_and_written_with_the_host_bits_cleared() {
        for (text, shown) in [
            ("10.64.3.9/16", "10.64.0.0/16"),
            ("fd00::5/64", "fd00::/64"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(subnet(text).to_string(), shown);
        }
        for text in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0/8/8", "x/8"] {
            assert_eq!(text.parse::<Subnet>(), Err(NoSubnet), "{text}");
        }
    }

    #[test]
    fn hosts_are_what_a_device_may_have() {
        assert_eq!(subnet("10.0.0.0/24").hosts(), 1..=254);
        assert_eq!(subnet("10.0.0.0/30").hosts(), 1..=2);
        assert_eq!(subnet("10.0.0.0/31").hosts(), 0..=1);
        assert_eq!(subnet("10.0.0.0/32").hosts(), 0..=0);
        assert_eq!(subnet("fd00::/64").hosts(), 1..=u128::from(u64::MAX));
        assert_eq!(*subnet("::/0").hosts().end(), u128::MAX);
        assert!(subnet("10.0.0.0/24").has_host(ip("10.0.0.254")) && !subnet("10.0.0.0/24").has_host(ip("10.0.0.255")));
        assert_eq!(subnet("10.0.0.0/24").nth(255), Some(ip("10.0.0.255")));
        assert_eq!(subnet("10.0.0.0/24").nth(256), None);
        assert_eq!(subnet("10.64.0.0/16").offset(ip("10.64.1.2")), 258);
    }

    #[test]
    fn subnets_overlap_when_one_is_in_the_other() {
        assert!(subnet("10.0.0.0/8").overlaps(&subnet("10.64.0.0/16")));
        assert!(subnet("10.64.0.0/16").overlaps(&subnet("10.0.0.0/8")));
        assert!(!subnet("10.64.0.0/16").overlaps(&subnet("10.65.0.0/16")));
        assert!(!subnet("10.64.0.0/16").overlaps(&subnet("::/0")));
    }
}
