//! The guard of bridges: what a container may send over its device, where it could send anything (`CAP_NET_RAW`,
//! `CAP_NET_ADMIN`). By default none can; who may is given a seat, and speaks from there with his own addresses only:
//! nobody takes another one's by ARP, by neighbour advertisements or by his hardware address.

use super::Firewall;
use crate::endpoint::{Endpoint, parse_mac};
use crate::error::{Error, Result};
use netlink::nft::{Base, Batch, Data, Family, Key, Rule, Set, Type, Value, Verdict};
use netlink::{Mac, octets};
use std::net::IpAddr;

/// A container's place at a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its device's end at the bridge.
    pub interface: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Seat {
    /// That of a container, if it has one.
    pub fn of(endpoint: &Endpoint) -> Option<Self> {
        let mac = parse_mac(&endpoint.mac).filter(|_| endpoint.guarded)?;
        Some(Self { interface: endpoint.outside.clone(), mac, addresses: endpoint.hosts() })
    }
}

const SEATS: &str = "seats";
const MACS: &str = "macs";
const OWN: [&str; 2] = ["own4", "own6"];

/// `ETH_P_…`.
const IPV4: &[u8] = &[0x08, 0x00];
const ARP: &[u8] = &[0x08, 0x06];
const IPV6: &[u8] = &[0x86, 0xdd];
const ICMPV6: &[u8] = &[58];
const ROUTER_ADVERTISEMENT: &[u8] = &[134];
const NEIGHBOUR_ADVERTISEMENT: &[u8] = &[136];
/// `fe80::/10`.
const ON_LINK: &[u8; 16] = &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Adds the sets and the rules. Devices whose names begin with `ours` are containers'.
pub fn add(batch: &mut Batch<'_>, ours: &str) {
    let base = |hook, priority| Some(Base { kind: "filter", hook, priority });
    let rule = Rule::new;
    let icmp = |kind| rule().is(Key::EtherType, IPV6).is(Key::Protocol, ICMPV6).is(Key::IcmpType, kind);

    // No container is a router for others (CVE-2020-13401).
    batch.chain("between", base(2, 0));
    batch.rule("between", &icmp(ROUTER_ADVERTISEMENT).is(Key::In, ours.as_bytes()).verdict(Verdict::Drop));

    batch.set(&Set { name: SEATS, key: &[Type::Interface], data: Data::None });
    batch.set(&Set { name: MACS, key: &[Type::Interface, Type::Ether], data: Data::None });
    for (name, address) in OWN.into_iter().zip([Type::Ipv4, Type::Ipv6]) {
        batch.set(&Set { name, key: &[Type::Interface, Type::Ether, address], data: Data::None });
    }
    batch.chain("arriving", base(0, -300));
    let own = |rule: Rule, key, family: usize| {
        rule.are_in(&[Key::In, Key::EtherSource, key], OWN[family], false).verdict(Verdict::Accept)
    };
    let mac = |rule: Rule, negated| rule.are_in(&[Key::In, Key::EtherSource], MACS, negated);
    let advertised = || icmp(NEIGHBOUR_ADVERTISEMENT);
    for rule in [
        rule().no_device(Key::In, SEATS).verdict(Verdict::Accept),
        own(rule().is(Key::EtherType, IPV4), Key::Source4, 0),
        own(advertised(), Key::Advertised, 1),
        mac(advertised().within(Key::Advertised, ON_LINK, 10), false).verdict(Verdict::Accept),
        advertised().verdict(Verdict::Drop),
        own(rule().is(Key::EtherType, IPV6), Key::Source6, 1),
        mac(rule(), true).verdict(Verdict::Drop),
        rule()
            .is(Key::EtherType, ARP)
            .are_in(&[Key::In, Key::ArpMac, Key::ArpSource], OWN[0], false)
            .verdict(Verdict::Accept),
        // Who has no address yet, and asks whether anybody has the one that he wants (RFC 5227; RFC 4862).
        rule().is(Key::EtherType, ARP).is(Key::ArpSource, &[0; 4]).verdict(Verdict::Accept),
        rule().is(Key::EtherType, IPV6).is(Key::Source6, &[0; 16]).verdict(Verdict::Accept),
        rule().is(Key::EtherType, IPV6).within(Key::Source6, ON_LINK, 10).verdict(Verdict::Accept),
        rule().verdict(Verdict::Drop),
    ] {
        batch.rule("arriving", &rule);
    }
}

/// What stands in the sets for a seat.
fn elements(seat: &Seat) -> Vec<(&'static str, Value)> {
    let device = Value::default().interface(&seat.interface);
    let own = device.clone().and(&seat.mac);
    let address = |address: &IpAddr| (OWN[usize::from(address.is_ipv6())], own.clone().and(&octets(*address)));
    let addresses: Vec<_> = seat.addresses.iter().map(address).collect();
    [(SEATS, device), (MACS, own)].into_iter().chain(addresses).collect()
}

impl Firewall {
    /// Gives containers their seats. Where the kernel has no filter for bridges nobody has one.
    pub fn seat(&mut self, seats: &[Seat]) -> Result<()> {
        self.seats(seats, |batch, set, key| batch.insert(set, [key]))
    }

    /// Takes them away.
    pub fn unseat(&mut self, seats: &[Seat]) -> Result<()> {
        self.seats(seats, |batch, set, key| batch.take_out(set, [key]))
    }

    fn seats(&mut self, seats: &[Seat], change: impl Fn(&mut Batch<'_>, &str, &Value)) -> Result<()> {
        let mut batch = Batch::of(Family::Bridge, &self.table);
        for (set, key) in seats.iter().flat_map(elements) {
            change(&mut batch, set, &key);
        }
        match self.nft.commit(batch) {
            Err(error) if error.errno() == Some(sys::Errno::NOENT) => Ok(()),
            other => other.map_err(Error::filter("guard the bridge")),
        }
    }
}
