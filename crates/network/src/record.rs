//! What a network is, as its record in the store says it.

use crate::error::{Error, Result};
use crate::subnet::Subnet;
use netlink::MacvlanMode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The network of containers that ask for none.
pub const DEFAULT: &str = "bridge";

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits, as docker's.
    pub id: String,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// How its containers are joined.
    pub driver: Driver,
    /// Its addresses.
    pub ranges: Vec<Range>,
    /// It reaches nothing outside, not even this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// It may speak with other networks that may, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Its containers have no default route, but their own addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_default_route: bool,
    /// Its containers go out with their own addresses, not this machine's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub routed: bool,
    /// Its containers have names for each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names: bool,
    /// Name servers that are asked in place of this machine's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<IpAddr>,
    /// The largest packet, in bytes; none is the kernel's choice, 1500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Options, as they were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// How containers are joined to a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// By a bridge of this machine's, with this name.
    Bridge(String),
    /// By devices of their own over one of this machine's.
    Macvlan {
        /// That device.
        parent: String,
        /// `bridge`, `private`, `vepa` or `passthru`.
        mode: String,
    },
}

impl Default for Driver {
    fn default() -> Self {
        Self::Bridge(String::new())
    }
}

impl Driver {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge(_) => "bridge",
            Self::Macvlan { .. } => "macvlan",
        }
    }

    /// The mode of a macvlan by its name.
    pub fn mode(name: &str) -> Option<MacvlanMode> {
        match name {
            "bridge" | "" => Some(MacvlanMode::Bridge),
            "private" => Some(MacvlanMode::Private),
            "vepa" => Some(MacvlanMode::Vepa),
            "passthru" => Some(MacvlanMode::Passthru),
            _ => None,
        }
    }
}

/// Addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// All of them.
    pub subnet: Subnet,
    /// The one by which they reach everybody else; on a bridge it is this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// What containers get that ask for none in particular; none is the whole subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Subnet>,
}

impl Range {
    /// A subnet whose first address is the gateway.
    pub fn of(subnet: Subnet) -> Self {
        Self { subnet, gateway: subnet.nth(*subnet.hosts().start()), pool: None }
    }
}

impl Network {
    /// The range of one family.
    pub fn range(&self, ipv6: bool) -> Option<&Range> {
        self.ranges.iter().find(|range| range.subnet.is_ipv6() == ipv6)
    }

    /// The bridge, where it has one.
    pub fn bridge(&self) -> Option<&str> {
        match &self.driver {
            Driver::Bridge(name) => Some(name),
            Driver::Macvlan { .. } => None,
        }
    }

    /// The name of a bridge that nobody has chosen a name for.
    pub fn interface_of(id: &str) -> String {
        format!("cor{}", id.get(..11).unwrap_or(id))
    }

    pub(crate) fn check(&self, address: IpAddr) -> Result<&Range> {
        let range = self.range(address.is_ipv6()).filter(|range| range.subnet.has_host(address));
        range.filter(|range| range.gateway != Some(address)).ok_or_else(|| {
            let subnets: Vec<_> = self.ranges.iter().map(|range| range.subnet.to_string()).collect();
            let subnets = if subnets.is_empty() { "no subnet".to_owned() } else { subnets.join(" and ") };
            Error::Foreign { network: self.name.clone(), address, subnets }
        })
    }
}

/// A subnet that overlaps none of these, for a network that nobody has chosen one for: the first one of the default
/// network, then smaller ones. None of docker's (172.17.0.0/12, 192.168.0.0/16), podman's (10.88.0.0/15) or Kubernetes'
/// usual ones (10.42, 10.43, 10.96, 10.244) is among them, so that each can begin to run later.
pub fn free_subnet(taken: &[Subnet], default: bool) -> Result<Subnet> {
    let large = (64..80).filter_map(|second| Subnet::of(IpAddr::from([10, second, 0, 0]), 16));
    let small = (65..80).flat_map(|second| (0..=255).map(move |third| [10, second, third, 0]));
    let rest = (240..=255).map(|third| [192, 168, third, 0]);
    let small = small.chain(rest).filter_map(|octets| Subnet::of(IpAddr::from(octets), 24));
    let free = |subnet: &Subnet| !taken.iter().any(|taken| taken.prefix() > 0 && taken.overlaps(subnet));
    let found = if default { large.chain(small).find(free) } else { small.into_iter().find(free) };
    found.ok_or(Error::NoSubnet)
}

/// A subnet of IPv6 that nobody else is going to have (RFC 4193): `fd`, 40 bits of chance, and a number of 16.
pub fn local_subnet(chance: [u8; 5], number: u16) -> Subnet {
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&chance);
    octets[6..8].copy_from_slice(&number.to_be_bytes());
    Subnet::of(IpAddr::from(octets), 64).unwrap_or_else(|| unreachable!("64 bits are less than 128"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_is_chosen_that_overlaps_none_of_those_there_are() {
        let subnets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Subnet>>();
        let chosen = |taken: &[&str], default| free_subnet(&subnets(taken), default).unwrap().to_string();
        assert_eq!(chosen(&["0.0.0.0/0", "fd00::/8"], true), "10.64.0.0/16");
        assert_eq!(chosen(&["10.64.3.0/24"], true), "10.65.0.0/16");
        assert_eq!(chosen(&["10.64.0.0/16", "10.65.0.0/24"], false), "10.65.1.0/24");
        assert_eq!(chosen(&["10.0.0.0/8"], true), "192.168.240.0/24");
        assert!(matches!(free_subnet(&subnets(&["10.0.0.0/8", "192.168.0.0/16"]), false), Err(Error::NoSubnet)));
        assert_eq!(local_subnet([1, 2, 3, 4, 5], 0x1234).to_string(), "fd01:203:405:1234::/64");
    }
}
