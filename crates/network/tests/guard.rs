//! A hostile container beside others at a bridge. Each test has a machine of its own.

mod world;

use network::{Bridge, Firewall, Networks, Wish};
use std::os::fd::OwnedFd;
use std::time::Duration;
use testkit::{Invocation, requires};
use world::{asked, container, machine, network, serve, v4, v6, wish, within};

fn nft(words: &str) -> String {
    Invocation::new("nft").args(words.split(' ')).ok().stdout
}

/// Sends frames from a container, written in Python with `mac`, `own` and `b(address)` at hand.
fn send(from: &OwnedFd, frame: &str) {
    let script = format!(
        "import socket\n\
         s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
         s.bind(('eth0', 0))\n\
         mac = s.getsockname()[4]\n\
         all = b'\\xff' * 6\n\
         b = lambda a: socket.inet_pton(socket.AF_INET6 if ':' in a else socket.AF_INET, a)\n\
         def sum16(p):\n\
         \x20   t = sum(int.from_bytes(p[i:i + 2], 'big') for i in range(0, len(p), 2))\n\
         \x20   while t >> 16: t = (t & 0xffff) + (t >> 16)\n\
         \x20   return (~t & 0xffff).to_bytes(2, 'big')\n\
         def arp(frame, sender, ip): s.send(all + frame + b'\\x08\\x06\\0\\1\\x08\\0\\6\\4\\0\\2' + sender + b(ip) + all + b(ip))\n\
         def na(source, about):\n\
         \x20   body = b'\\x20\\0\\0\\0' + b(about) + b'\\2\\1' + mac\n\
         \x20   to = b('ff02::1')\n\
         \x20   check = sum16(b(source) + to + (4 + len(body)).to_bytes(4, 'big') + b'\\0\\0\\0\\x3a' + b'\\x88\\0\\0\\0' + body)\n\
         \x20   head = b'\\x60\\0\\0\\0' + (4 + len(body)).to_bytes(2, 'big') + b'\\x3a\\xff' + b(source) + to\n\
         \x20   s.send(b'\\x33\\x33\\0\\0\\0\\1' + mac + b'\\x86\\xdd' + head + b'\\x88\\0' + check + body)\n\
         {frame}\n"
    );
    within(from, || Invocation::new("python3").args(["-c", &script]).ok());
}

#[test]
fn who_has_a_seat_takes_nobody_elses_address_by_arp_advertisement_or_mac() {
    requires!(root, package = "ip", package = "nft");
    machine();
    let dir = tempfile::tempdir().expect("a directory");
    let (networks, network) = (Networks::of(dir.path()), network("one", &["10.64.0.0/16", "fd00:1::/64"]));
    let [hostile, victim, asker] = [container(), container(), container()];
    let join = |name, guarded, namespace: &OwnedFd| {
        networks.attach(&network, &Wish { guarded, ..wish(name) }, namespace).expect("a place")
    };
    let (bad, good, _) = (join("bad", true, &hostile), join("good", false, &victim), join("ask", false, &asker));
    let seated = || nft("list ruleset").contains(&format!("\"{}\" . {} . {}", bad.outside, bad.mac, v4(&bad)));
    assert!(seated());
    nft("flush ruleset");
    networks.reload().expect("made anew");
    assert!(seated());
    // Its own filter, in place of that of the networks.
    nft("flush ruleset");
    let seat = network::Seat::of(&bad).expect("a seat");
    let mut firewall = Firewall::open("coracle").expect("a filter");
    firewall.make(&[Bridge::of(&network).expect("a bridge")], &[]).expect("its rules");
    let servers = [serve(&victim, (v4(&good), 80)), serve(&victim, (v6(&good), 80))];
    let all_well = || servers.iter().all(|server| asked(&asker, *server).is_some());
    let heard = |address: std::net::IpAddr| {
        within(&asker, || world::ip(&format!("neigh show {address} dev eth0"))).contains(&bad.mac)
    };
    let port_of_victim = || {
        let fdb = Invocation::new("bridge").args(["fdb", "show", "br", "corone"]).ok().stdout;
        fdb.lines().any(|line| line.starts_with(&good.mac) && line.contains(&good.outside))
    };
    let victim_mac = format!("bytes.fromhex('{}')", good.mac.replace(':', ""));
    let arp = format!("arp(mac, mac, '{}')", v4(&good));
    let advertisement = format!("na('{}', '{}')", v6(&bad), v6(&good));
    let theft = format!("arp({victim_mac}, mac, '{}')", v4(&bad));

    // It believes the last who says something, not the first.
    within(&asker, || std::fs::write("/proc/sys/net/ipv4/neigh/eth0/locktime", "0").expect("its own parameter"));
    // Without a seat all of it works: the kernel takes what it hears for an address that it knows.
    assert!(all_well());
    send(&hostile, &arp);
    assert!(heard(v4(&good)), "an announcement is believed");
    send(&hostile, &advertisement);
    assert!(heard(v6(&good)));
    // The victim may say something itself at the same moment.
    let stolen = || {
        send(&hostile, &theft);
        !port_of_victim()
    };
    assert!(testkit::within(Duration::from_secs(5), stolen), "its packets go elsewhere");

    within(&asker, || world::ip("neigh flush dev eth0"));
    assert!(all_well() && port_of_victim(), "it recovers");
    firewall.seat(std::slice::from_ref(&seat)).expect("seated");
    for frame in [&arp, &advertisement, &theft] {
        send(&hostile, frame);
        assert!(!heard(v4(&good)) && !heard(v6(&good)) && port_of_victim(), "{frame}");
    }
    assert!(all_well());
    // Its own addresses it has still, asked for anew.
    within(&asker, || world::ip("neigh flush dev eth0"));
    for server in [serve(&hostile, (v4(&bad), 80)), serve(&hostile, (v6(&bad), 80))] {
        assert!(asked(&asker, server).is_some() && servers.iter().all(|server| asked(&hostile, *server).is_some()));
    }
    let text = nft("list table bridge coracle");
    let element = format!("\"{}\" . {} . {}", bad.outside, bad.mac, v4(&bad));
    assert!(text.contains(&element) && text.contains("iifname . ether saddr . ip6 saddr @own6 accept"), "{text}");
    firewall.unseat(std::slice::from_ref(&seat)).expect("taken away");
    assert!(!nft("list table bridge coracle").contains(&bad.outside));
    nft("flush ruleset");
    firewall.seat(std::slice::from_ref(&seat)).expect("where there is no guard, there is no seat");
}
