//! Other firewalls in our way. Each test has a machine of its own.

mod world;

use network::{Bridge, Firewall, Networks, Owner};
use testkit::{Invocation, requires};
use world::{asked, container, machine, neighbour, network, refused, serve, wish};

fn nft(rules: &str) {
    Invocation::new("nft").args(["-f", "-"]).stdin(rules).ok();
}

#[test]
fn who_drops_what_we_let_through_is_named_with_what_helps() {
    requires!(root, package = "ip", package = "nft", package = "iptables-nft");
    machine();
    let dir = tempfile::tempdir().expect("a directory");
    let (networks, network) = (Networks::of(dir.path()), network("one", &["10.64.0.0/16"]));
    let bridge = Bridge::of(&network).expect("a bridge").interface;
    let inside = container();
    networks.attach(&network, &wish("aaa"), &inside).expect("a place");
    let outside = neighbour();
    let server = serve(&outside, (std::net::IpAddr::from([192, 0, 2, 2]), 80));
    let mut firewall = Firewall::open("coracle").expect("a filter");
    let mut obstacles = || firewall.obstacles(&bridge).expect("a list");
    assert!(asked(&inside, server).is_some() && obstacles().is_empty(), "ours are none");

    // As dockerd leaves it, and after what we say helps.
    let iptables = |words: &str| Invocation::new("iptables-nft").args(words.split(' ')).ok();
    for words in ["-P FORWARD DROP", "-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER"] {
        iptables(words);
    }
    let found = obstacles();
    assert!(refused(&inside, server));
    assert_eq!(found.iter().map(|found| found.owner).collect::<Vec<_>>(), [Some(Owner::Docker)]);
    let text = found[0].to_string();
    assert!(text.starts_with("chain FORWARD of table ip filter drops what passes through corone"), "{text}");
    let (_, remedy) = text.split_once("accept it: ").expect("a remedy");
    for command in remedy.split(" && ") {
        iptables(command.strip_prefix("iptables ").expect("a command of iptables"));
    }
    assert!(asked(&inside, server).is_some() && obstacles().is_empty());

    // As firewalld has it: all is accepted but what comes to the last rule.
    nft("table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10;
            ct state established accept
            iifname lo accept
            counter log reject with icmpx type admin-prohibited
        }
    }");
    assert!(refused(&inside, server));
    assert_eq!(obstacles().iter().map(|found| found.owner).collect::<Vec<_>>(), [Some(Owner::Firewalld)]);
    nft("delete table inet firewalld");

    // ufw's chains, and somebody's own, one of which only drops some.
    nft("table ip6 filter {
        chain ufw6-user-forward { }
        chain FORWARD { type filter hook forward priority 0; policy drop; }
    }
    table inet some {
        chain f { type filter hook forward priority 0; tcp dport 1 drop; }
        chain i { type filter hook input priority 0; policy drop; }
    }
    table inet every {
        chain f { type filter hook forward priority 0; drop; }
    }");
    let found = obstacles();
    let owners: Vec<_> = found.iter().map(|found| (found.table.as_str(), found.owner)).collect();
    assert_eq!(owners.len(), 2, "{owners:?}");
    assert!(owners.contains(&("ip6 filter", Some(Owner::Ufw))) && owners.contains(&("inet every", None)), "{owners:?}");
}
