//! The packet filter of our networks: one table, whose rules stay as they are, and sets and maps that say which networks
//! there are and which ports lead where. Whatever stands in it already, one more costs one element.
//!
//! Other tables have their say as well: a packet that ours lets through may be dropped by another, and the other way
//! round. Nothing outside of our own tables is touched.

mod guard;
mod obstacle;

pub use guard::Seat;
pub use obstacle::{Obstacle, Owner};

use crate::endpoint::{OUTSIDE, RESOLVER, RESOLVER6};
use crate::error::{Error, Result};
use crate::ports::{ANSWERED, SENT};
use crate::published::Published;
use crate::record::Network;
use crate::subnet::Subnet;
use netlink::nft::{Base, Batch, Data, Family, Fib, Key, Nft, Rule, Set, Type, Value, Verdict};
use netlink::octets;
use std::os::fd::AsFd as _;

/// What the filter has to know of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The bridge.
    pub interface: String,
    /// The addresses of its containers.
    pub subnets: Vec<Subnet>,
    /// It reaches nothing outside.
    pub internal: bool,
    /// It may speak with other networks that may, too.
    pub open: bool,
    /// Its containers go out with this machine's address.
    pub masquerade: bool,
}

impl Bridge {
    /// Of a network that has one.
    pub fn of(network: &Network) -> Option<Self> {
        Some(Self {
            interface: network.bridge()?.to_owned(),
            subnets: network.ranges.iter().map(|range| range.subnet).collect(),
            internal: network.internal,
            open: network.open,
            masquerade: !network.routed && !network.internal,
        })
    }
}

/// The filter of a network namespace.
#[derive(Debug)]
pub struct Firewall {
    nft: Nft,
    table: String,
    stands_in: bool,
}

/// What is written to the table: another version of the rules is made anew.
const VERSION: &[u8] = b"coracle 4";

/// IPv4 and IPv6, as the filter has them.
const IPV4: &[u8] = &[2];
const IPV6: &[u8] = &[10];
const ICMPV6: &[u8] = &[58];
/// `ND_NEIGHBOR_…` (RFC 4861, section 4).
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

const BRIDGES: &str = "bridges";
const INTERNAL: &str = "internal";
const OPEN: &str = "open";
const SAME: &str = "same";
const MASQUERADED: &str = "masqueraded";
const SOURCES: &str = "sources";
const TARGETS: &str = "targets";

/// The maps of published ports, by family: at one address, and at any.
const AT: [&str; 2] = ["at4", "at6"];
const ANY: [&str; 2] = ["any4", "any6"];

const ESTABLISHED_OR_RELATED: u32 = 2 | 4;

impl Firewall {
    /// That of the network namespace that the process is in, in a table of this name.
    pub fn open(table: &str) -> Result<Self> {
        let nft = Nft::open().map_err(Error::filter("ask the packet filter"))?;
        Ok(Self { nft, table: table.to_owned(), stands_in: false })
    }

    /// The same, where answers to clients that somebody stands in for are led back to him (see [`crate::ports::Target`]).
    #[must_use]
    pub fn stands_in(self) -> Self {
        Self { stands_in: true, ..self }
    }

    /// The table is there, with the rules of this version.
    pub fn stands(&mut self) -> Result<bool> {
        let note = self.nft.note(Family::Inet, &self.table).map_err(Error::filter("ask the packet filter"))?;
        Ok(note.as_deref() == Some(VERSION))
    }

    /// Makes all of it anew, at once: who is on the way through finds either the old or the new.
    pub fn make(&mut self, bridges: &[Bridge], published: &[Published]) -> Result<()> {
        self.make_guard();
        let mut batch = Batch::of(Family::Inet, &self.table);
        batch.table(&[]);
        batch.remove_table();
        batch.table(VERSION);
        sets(&mut batch);
        rules(&mut batch);
        if self.stands_in {
            lead_back(&mut batch);
        }
        for bridge in bridges {
            add(&mut batch, bridge);
        }
        publish(&mut batch, published);
        self.nft.commit(batch).map_err(Error::filter("set up the packet filter"))
    }

    /// A kernel without a filter for bridges leaves the guard to the containers, which believe no router.
    fn make_guard(&mut self) {
        let mut batch = Batch::of(Family::Bridge, &self.table);
        batch.table(&[]);
        batch.remove_table();
        batch.table(VERSION);
        guard::add(&mut batch, OUTSIDE);
        let _ = self.nft.commit(batch);
    }

    /// A network is there from now on.
    pub fn join(&mut self, bridge: &Bridge) -> Result<()> {
        let mut batch = Batch::of(Family::Inet, &self.table);
        add(&mut batch, bridge);
        self.nft.commit(batch).map_err(Error::filter("let the network through the packet filter"))
    }

    /// A network is gone. One that was not there is fine.
    pub fn leave(&mut self, bridge: &Bridge) {
        let mut batch = Batch::of(Family::Inet, &self.table);
        let key = name(&bridge.interface);
        for (map, chain) in [(SOURCES, from(bridge)), (TARGETS, to(bridge))] {
            batch.take_out(map, [&key]);
            batch.remove_chain(&chain);
        }
        for (set, wanted) in sets_of(bridge) {
            if wanted {
                batch.take_out(set, [&key]);
            }
        }
        batch.take_out(SAME, [&key.interface(&bridge.interface)]);
        let _ = self.nft.commit(batch);
    }

    /// Leads ports to containers.
    pub fn publish(&mut self, published: &[Published]) -> Result<()> {
        if published.iter().all(|one| one.passed) {
            return Ok(());
        }
        let mut batch = Batch::of(Family::Inet, &self.table);
        publish(&mut batch, published);
        self.nft.commit(batch).map_err(Error::filter("publish ports"))
    }

    /// Leads them nowhere any more. What is not there is fine.
    pub fn withdraw(&mut self, published: &[Published]) {
        let withdraw = |nft: &mut Nft, published: &[Published]| {
            let mut batch = Batch::of(Family::Inet, &self.table);
            for (map, pairs) in by_map(published) {
                batch.take_out(map, pairs.iter().map(|(key, _)| key));
            }
            nft.commit(batch)
        };
        if !published.iter().all(|one| one.passed) && withdraw(&mut self.nft, published).is_err() {
            // One that is not there keeps all others from going.
            for published in published {
                let _ = withdraw(&mut self.nft, std::slice::from_ref(published));
            }
        }
    }

    /// Ends without waiting. Whoever is the last to close a socket by which something was taken out waits until the kernel
    /// has let go of that, which takes a grace period of RCU, 15 ms: let that be a process that has nothing else to do.
    pub fn leave_to_another(self) {
        let nft = &self.nft;
        let _ = sys::process::fork(|| i32::from(sys::detached::apart(&[nft.as_fd()]).is_err()));
    }

    /// Removes the tables.
    pub fn remove(&mut self) {
        for family in [Family::Inet, Family::Bridge] {
            let mut batch = Batch::of(family, &self.table);
            batch.remove_table();
            let _ = self.nft.commit(batch);
        }
    }
}

fn name(interface: &str) -> Value {
    Value::default().interface(interface)
}

/// The chain of what comes from a network.
fn from(bridge: &Bridge) -> String {
    format!("from_{}", bridge.interface)
}

/// The chain of what goes to one.
fn to(bridge: &Bridge) -> String {
    format!("to_{}", bridge.interface)
}

/// The sets of names of bridges, and whether a network belongs there.
fn sets_of(bridge: &Bridge) -> [(&'static str, bool); 4] {
    [(BRIDGES, true), (INTERNAL, bridge.internal), (OPEN, bridge.open), (MASQUERADED, bridge.masquerade)]
}

fn sets(batch: &mut Batch<'_>) {
    let interface = [Type::Interface];
    for name in [BRIDGES, INTERNAL, OPEN, MASQUERADED] {
        batch.set(&Set { name, key: &interface, data: Data::None });
    }
    batch.set(&Set { name: SAME, key: &[Type::Interface, Type::Interface], data: Data::None });
    for name in [SOURCES, TARGETS] {
        batch.set(&Set { name, key: &interface, data: Data::Verdict });
    }
    for (number, address) in [Type::Ipv4, Type::Ipv6].into_iter().enumerate() {
        let data = [address, Type::Port];
        let data = Data::Value(&data);
        batch.set(&Set { name: AT[number], key: &[address, Type::Protocol, Type::Port], data });
        batch.set(&Set { name: ANY[number], key: &[Type::Protocol, Type::Port], data });
    }
}

fn rules(batch: &mut Batch<'_>) {
    let base = |kind, hook, priority| Some(Base { kind, hook, priority });
    let rule = Rule::new;

    // Before anything is tracked. What comes in by a bridge and is for a loopback address is nobody's business there: the
    // bridges let such packets in for the answers to those of our own (CVE-2020-8558).
    batch.chain("early", base("filter", 0, -300));
    let loopback = rule().is(Key::Family, IPV4).within(Key::Target4, &[127, 0, 0, 0], 8);
    batch.rule("early", &loopback.device(Key::In, BRIDGES).verdict(Verdict::Drop));
    batch.rule("early", &rule().follow(&[Key::In], SOURCES));

    for (chain, hook) in [("arriving", 0), ("own", 3)] {
        batch.chain(chain, base("nat", hook, -100));
        for (number, family) in [IPV4, IPV6].into_iter().enumerate() {
            let ipv6 = number == 1;
            let target = if ipv6 { Key::Target6 } else { Key::Target4 };
            let local = || {
                let rule = rule().is(Key::Family, family).target_is(Fib::Local);
                // What goes to ::1 can come from nowhere else, and so not from a container: a proxy takes it.
                if ipv6 { rule.is_not(Key::Target6, &std::net::Ipv6Addr::LOCALHOST.octets()) } else { rule }
            };
            batch.rule(chain, &local().translate(&[target, Key::Protocol, Key::Port], AT[number], ipv6));
            batch.rule(chain, &local().translate(&[Key::Protocol, Key::Port], ANY[number], ipv6));
        }
    }

    batch.chain("leaving", base("nat", 4, 100));
    batch.rule("leaving", &rule().device(Key::In, MASQUERADED).no_device(Key::Out, BRIDGES).masquerade());
    batch.rule("leaving", &rule().follow(&[Key::Out], TARGETS));
    let loopback = rule().is(Key::Family, IPV4).within(Key::Source4, &[127, 0, 0, 0], 8);
    batch.rule("leaving", &loopback.device(Key::Out, BRIDGES).masquerade());

    batch.chain("through", base("filter", 2, 0));
    let through = [
        rule().no_device(Key::In, BRIDGES).no_device(Key::Out, BRIDGES).verdict(Verdict::Accept),
        rule().are_in(&[Key::In, Key::Out], SAME, false).verdict(Verdict::Accept),
        rule().device(Key::In, INTERNAL).verdict(Verdict::Drop),
        rule().device(Key::Out, INTERNAL).verdict(Verdict::Drop),
        rule().state(ESTABLISHED_OR_RELATED).verdict(Verdict::Accept),
        rule().translated().verdict(Verdict::Accept),
        rule().device(Key::In, OPEN).device(Key::Out, OPEN).verdict(Verdict::Accept),
        // From another network, or from outside to a port that nobody has published.
        rule().device(Key::Out, BRIDGES).verdict(Verdict::Drop),
    ];
    for rule in &through {
        batch.rule("through", rule);
    }

    batch.chain("here", base("filter", 1, 0));
    let from_within = || rule().device(Key::In, INTERNAL);
    // Who has which address on the link is asked and answered so.
    let neighbours =
        |kind: u8| from_within().is(Key::Family, IPV6).is(Key::Protocol, ICMPV6).is(Key::IcmpType, &[kind]);
    let here = [
        from_within().state(ESTABLISHED_OR_RELATED).verdict(Verdict::Accept),
        neighbours(NEIGHBOUR_SOLICITATION).verdict(Verdict::Accept),
        neighbours(NEIGHBOUR_ADVERTISEMENT).verdict(Verdict::Accept),
        from_within().verdict(Verdict::Drop),
    ];
    for rule in &here {
        batch.rule("here", rule);
    }
}

/// Whoever passes on what comes, as if he were the client, marks what he sends, and so the connection: its answers get
/// another mark, by which they are routed to him and not to the client.
fn lead_back(batch: &mut Batch<'_>) {
    let base = |hook| Some(Base { kind: "filter", hook, priority: -150 });
    let mark = SENT.to_ne_bytes();
    batch.chain("standing_in", base(3));
    batch.rule("standing_in", &Rule::new().is(Key::Mark, &mark).mark_connection());
    batch.chain("leading_back", base(0));
    batch.rule("leading_back", &Rule::new().is(Key::ConnectionMark, &mark).mark(ANSWERED));
}

/// A network: its names in the sets, and the addresses that may come from it.
fn add(batch: &mut Batch<'_>, bridge: &Bridge) {
    let key = name(&bridge.interface);
    let (from, to) = (from(bridge), to(bridge));
    for (set, wanted) in sets_of(bridge) {
        if wanted {
            batch.insert(set, [&key]);
        }
    }
    batch.insert(SAME, [&key.clone().interface(&bridge.interface)]);
    for chain in [&from, &to] {
        batch.chain(chain, None);
        batch.empty_chain(chain);
    }
    for subnet in &bridge.subnets {
        let (family, key) = if subnet.is_ipv6() { (IPV6, Key::Source6) } else { (IPV4, Key::Source4) };
        let source = Rule::new().is(Key::Family, family).within(key, &octets(subnet.address()), subnet.prefix());
        batch.rule(&from, &source.clone().verdict(Verdict::Return));
        // Led back into the network that it came from: without this the answer would go there at once, past us. Where it
        // came in by is not said of a packet that is bridged.
        batch.rule(&to, &source.translated().masquerade());
    }
    // Where bridged packets pass this filter, too.
    let resolver = Rule::new().is(Key::Family, IPV4).is(Key::Source4, &RESOLVER.octets());
    batch.rule(&from, &resolver.verdict(Verdict::Return));
    let resolver = Rule::new().is(Key::Family, IPV6).is(Key::Source6, &RESOLVER6.octets());
    batch.rule(&from, &resolver.verdict(Verdict::Return));
    let local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let on_link = Rule::new().is(Key::Family, IPV6).within(Key::Source6, &local, 10);
    batch.rule(&from, &on_link.verdict(Verdict::Return));
    // Who has no address yet, and asks whether anybody has the one that he wants (RFC 4862, section 5.4.2).
    let nobody = Rule::new().is(Key::Family, IPV6).is(Key::Source6, &[0; 16]);
    batch.rule(&from, &nobody.verdict(Verdict::Return));
    batch.rule(&from, &Rule::new().verdict(Verdict::Drop));
    batch.direct(SOURCES, &key, &Verdict::Jump(from));
    batch.direct(TARGETS, &key, &Verdict::Jump(to));
}

fn publish(batch: &mut Batch<'_>, published: &[Published]) {
    for (map, pairs) in by_map(published) {
        batch.map(map, &pairs);
    }
}

/// Ports by the map that they belong in, each with its key and where it leads.
fn by_map(published: &[Published]) -> Vec<(&'static str, Vec<(Value, Value)>)> {
    let mut maps: Vec<(&'static str, Vec<(Value, Value)>)> = Vec::new();
    for one in published.iter().filter(|one| !one.passed) {
        let family = usize::from(one.to.is_ipv6());
        let (map, key) = match one.at {
            Some(at) => (AT[family], Value::default().and(&octets(at))),
            None => (ANY[family], Value::default()),
        };
        let key = key.and(&[one.protocol.number()]).and(&one.port.to_be_bytes());
        let data = Value::default().and(&octets(one.to.ip())).and(&one.to.port().to_be_bytes());
        match maps.iter_mut().find(|(name, _)| *name == map) {
            Some((_, pairs)) => pairs.push((key, data)),
            None => maps.push((map, vec![(key, data)])),
        }
    }
    maps
}
