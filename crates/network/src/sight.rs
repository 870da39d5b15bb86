//! What a network namespace has in it: devices, their addresses, routes. Asked for on a socket that was opened there, so
//! that nothing has to be executed, nor anything of it changed.

pub use netlink::Path;
use netlink::{Link, Route};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use sys::process::namespace;

/// What is there.
#[derive(Debug)]
pub struct Seen {
    /// Devices, each with its addresses and the bits of their prefixes.
    pub links: Vec<(Link, Vec<(IpAddr, u8)>)>,
    /// Routes of the main table.
    pub paths: Vec<Path>,
}

/// What the namespace has that we are in.
pub fn here() -> Option<Seen> {
    look(Route::open().ok()?)
}

/// What another one has: `own` opens it for root, who may go there and come back; whoever may not has a child go there
/// with all that belongs to it, by a process in it.
pub fn of(own: impl FnOnce() -> Option<OwnedFd>, process: impl AsFd) -> Option<Seen> {
    if rustix::process::geteuid().is_root() {
        let _there = crate::inside::Inside::enter(own()?).ok()?;
        return look(Route::open().ok()?);
    }
    let process = process.as_fd();
    let child = |socket: OwnedFd| {
        let open = || {
            sys::process::setns(process, namespace::USER | namespace::NET)?;
            let asked = sys::netlink::open()?;
            sys::socket::send_with(&socket, &[1], &[asked.as_fd()])
        };
        i32::from(open().is_err())
    };
    let (socket, child) = sys::process::fork_connected(child).ok()?;
    sys::process::wait_readable(&socket, Duration::from_secs(1));
    let received = sys::socket::receive::<1>(&socket);
    let _ = sys::process::wait(&child.pidfd);
    look(Route::on(received.ok()??.1?))
}

fn look(mut route: Route) -> Option<Seen> {
    let links = route.links().ok()?;
    let mut addresses = route.all_addresses().ok()?;
    let mut of = |index: u32| {
        let all = addresses.extract_if(.., |(link, _)| *link == index);
        all.filter_map(|(_, address)| Some((address.address()?, address.prefix))).collect()
    };
    let links =
        links.into_iter().map(|link| (of(link.index), link)).map(|(addresses, link)| (link, addresses)).collect();
    Some(Seen { links, paths: route.paths().unwrap_or_default() })
}
