//! Machines and containers for tests: network namespaces, entered and left.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]

use network::{Driver, Endpoint, Network, Range, Wish};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use testkit::Invocation;

const NET: u64 = sys::process::namespace::NET;

/// How long a packet may take that comes at all.
const SOON: Duration = Duration::from_secs(2);
/// How long one is waited for that should not.
const A_WHILE: Duration = Duration::from_millis(300);

/// The namespace that the thread is in.
pub fn here() -> OwnedFd {
    std::fs::File::open("/proc/thread-self/ns/net").expect("a namespace").into()
}

/// A network namespace for whatever follows, as a machine is.
pub fn machine() {
    sys::process::unshare(NET).expect("a namespace");
    ip("link set lo up");
}

/// Does something in a network namespace.
pub fn within<T>(namespace: impl AsFd, what: impl FnOnce() -> T) -> T {
    let own = here();
    sys::process::setns(namespace, NET).expect("to enter");
    let done = what();
    sys::process::setns(own, NET).expect("to come back");
    done
}

/// A namespace beside that of the thread, a container's or another machine's.
pub fn container() -> OwnedFd {
    let own = here();
    machine();
    let made = here();
    sys::process::setns(own, NET).expect("to come back");
    made
}

pub fn ip(words: &str) -> String {
    Invocation::new("ip").args(words.split(' ')).ok().stdout
}

pub fn network(name: &str, subnets: &[&str]) -> Network {
    let number: u64 = name.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Network {
        name: name.to_owned(),
        driver: Driver::Bridge(format!("cor{name}")),
        id: format!("{number:064x}").chars().rev().collect(),
        ranges: subnets.iter().map(|subnet| Range::of(subnet.parse().unwrap())).collect(),
        ..Network::default()
    }
}

pub fn wish(container: &str) -> Wish<'_> {
    Wish { container, names: vec![container.to_owned()], default_route: true, ..Wish::default() }
}

pub fn v4(endpoint: &Endpoint) -> IpAddr {
    endpoint.address(false).expect("an address of IPv4").0
}

pub fn v6(endpoint: &Endpoint) -> IpAddr {
    endpoint.address(true).expect("an address of IPv6").0
}

/// A server of TCP that tells everybody his own address.
pub fn serve(namespace: &OwnedFd, at: impl Into<SocketAddr>) -> SocketAddr {
    let at = at.into();
    let listener = within(namespace, || TcpListener::bind(at).expect("to listen"));
    let bound = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let who = stream.peer_addr().map(|who| who.ip().to_string()).unwrap_or_default();
            let _ = stream.write_all(who.as_bytes());
        }
    });
    bound
}

/// A server of UDP that does the same.
pub fn serve_udp(namespace: &OwnedFd, at: impl Into<SocketAddr>) -> SocketAddr {
    let at = at.into();
    let socket = within(namespace, || UdpSocket::bind(at).expect("to listen"));
    let bound = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((_, who)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(who.ip().to_string().as_bytes(), who);
        }
    });
    bound
}

/// What a server tells who asks from a namespace: the address that he comes from.
pub fn asked(from: &OwnedFd, to: impl Into<SocketAddr>) -> Option<String> {
    let to = to.into();
    let mut stream = within(from, || TcpStream::connect_timeout(&to, SOON)).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The same over UDP.
pub fn asked_udp(from: &OwnedFd, to: impl Into<SocketAddr>) -> Option<String> {
    let to = to.into();
    let any: SocketAddr = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }.parse().ok()?;
    let socket = within(from, || UdpSocket::bind(any)).ok()?;
    socket.set_read_timeout(Some(SOON)).ok()?;
    socket.send_to(b"who", to).ok()?;
    let mut bytes = [0; 64];
    let (length, _) = socket.recv_from(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// Nobody answers.
pub fn refused(from: &OwnedFd, to: impl Into<SocketAddr>) -> bool {
    let to = to.into();
    within(from, || TcpStream::connect_timeout(&to, A_WHILE)).is_err()
}

/// Another machine on a wire to this one: its namespace. This one has the addresses ending in 1 there, it those in 2.
pub fn neighbour() -> OwnedFd {
    let other = container();
    ip("link add wire type veth peer name wire0");
    let mut route = netlink::Route::open().expect("a socket");
    let index = route.link("wire0").expect("the other end").index;
    route.move_link(index, other.as_fd(), "wire0").expect("to move it");
    for line in ["addr add 192.0.2.1/24 dev wire", "addr add 2001:db8::1/64 dev wire nodad", "link set wire up"] {
        ip(line);
    }
    within(&other, || {
        for line in ["addr add 192.0.2.2/24 dev wire0", "addr add 2001:db8::2/64 dev wire0 nodad", "link set wire0 up"]
        {
            ip(line);
        }
    });
    other
}

/// A socket of UDP with an address.
pub fn udp(namespace: &OwnedFd, address: &str) -> UdpSocket {
    within(namespace, || UdpSocket::bind((address.parse::<IpAddr>().expect("an address"), 0)).expect("a socket"))
}
