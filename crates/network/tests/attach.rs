//! Containers joined to networks, with ip(8) and real packets as the other opinion. Each test has a machine of its own: a
//! network namespace.

mod world;

use network::{Driver, Endpoint, Network, Networks, Wish};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use testkit::requires;
use world::{asked, container, here, ip, machine, network, serve, v4, wish, within};

/// One namespace hears another.
fn speaks(from: &OwnedFd, to: &OwnedFd, address: IpAddr) -> bool {
    asked(from, serve(to, (address, 0))).is_some()
}

#[test]
fn two_containers_on_a_bridge_speak_to_each_other_and_to_the_machine() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    let networks = Networks::of(dir.path());
    let network = network("one", &["10.64.0.0/16", "fd00:1::/64"]);
    let (a, b) = (container(), container());
    let first = networks.attach(&network, &wish("aaa"), &a).expect("the first");
    let second = networks.attach(&network, &wish("bbb"), &b).expect("the second");
    assert_eq!(first.addresses, [("10.64.0.2".parse().unwrap(), 16), ("fd00:1::2".parse().unwrap(), 64)]);
    assert_eq!(v4(&second), "10.64.0.3".parse::<IpAddr>().unwrap());
    let shown = within(&a, || ip("-o addr show eth0") + &ip("route") + &ip("-6 route") + &ip("link show eth0"));
    for part in [
        "inet 10.64.0.2/16 brd 10.64.255.255",
        "inet6 fd00:1::2/64",
        "default via 10.64.0.1 dev eth0",
        "default via fd00:1::1 dev eth0",
        &first.mac,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(ip("link show master corone").contains(&format!("{}@", first.outside)));
    for ipv6 in [false, true] {
        let to = |endpoint: &Endpoint| endpoint.address(ipv6).unwrap().0;
        assert!(speaks(&a, &b, to(&second)), "ipv6: {ipv6}");
        assert!(speaks(&b, &a, to(&first)), "ipv6: {ipv6}");
        assert!(speaks(&a, &here(), network.range(ipv6).unwrap().gateway.unwrap()), "to the machine, ipv6: {ipv6}");
        assert!(speaks(&here(), &b, to(&second)), "from the machine, ipv6: {ipv6}");
    }
    assert_eq!(networks.endpoints("one").len(), 2);
}

#[test]
fn an_address_is_free_only_when_the_device_of_its_last_owner_is_gone() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    let networks = Networks::of(dir.path());
    let mut network = network("tight", &["10.64.0.0/16"]);
    network.ranges[0].pool = Some("10.64.7.0/29".parse().unwrap());
    let held: Vec<_> = (0..6)
        .map(|number| {
            let (namespace, name) = (container(), format!("c{number}"));
            networks.attach(&network, &wish(&name), &namespace).expect("a place");
            (namespace, name)
        })
        .collect();
    let full = networks.attach(&network, &wish("more"), container()).expect_err("no place");
    assert!(full.to_string().contains("all addresses of 10.64.7.0/29 are taken"), "{full}");
    networks.detach("tight", "c3").expect("forgotten");
    // Its namespace, and so its device, is still there.
    assert!(networks.attach(&network, &wish("more"), container()).is_err());
    drop(held);
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let got = loop {
        match networks.attach(&network, &wish("more"), container()) {
            Ok(endpoint) => break endpoint,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(v4(&got), "10.64.7.4".parse::<IpAddr>().unwrap());
    assert_eq!(networks.endpoints("tight").len(), 6);
}

#[test]
fn what_was_asked_for_is_had_and_nothing_is_left_of_what_could_not_be() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    let networks = Networks::of(dir.path());
    let mut network = network("asked", &["10.64.0.0/16", "fd00:2::/64"]);
    network.mtu = Some(1400);
    let namespace = container();
    let asked = Wish {
        addresses: vec!["10.64.9.9".parse().unwrap(), "fd00:2::99".parse().unwrap()],
        mac: network::parse_mac("92:d0:c6:0a:29:33"),
        inside: Some("net7"),
        ..wish("aaa")
    };
    let endpoint = networks.attach(&network, &asked, &namespace).expect("a place");
    assert_eq!((endpoint.mac.as_str(), endpoint.inside.as_str()), ("92:d0:c6:0a:29:33", "net7"));
    let shown = within(&namespace, || ip("addr show net7"));
    for part in ["mtu 1400", "92:d0:c6:0a:29:33", "inet 10.64.9.9/16", "inet6 fd00:2::99/64"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let taken = networks.attach(&network, &Wish { container: "bbb", ..asked.clone() }, container()).expect_err("taken");
    assert!(taken.to_string().contains("10.64.9.9 belongs to container aaa"), "{taken}");
    let foreign = Wish { addresses: vec!["10.65.0.2".parse().unwrap()], ..wish("ccc") };
    let foreign = networks.attach(&network, &foreign, container()).expect_err("foreign");
    assert!(
        foreign.to_string().contains("none of the addresses that containers can have in 10.64.0.0/16"),
        "{foreign}"
    );
    let left = std::fs::read_dir(dir.path().join("networks/asked/leases")).unwrap().count();
    assert_eq!((left, networks.endpoints("asked").len()), (2, 1));
    networks.disconnect(&network, "aaa").expect("parted");
    assert!(!within(&namespace, || ip("link")).contains("net7"));
    networks.remove(&network, true).expect("removed");
    assert!(!ip("link").contains("corasked") && networks.names().is_empty());
}

#[test]
fn sixteen_at_once_make_one_bridge_and_get_sixteen_addresses() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    let network = &network("many", &["10.64.0.0/16"]);
    let networks = &Networks::of(dir.path());
    let addresses: std::collections::BTreeSet<IpAddr> = std::thread::scope(|scope| {
        let one = |number: usize| {
            scope.spawn(move || {
                let name = format!("c{number}");
                v4(&networks.attach(network, &wish(&name), container()).expect("a place"))
            })
        };
        let threads: Vec<_> = (0..16).map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(addresses.len(), 16);
}

#[test]
fn a_device_of_the_machine_that_has_the_bridges_name_is_left_alone() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    ip("link add corforeign type bridge");
    let network = network("foreign", &["10.64.0.0/16"]);
    let error = Networks::of(dir.path()).attach(&network, &wish("aaa"), container()).expect_err("refused");
    assert!(error.to_string().contains("this machine has another device of that name"), "{error}");
    assert!(!ip("addr show corforeign").contains("10.64"));
}

#[test]
fn macvlans_have_addresses_over_a_device_of_the_machine() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    ip("link add wire type veth peer name other");
    ip("link set wire up");
    ip("link set other up");
    let driver = Driver::Macvlan { parent: "wire".to_owned(), mode: "bridge".to_owned() };
    let network = Network { driver, ..network("lan", &["192.0.2.0/24"]) };
    let networks = Networks::of(dir.path());
    let (a, b) = (container(), container());
    let first = networks.attach(&network, &wish("aaa"), &a).expect("the first");
    let second = networks.attach(&network, &wish("bbb"), &b).expect("the second");
    assert!(speaks(&a, &b, v4(&second)) && speaks(&b, &a, v4(&first)));
    assert!(within(&a, || ip("-d link show eth0")).contains("macvlan mode bridge"));
    networks.disconnect(&network, "aaa").expect("parted");
    assert!(!networks.endpoints("lan").iter().any(|endpoint| endpoint.container == "aaa"));
}

#[test]
fn a_container_of_a_network_of_ipv4_has_no_address_of_ipv6_cve_2024_32473() {
    requires!(root, package = "ip");
    machine();
    let dir = tempfile::tempdir().unwrap();
    let networks = Networks::of(dir.path());
    let (a, b) = (container(), container());
    networks.attach(&network("one", &["10.64.0.0/16"]), &wish("aaa"), &a).expect("a place");
    ip("link add wire type veth peer name other");
    ip("link set wire up");
    ip("link set other up");
    let driver = Driver::Macvlan { parent: "wire".to_owned(), mode: "bridge".to_owned() };
    let lan = Network { driver, ..network("lan", &["192.0.2.0/24"]) };
    networks.attach(&lan, &wish("bbb"), &b).expect("a place");
    for namespace in [&a, &b] {
        let shown = within(namespace, || ip("-6 addr show eth0"));
        assert!(!shown.contains("inet6"), "{shown}");
    }
}
