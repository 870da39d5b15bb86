//! A network namespace, entered for a moment: what is made there stays, and belongs to it.

use crate::error::{Error, Result};
use crate::ports::ANSWERED;
use netlink::Route;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

/// The network namespace that this thread is in.
pub fn own() -> sys::Result<OwnedFd> {
    sys::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY, Mode::empty())
}

/// While this lives, the process is in another network namespace.
#[derive(Debug)]
pub struct Inside {
    own: OwnedFd,
}

impl Inside {
    /// Enters it.
    pub fn enter(namespace: impl AsFd) -> Result<Self> {
        const WHAT: &str = "enter the container's network namespace";
        let own = own().map_err(Error::system(WHAT))?;
        sys::process::setns(namespace, sys::process::namespace::NET).map_err(Error::system(WHAT))?;
        Ok(Self { own })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Else whatever comes next would be done in there.
        let _ = sys::process::setns(&self.own, sys::process::namespace::NET);
    }
}

/// A socket that speaks for a namespace, whose devices are told on the way what they may hear: no router that announces
/// itself is believed (CVE-2020-13401), and where there is no IPv6, there are no addresses of it either (CVE-2024-32473).
pub fn route(network: &str, namespace: impl AsFd, ipv6: bool) -> Result<Route> {
    let _there = Inside::enter(namespace)?;
    let words: &[_] = if ipv6 { &[("accept_ra", "0"), ("accept_dad", "0")] } else { &[("disable_ipv6", "1")] };
    for (name, value) in words {
        set(&format!("net/ipv6/conf/default/{name}"), value);
    }
    // Without a privilege, as docker has it: ping, and servers on ports below 1024.
    set("net/ipv4/ping_group_range", "0 2147483647");
    set("net/ipv4/ip_unprivileged_port_start", "0");
    Route::open().map_err(Error::kernel(network, "ask for devices"))
}

/// Makes a network namespace of ours alone fit for networks: its loopback is up, and the answers to clients that somebody
/// stands in for stay here (see [`crate::ports::Target`]).
pub fn furnish() -> Result<()> {
    const WHAT: &str = "make a network namespace for networks";
    Route::open().and_then(|mut route| route.keep_marked(ANSWERED)).map_err(Error::kernel("of this user", WHAT))
}

/// Sets a value below /proc/sys, of the namespace that the process is in. A kernel that does not have it does not need
/// it.
pub fn set(name: &str, value: &str) -> bool {
    let file = sys::fs::open(format!("/proc/sys/{name}"), OFlags::WRONLY, Mode::empty());
    file.and_then(|file| sys::fs::write_once(&file, value.as_bytes())).is_ok()
}

/// Reads one.
pub fn get(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
}
