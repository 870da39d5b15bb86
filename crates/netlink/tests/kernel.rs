//! Against the kernel, in network namespaces of the test's own, with ip(8) as the other opinion.

#![allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]

use netlink::{Address, End, MacvlanMode, Path, Route};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use sys::Errno;
use testkit::{Invocation, requires};

/// A network namespace for this thread, whose children get it too; the fd is for others.
fn apart() -> OwnedFd {
    sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
    std::fs::File::open("/proc/thread-self/ns/net").expect("its file").into()
}

fn ip(words: &str) -> String {
    Invocation::new("ip").args(words.split(' ')).ok().stdout
}

#[test]
fn a_link_is_found_by_its_name() {
    requires!(root, package = "ip");
    apart();
    ip("link add one type veth peer name two");
    let mut route = Route::open().expect("a socket");
    let link = route.link("one").expect("the link");
    assert!(ip("-o link show one").starts_with(&format!("{}: one@", link.index)));
    assert!(!link.up);
    ip("link set one up");
    assert!(route.link("one").expect("the link").up);
    let mut names: Vec<_> = route.links().expect("links").into_iter().map(|link| link.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["lo", "one", "two"]);
    assert_eq!(route.link("three").err().and_then(|error| error.errno()), Some(Errno::NODEV));
}

#[test]
fn a_long_list_is_read_whole() {
    requires!(root, package = "ip");
    apart();
    let lines: Vec<String> = (0..300).map(|i| format!("link add v{i} type veth peer name w{i}")).collect();
    Invocation::new("ip").args(["-batch", "-"]).stdin(lines.join("\n")).ok();
    assert_eq!(Route::open().and_then(|mut route| route.links()).map(|links| links.len()).ok(), Some(601));
}

#[test]
fn a_link_moves_with_a_new_name_and_its_addresses_are_given_again() {
    requires!(root, package = "ip");
    let inside = apart();
    let mut there = Route::open().expect("a socket");
    apart();
    let mut here = Route::open().expect("a socket");
    for line in [
        "link add one type veth peer name two",
        "addr add 192.0.2.5/24 broadcast 192.0.2.255 dev one noprefixroute",
        "addr add 198.51.100.1 peer 198.51.100.2/32 dev one",
        "addr add 169.254.1.1/16 dev one scope link",
        "addr add 203.0.113.9/24 dev one valid_lft 3600 preferred_lft 3600",
    ] {
        ip(line);
    }
    let link = here.link("one").expect("the link");
    let addresses = here.addresses(link.index).expect("addresses");
    let kept: Vec<_> = addresses.iter().filter(|address| address.permanent && address.scope == 0).collect();
    assert_eq!((addresses.len(), kept.len()), (4, 2));
    here.move_link(link.index, inside.as_fd(), "net%d").expect("the move");
    assert_eq!(here.link("one").err().and_then(|error| error.errno()), Some(Errno::NODEV));
    let moved = there.link("net0").expect("the link");
    for address in kept {
        there.add_address(moved.index, address).expect("an address");
    }
    there.set_up(moved.index).expect("up");
    sys::process::setns(&inside, sys::process::namespace::NET).expect("the namespace");
    let shown = ip("-o addr show net0");
    assert!(shown.contains("inet 192.0.2.5/24 brd 192.0.2.255 scope global noprefixroute net0"), "{shown}");
    assert!(shown.contains("inet 198.51.100.1 peer 198.51.100.2/32 scope global net0"), "{shown}");
    assert!(ip("-o link show net0").contains(",UP"));
}

#[test]
fn a_refusal_comes_with_the_kernels_words() {
    requires!(root, package = "ip");
    let inside = apart();
    apart();
    ip("link add bridge type bridge");
    let mut route = Route::open().expect("a socket");
    let link = route.link("bridge").expect("the link");
    // A bridge stays in its namespace.
    let error = route.move_link(link.index, inside.as_fd(), "bridge").expect_err("no move");
    assert_eq!(error.errno(), Some(Errno::INVAL));
    let text = error.to_string();
    assert!(text.contains("RTM_NEWLINK = EINVAL") && text.len() > 60, "{text}");
}

#[test]
fn a_pair_is_born_with_each_end_in_its_namespace_and_a_bridge_takes_one() {
    requires!(root, package = "ip");
    let inside = apart();
    let mut there = Route::open().expect("a socket");
    apart();
    let mut here = Route::open().expect("a socket");
    let mac = [2, 0xc0, 10, 64, 0, 1];
    here.add_bridge(&End { name: "br", mac: Some(mac), mtu: Some(1400), alias: Some("a bridge"), ..End::default() })
        .expect("a bridge");
    let bridge = here.link("br").expect("the bridge");
    assert_eq!((bridge.mac, bridge.mtu, bridge.up, bridge.alias.as_str()), (Some(mac), 1400, true, "a bridge"));
    let (master, namespace) = (Some(bridge.index), Some(inside.as_fd()));
    let outer = End { name: "outer", mtu: Some(1400), master, alias: Some("of x"), ..End::default() };
    let inner = End { name: "inner", mac: Some([2, 0, 0, 0, 0, 7]), mtu: Some(1400), namespace, ..End::default() };
    here.add_pair(&outer, &inner).expect("a pair");
    let told = ip("-d -o link show outer");
    assert!(told.contains("master br") && told.contains("alias of x") && told.contains("mtu 1400"), "{told}");
    let link = there.link("inner").expect("the inner end");
    assert_eq!((link.mac, link.up), (Some([2, 0, 0, 0, 0, 7]), false));
    assert_eq!(here.add_pair(&outer, &inner).err().and_then(|error| error.errno()), Some(Errno::EXIST));
    let outer = here.link("outer").expect("the outer end").index;
    here.remove_link(outer).expect("removal");
    assert_eq!(there.link("inner").err().and_then(|error| error.errno()), Some(Errno::NODEV), "the pair goes as one");
}

#[test]
fn addresses_and_routes_are_given_in_one_message() {
    requires!(root, package = "ip");
    apart();
    ip("link add one type veth peer name two");
    ip("link set two up");
    let mut route = Route::open().expect("a socket");
    let index = route.link("one").expect("the link").index;
    let v4: IpAddr = "10.64.0.2".parse().expect("an address");
    let v6: IpAddr = "fd00:1::2".parse().expect("an address");
    let any = |text: &str, bits| (text.parse::<IpAddr>().expect("an address"), bits);
    let by =
        |to, gateway: Option<&str>| Path { to, gateway: gateway.map(|g| g.parse().unwrap()), link: index, metric: 0 };
    let paths = [
        by(any("0.0.0.0", 0), Some("10.64.0.1")),
        by(any("::", 0), Some("fd00:1::1")),
        by(any("169.254.11.53", 32), None),
    ];
    route.equip(index, &[Address::new(v4, 16), Address::new(v6, 64)], &paths).expect("all of it");
    let shown = ip("-o addr show one");
    assert!(shown.contains("inet 10.64.0.2/16 brd 10.64.255.255 scope global"), "{shown}");
    assert!(shown.contains("inet6 fd00:1::2/64 scope global") && !shown.contains("tentative scope global"), "{shown}");
    let routes = ip("route");
    assert!(routes.contains("default via 10.64.0.1 dev one"), "{routes}");
    assert!(routes.contains("169.254.11.53 dev one"), "{routes}");
    assert!(ip("-6 route").contains("default via fd00:1::1 dev one"));
    let read = route.paths().expect("routes");
    assert!(
        paths.iter().all(|path| read.iter().any(|r| (r.to, r.gateway, r.link) == (path.to, path.gateway, path.link)))
    );
    let given = route.addresses(index).expect("addresses");
    assert!(given.iter().any(|address| address.address() == Some(v4) && address.prefix == 16));
    let wrong = by(any("203.0.113.0", 24), Some("192.0.2.1"));
    let behind = by(any("198.51.100.0", 24), None);
    let error = route.equip(index, &[], &[wrong, behind]).expect_err("a gateway that is nowhere");
    assert!(error.to_string().starts_with("RTM_NEWROUTE = ") && error.to_string().contains("gateway"), "{error}");
    assert!(ip("route").contains("198.51.100.0/24 dev one"), "what stands behind a failed one is done all the same");
}

#[test]
fn a_macvlan_is_made_over_a_device() {
    requires!(root, package = "ip");
    apart();
    ip("link add one type veth peer name two");
    let mut route = Route::open().expect("a socket");
    let parent = route.link("one").expect("the link").index;
    route.add_macvlan(&End { name: "mac", ..End::default() }, parent, MacvlanMode::Bridge).expect("a macvlan");
    assert!(ip("-d -o link show mac").contains("macvlan mode bridge"));
}
