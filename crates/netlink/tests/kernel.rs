//! Against the kernel, in network namespaces of the test's own, with ip(8) as the other opinion.

#![allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]

use netlink::Route;
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
