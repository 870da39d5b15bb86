//! The packet filter, with nft(8) and real packets as the other opinion. Each test has a machine of its own.

mod world;

use network::{Bridge, Firewall, Network, Networks, Port, Protocol, Published, Wish};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use testkit::{Invocation, requires};
use world::{
    asked, asked_udp, container, here, machine, neighbour, network, refused, serve, serve_udp, udp, v4, v6, wish,
    within,
};

const TABLE: &str = "coracle";

fn nft(words: &str) -> String {
    Invocation::new("nft").args(words.split(' ')).ok().stdout
}

fn rules() -> serde_json::Value {
    serde_json::from_str(&nft("-j list ruleset")).expect("JSON")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A machine with a network on it, and two containers there.
struct World {
    firewall: Firewall,
    network: Network,
    bridge: Bridge,
    networks: Networks,
    a: OwnedFd,
    b: OwnedFd,
    in_a: network::Endpoint,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        machine();
        let dir = tempfile::tempdir().expect("a directory");
        let networks = Networks::of(dir.path());
        let network = network("one", &["10.64.0.0/16", "fd00:1::/64"]);
        let (a, b) = (container(), container());
        // The first has a port that is published, which this test publishes by itself.
        let ports = [Port { at: None, protocol: Protocol::Tcp, port: 9, inside: 9, passed: false }];
        let in_a = networks.attach(&network, &Wish { ports: &ports, ..wish("aaa") }, &a).expect("a place");
        networks.attach(&network, &wish("bbb"), &b).expect("a place");
        let bridge = Bridge::of(&network).expect("a bridge");
        let mut firewall = Firewall::open(TABLE).expect("a filter");
        // Its own, in place of that of the networks.
        nft("flush ruleset");
        firewall.make(std::slice::from_ref(&bridge), &[]).expect("its rules");
        Self { firewall, network, bridge, networks, a, b, in_a, _dir: dir }
    }

    /// Joins a container to a network, which has no filter yet but this world's.
    fn attach(&mut self, network: &Network, name: &str, namespace: &OwnedFd) -> network::Endpoint {
        let endpoint = self.networks.attach(network, &wish(name), namespace).expect("a place");
        for table in nft("list tables").lines().filter(|line| line.contains("coracle-")) {
            nft(&format!("delete {table}"));
        }
        endpoint
    }

    fn publish(&mut self, at: Option<&str>, protocol: Protocol, port: u16, to: SocketAddr) -> Published {
        let published = Published { at: at.map(ip), protocol, port, to, passed: false };
        self.firewall.publish(&[published]).expect("published");
        published
    }
}

#[test]
fn published_ports_are_reached_from_outside_with_the_source_kept() {
    requires!(root, package = "ip", package = "nft");
    let mut world = World::new();
    let outside = neighbour();
    for (server, to, neighbour) in
        [(v4(&world.in_a), "192.0.2.1", "192.0.2.2"), (v6(&world.in_a), "2001:db8::1", "2001:db8::2")]
    {
        let server = serve(&world.a, (server, 80));
        let published = world.publish(None, Protocol::Tcp, 8080, server);
        assert_eq!(asked(&outside, (ip(to), 8080)).as_deref(), Some(neighbour));
        assert!(refused(&outside, (ip(to), 80)), "the container's own port is none of the machine's");
        world.firewall.withdraw(&[published]);
        assert!(refused(&outside, (ip(to), 8080)));
        let udp = serve_udp(&world.a, (server.ip(), 53));
        world.publish(None, Protocol::Udp, 5353, udp);
        assert_eq!(asked_udp(&outside, (ip(to), 5353)).as_deref(), Some(neighbour));
        // Only at one address.
        world.publish(Some(to), Protocol::Tcp, 81, server);
        assert_eq!(asked(&outside, (ip(to), 81)).as_deref(), Some(neighbour));
    }
    assert!(refused(&here(), (ip("127.0.0.1"), 81)), "published at one address, it is at no other");
}

#[test]
fn published_ports_are_reached_from_this_machine_and_from_containers() {
    requires!(root, package = "ip", package = "nft");
    let mut world = World::new();
    let _outside = neighbour();
    let server = serve(&world.a, (v4(&world.in_a), 80));
    world.publish(None, Protocol::Tcp, 8080, server);
    let server6 = serve(&world.a, (v6(&world.in_a), 80));
    world.publish(None, Protocol::Tcp, 8080, server6);
    assert_eq!(asked(&here(), (ip("127.0.0.1"), 8080)).as_deref(), Some("10.64.0.1"), "by loopback");
    for own in ["192.0.2.1", "10.64.0.1"] {
        assert_eq!(asked(&here(), (ip(own), 8080)).as_deref(), Some(own), "by an address of its own");
    }
    assert!(asked(&here(), (ip("2001:db8::1"), 8080)).is_some());
    // Hairpin: a container reaches itself, and its neighbour, by the machine's address.
    for from in [&world.a, &world.b] {
        assert!(asked(from, (ip("192.0.2.1"), 8080)).is_some());
        assert!(asked(from, (ip("10.64.0.1"), 8080)).is_some());
        assert!(asked(from, (ip("2001:db8::1"), 8080)).is_some());
    }
}

#[test]
fn containers_go_out_with_this_machines_address_and_unpublished_ports_are_closed() {
    requires!(root, package = "ip", package = "nft");
    let world = World::new();
    let outside = neighbour();
    let server = serve(&outside, (ip("192.0.2.2"), 80));
    assert_eq!(asked(&world.a, server).as_deref(), Some("192.0.2.1"));
    let server = serve(&outside, (ip("2001:db8::2"), 80));
    assert_eq!(asked(&world.a, server).as_deref(), Some("2001:db8::1"));
    let server = serve_udp(&outside, (ip("192.0.2.2"), 53));
    assert_eq!(asked_udp(&world.b, server).as_deref(), Some("192.0.2.1"));
    // A neighbour who sends his packets to us, and knows an address of a container (docker 28).
    within(&outside, || {
        world::ip("route add 10.64.0.0/16 via 192.0.2.1");
        world::ip("route add fd00:1::/64 via 2001:db8::1");
    });
    let inside = serve(&world.a, (v4(&world.in_a), 80));
    let inside6 = serve(&world.a, (v6(&world.in_a), 80));
    assert!(asked(&world.b, inside).is_some() && asked(&here(), inside).is_some());
    assert!(refused(&outside, inside) && refused(&outside, inside6));
}

#[test]
fn loopback_addresses_of_this_machine_are_out_of_reach_cve_2020_8558() {
    requires!(root, package = "ip", package = "nft");
    let world = World::new();
    let secret = serve(&here(), (ip("127.0.0.1"), 4000));
    assert!(asked(&here(), secret).is_some());
    // A hostile container sends packets for 127.0.0.1 to its gateway.
    within(&world.a, || {
        world::ip("addr del 127.0.0.1/8 dev lo");
        world::ip("route add 127.0.0.0/8 via 10.64.0.1 dev eth0");
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").expect("its own parameter");
    });
    assert!(refused(&world.a, secret));
    // It is the filter that keeps it out, not chance.
    nft("flush chain inet coracle early");
    assert!(!refused(&world.a, secret), "without the rule it would come through");
}

#[test]
fn spoofed_sources_go_nowhere() {
    requires!(root, package = "ip", package = "nft");
    let mut world = World::new();
    let outside = neighbour();
    let heard = serve_udp(&outside, (ip("192.0.2.2"), 53));
    within(&world.a, || world::ip("addr add 192.0.2.77/32 dev eth0"));
    let spoofed = udp(&world.a, "192.0.2.77");
    let counted = |name: &str| {
        let shown = nft(&format!("list counter inet probe {name}"));
        shown.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok()).expect("a number")
    };
    within(&outside, || {
        nft("add table inet probe");
        nft("add counter inet probe heard");
        nft("add chain inet probe heard { type filter hook prerouting priority 0 ; }");
        nft("add rule inet probe heard ip saddr 192.0.2.77 counter name heard");
    });
    spoofed.send_to(b"x", heard).expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(within(&outside, || counted("heard")), 0);
    nft("flush chain inet coracle from_corone");
    world.firewall.stands().expect("a table");
    nft("flush chain inet coracle leaving");
    spoofed.send_to(b"x", heard).expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(within(&outside, || counted("heard")), 1, "without the rules it is heard");
}

#[test]
fn networks_are_apart_unless_both_are_open() {
    requires!(root, package = "ip", package = "nft");
    let mut world = World::new();
    let mut other = network("two", &["10.65.0.0/24", "fd00:2::/64"]);
    let c = container();
    let in_c = world.attach(&other, "ccc", &c);
    world.firewall.join(&Bridge::of(&other).expect("a bridge")).expect("joined");
    let servers = [serve(&c, (v4(&in_c), 80)), serve(&c, (v6(&in_c), 80))];
    assert!(servers.iter().all(|server| refused(&world.a, *server)));
    // A published port is everybody's.
    world.publish(None, Protocol::Tcp, 8080, servers[0]);
    assert!(asked(&world.a, (ip("10.64.0.1"), 8080)).is_some());
    (other.open, world.network.open) = (true, true);
    for network in [&other, &world.network] {
        let bridge = Bridge::of(network).expect("a bridge");
        world.firewall.leave(&bridge);
        world.firewall.join(&bridge).expect("joined");
    }
    assert!(servers.iter().all(|server| asked(&world.a, *server).is_some()));
}

#[test]
fn an_internal_network_reaches_nothing_outside() {
    requires!(root, package = "ip", package = "nft", package = "ping");
    let mut world = World::new();
    let outside = neighbour();
    let internal = Network { internal: true, ..network("in", &["10.65.0.0/24", "fd00:2::/64"]) };
    let (c, d) = (container(), container());
    let (in_c, in_d) = (world.attach(&internal, "ccc", &c), world.attach(&internal, "ddd", &d));
    world.firewall.join(&Bridge::of(&internal).expect("a bridge")).expect("joined");
    // It finds a way by itself.
    for namespace in [&c, &d] {
        within(namespace, || {
            world::ip("route add default via 10.65.0.1");
            world::ip("route add default via fd00:2::1");
        });
    }
    let servers = [
        serve(&outside, (ip("192.0.2.2"), 80)),
        serve(&outside, (ip("2001:db8::2"), 80)),
        serve(&here(), (ip("0.0.0.0"), 4000)),
        serve(&world.a, (v4(&world.in_a), 80)),
    ];
    let here_by = (ip("10.65.0.1"), servers[2].port());
    assert!(servers.iter().all(|server| refused(&c, *server)) && refused(&c, here_by));
    let pings =
        |to: &str| within(&c, || Invocation::new("ping").args(["-c", "1", "-W", "1", to]).run().exit_code() == Some(0));
    for family in [false, true] {
        let gateway = internal.range(family).and_then(|range| range.gateway).expect("a gateway").to_string();
        let neighbour = in_d.address(family).expect("an address").0.to_string();
        assert!(pings(&neighbour) && !pings(&gateway), "{gateway}");
    }
    assert!(refused(&world.a, serve(&c, (v4(&in_c), 80))));
    assert!(asked(&d, serve(&c, (v6(&in_c), 81))).is_some(), "within it all is well");
    assert!(asked(&here(), serve(&d, (v4(&in_d), 80))).is_some(), "and this machine reaches it");
}

#[test]
fn nft_reads_what_was_meant_and_a_foreign_flush_is_noticed() {
    requires!(root, package = "ip", package = "nft");
    let mut world = World::new();
    world.publish(Some("192.0.2.1"), Protocol::Sctp, 9000, "10.64.0.2:90".parse().unwrap());
    world.publish(None, Protocol::Udp, 53, "[fd00:1::2]:5353".parse().unwrap());
    let text = nft("list ruleset");
    for part in [
        "table inet coracle",
        "elements = { \"corone\" . \"corone\" }",
        "elements = { \"corone\" : jump from_corone }",
        "elements = { 192.0.2.1 . sctp . 9000 : 10.64.0.2 . 90 }",
        "elements = { udp . 53 : fd00:1::2 . 5353 }",
        "type nat hook prerouting priority dstnat; policy accept;",
        "type filter hook forward priority filter; policy accept;",
        "ct state established,related accept",
        "ct status dnat accept",
        "ip saddr 10.64.0.0/16 return",
        "ip6 saddr fd00:1::/64 return",
        "fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @at4",
        "iifname @masqueraded oifname != @bridges masquerade",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(rules()["nftables"].as_array().is_some_and(|all| all.len() > 30));
    assert!(world.firewall.stands().expect("an answer"));
    nft("flush ruleset");
    assert!(!world.firewall.stands().expect("an answer"));
    world.firewall.make(std::slice::from_ref(&world.bridge), &[]).expect("made anew");
    assert!(world.firewall.stands().expect("an answer"));
    // Another run root's, beside it.
    let mut other = Firewall::open("coracle-2").expect("a filter");
    other.make(&[], &[]).expect("its rules");
    other.remove();
    assert!(world.firewall.stands().expect("an answer") && !nft("list tables").contains("coracle-2"));
    world.firewall.leave(&world.bridge.clone());
    assert!(!nft("list table inet coracle").contains("corone"));
}

#[test]
fn what_announces_itself_as_a_router_is_not_passed_on() {
    requires!(root, package = "ip", package = "nft");
    let world = World::new();
    let text = nft("list table bridge coracle");
    assert!(text.contains("iifname \"cov*\" drop") && text.contains("nd-router-advert"), "{text}");
    // A container that takes what comes, beside one that sends: nothing comes.
    within(&world.b, || std::fs::write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "2").expect("its own parameter"));
    let advertise = |from: &OwnedFd| {
        let script = "import socket,struct\n\
             s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,58)\n\
             s.setsockopt(41,socket.IPV6_MULTICAST_HOPS,255)\n\
             s.setsockopt(41,socket.IPV6_MULTICAST_IF,socket.if_nametoindex('eth0'))\n\
             p=socket.inet_pton(socket.AF_INET6,'2001:db8:bad::')\n\
             ra=struct.pack('!BBHBBHII',134,0,0,64,0,1800,0,0)+struct.pack('!BBBBIII',3,4,64,0xc0,86400,86400,0)+p\n\
             s.sendto(ra,('ff02::1',0))";
        within(from, || Invocation::new("python3").args(["-c", script]).ok());
        std::thread::sleep(Duration::from_millis(200));
        within(&world.b, || world::ip("-6 addr show eth0").contains("2001:db8:bad:"))
    };
    assert!(!advertise(&world.a));
    nft("flush table bridge coracle");
    assert!(advertise(&world.a), "without the rule it is believed");
}

#[test]
fn ten_thousand_ports_are_published_as_fast_as_one() {
    requires!(root, package = "nft", timing);
    machine();
    let mut firewall = Firewall::open(TABLE).expect("a filter");
    firewall.make(&[], &[]).expect("its rules");
    let one = |port: u16| Published {
        at: None,
        protocol: Protocol::Tcp,
        port,
        to: ([10, 64, 0, 2], port).into(),
        passed: false,
    };
    let mut time = |ports: std::ops::Range<u16>, each: bool| {
        let ports: Vec<_> = ports.map(one).collect();
        let start = Instant::now();
        if each {
            for port in &ports {
                firewall.publish(std::slice::from_ref(port)).expect("published");
            }
        } else {
            firewall.publish(&ports).expect("published");
        }
        start.elapsed() / u32::try_from(ports.len()).expect("a number")
    };
    let first = time(1..201, true);
    let many = time(201..10_001, false);
    let last = time(10_001..10_201, true);
    println!("one by one {first:?}, 9800 at once {many:?} each, one by one behind them {last:?}");
    assert_eq!(nft("list map inet coracle any4").matches("tcp .").count(), 10_200);
    assert!(many < Duration::from_micros(200) && last < Duration::from_millis(2), "{many:?} {last:?}");
    let all: Vec<_> = (1..10_201).map(one).collect();
    firewall.withdraw(&all[..1]);
    firewall.withdraw(&all);
    assert_eq!(nft("list map inet coracle any4").matches("tcp .").count(), 0, "one that is gone keeps none");
}
