//! Network devices of the host that the container gets: `linux.netDevices`.
//!
//! Each is moved and renamed in one request, gets its global addresses again, which the kernel takes from a device that
//! moves, and is set up. It happens once the container's network namespace is there and before anything of the container
//! runs. A device stays where it was moved to: what becomes of it at the end is the namespace's and the kernel's matter
//! (config-linux.md, "Namespace Lifecycle and Container Termination").

use crate::context;
use crate::error::{Error, Result, What};
use crate::inherit::Entered;
use crate::namespace::Namespaces;
use netlink::{Address, Link, Route};
use oci::runtime::{Linux, NamespaceKind, NetDevice};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

/// Refuses what cannot be moved whatever the machine.
pub fn check(linux: &Linux, namespaces: &Namespaces) -> Result<()> {
    if linux.net_devices.is_empty() {
        return Ok(());
    }
    if !namespaces.has(NamespaceKind::Network) {
        return Err(Error::spec("netDevices needs a network namespace: without one they are there already"));
    }
    if !context::is_root() {
        return Err(Error::spec("netDevices: only root can move devices of the host"));
    }
    for (name, device) in &linux.net_devices {
        let inside = device.name.as_deref().filter(|name| !name.is_empty());
        if let Some(bad) = [Some(name.as_str()), inside].into_iter().flatten().find(|name| !valid(name)) {
            return Err(Error::spec(format!("netDevices: invalid network device name {bad:?}")));
        }
    }
    Ok(())
}

/// A name that the kernel takes (net/core/dev.c, `dev_valid_name`).
fn valid(name: &str) -> bool {
    const LONGEST: usize = 15;
    let bad = |c: char| matches!(c, '/' | ':') || c.is_ascii_whitespace();
    !name.is_empty() && name.len() <= LONGEST && name != "." && name != ".." && !name.contains(bad)
}

/// Moves the devices from this process's network namespace to that of a child, which waits in it.
pub fn move_in(linux: &Linux, pid: i32) -> Result<()> {
    let target = sys::fs::open(format!("/proc/{pid}/ns/net"), OFlags::RDONLY, Mode::empty());
    let target = &target.what("find the container's network namespace")?;
    let failed = |source| Error::NetDevice { name: "any".to_owned(), what: "ask for devices", source };
    let mut outside = Route::open().map_err(failed)?;
    let mut inside = {
        let _there = Entered::join(NamespaceKind::Network, target)?;
        Route::open().map_err(failed)?
    };
    for (name, device) in &linux.net_devices {
        move_one(&mut outside, &mut inside, target, name, device)?;
    }
    Ok(())
}

fn move_one(outside: &mut Route, inside: &mut Route, target: &OwnedFd, name: &str, device: &NetDevice) -> Result<()> {
    let failed = |what| move |source| Error::NetDevice { name: name.to_owned(), what, source };
    let link = outside.link(name).map_err(failed("find it on the host"))?;
    // Read before it is set down: that takes addresses of IPv6 away.
    let addresses = outside.addresses(link.index).map_err(failed("read its addresses"))?;
    let wanted = device.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
    let before = inside.links().map_err(failed("look into the container"))?;
    // The kernel would move it all the same, and only then find that it cannot have the name.
    if before.iter().any(|there| there.name == wanted) {
        return Err(Error::spec(format!("network device {name}: the container has a device {wanted} already")));
    }
    outside.move_link(link.index, target.as_fd(), wanted).map_err(failed("move it into the container"))?;
    let after = inside.links().map_err(failed("look into the container"))?;
    let index = arrived(&link, &before, &after)
        .ok_or_else(|| Error::spec(format!("network device {name}: it went to the container and is not there")))?;
    for address in addresses.iter().filter(|address| keeps(address)) {
        inside.add_address(index, address).map_err(failed("give it its address again"))?;
    }
    inside.set_up(index).map_err(failed("set it up"))
}

/// Permanent ones of global scope (config-linux.md, "Network Devices").
fn keeps(address: &Address) -> bool {
    const UNIVERSE: u8 = 0;
    address.permanent && address.scope == UNIVERSE
}

/// The number of the link in its new namespace: its old one where that was free, else that of the link that is new there.
fn arrived(link: &Link, before: &[Link], after: &[Link]) -> Option<u32> {
    let mut new = after.iter().filter(|link| before.iter().all(|old| old.index != link.index));
    let same = new.clone().find(|there| there.index == link.index);
    same.or_else(|| new.next()).map(|link| link.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for name in ["eth0", "a", "fifteen-letters", "net%d", "ü"] {
            assert!(valid(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a:1", "a b", "a\tb", "sixteen-letters-"] {
            assert!(!valid(name), "{name}");
        }
    }

    #[test]
    fn a_link_that_arrived_is_found_by_its_number_or_by_being_new() {
        let link = |index| {
            let (name, alias) = (String::new(), String::new());
            Link { index, name, up: false, mac: None, mtu: 0, master: None, alias }
        };
        let before = [link(1), link(5)];
        assert_eq!(arrived(&link(7), &before, &[link(1), link(5), link(6), link(7)]), Some(7));
        assert_eq!(arrived(&link(5), &before, &[link(1), link(5), link(6)]), Some(6));
        assert_eq!(arrived(&link(5), &before, &before), None);
    }
}
