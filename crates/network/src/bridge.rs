//! A network's bridge: made when its first container comes, and there until the network is removed.

use crate::endpoint::mac_of;
use crate::error::{Error, Result};
use crate::inside::{get, set};
use crate::record::{Network, Range};
use crate::subnet::Subnet;
use netlink::{Address, End, Link, Mac, Route};
use std::net::IpAddr;

/// What is written to a bridge of ours.
fn alias(network: &Network) -> String {
    format!("coracle network {} {}", network.name, network.id.get(..12).unwrap_or_default())
}

/// What is written to it until it is complete.
const UNFINISHED: &str = "coracle network in the making";

/// The bridge of a network, if it is there. A device of that name which is somebody else's is refused.
pub fn find(route: &mut Route, network: &Network, name: &str) -> Result<Option<Link>> {
    match route.link(name) {
        Ok(link) if link.alias == alias(network) => Ok(Some(link)),
        Ok(_) => Err(Error::Interface { network: network.name.clone(), interface: name.to_owned() }),
        Err(error) if error.errno() == Some(sys::Errno::NODEV) => Ok(None),
        Err(error) => Err(Error::kernel(&network.name, "look for its bridge")(error)),
    }
}

/// The same for who holds the lock for making it: what somebody who was killed has begun goes.
pub fn find_whole(route: &mut Route, network: &Network, name: &str) -> Result<Option<Link>> {
    if let Ok(link) = route.link(name)
        && link.alias == UNFINISHED
    {
        route.remove_link(link.index).map_err(Error::kernel(&network.name, "remove what there is of its bridge"))?;
    }
    find(route, network, name)
}

/// Makes it, for who holds the lock for that.
pub fn make(
    route: &mut Route,
    network: &Network,
    name: &str,
    let_through: impl FnOnce() -> Result<()>,
) -> Result<Link> {
    let end = End { name, mac: Some(mac(network)), mtu: network.mtu, alias: Some(UNFINISHED), ..End::default() };
    route.add_bridge(&end).map_err(Error::kernel(&network.name, "make its bridge"))?;
    let made = equip(route, network, name, let_through);
    if made.is_err() {
        find_whole(route, network, name)?;
    }
    made
}

/// The bridge's own: else it would take that of a port, and another one whenever that goes.
fn mac(network: &Network) -> Mac {
    let gateway = network.ranges.iter().find_map(|range| range.gateway);
    mac_of(gateway.unwrap_or(IpAddr::from([0, 0, 0, 1])))
}

fn equip(route: &mut Route, network: &Network, name: &str, let_through: impl FnOnce() -> Result<()>) -> Result<Link> {
    let link = route.link(name).map_err(Error::kernel(&network.name, "find its bridge"))?;
    let ipv6 = network.range(true).is_some();
    let conf = |family: &str, key: &str, value| set(&format!("net/{family}/conf/{name}/{key}"), value);
    // A container is no router of this machine (CVE-2020-13401).
    conf("ipv6", "accept_ra", "0");
    // Nobody else has its addresses; while it asked around, for a second, no container would be found.
    conf("ipv6", "accept_dad", "0");
    conf("ipv6", "disable_ipv6", if ipv6 { "0" } else { "1" });
    // Who speaks to a published port on 127.0.0.1 is led to the bridge; the packet filter drops whatever else
    // would make use of it (CVE-2020-8558).
    conf("ipv4", "route_localnet", "1");
    if !network.internal {
        forward(network);
    }
    let own = |range: &Range| Some(Address::new(range.gateway?, range.subnet.prefix()));
    let addresses: Vec<_> = network.ranges.iter().filter_map(own).collect();
    route.equip(link.index, &addresses, &[]).map_err(Error::kernel(&network.name, "give its bridge its addresses"))?;
    let_through()?;
    let finished = End { name, alias: Some(&alias(network)), ..End::default() };
    route.settle(&finished).map_err(Error::kernel(&network.name, "finish its bridge"))?;
    Ok(link)
}

/// This machine passes packets on for its containers.
fn forward(network: &Network) {
    if network.range(false).is_some() && get("net/ipv4/ip_forward").as_deref() == Some("0") {
        set("net/ipv4/ip_forward", "1");
    }
    if network.range(true).is_some() && get("net/ipv6/conf/all/forwarding").as_deref() == Some("0") {
        // One that forwards believes no router any more, unless each device is told to: it would lose its own addresses.
        for entry in std::fs::read_dir("/proc/sys/net/ipv6/conf").into_iter().flatten().flatten() {
            let key = format!("net/ipv6/conf/{}/accept_ra", entry.file_name().to_string_lossy());
            if get(&key).as_deref() == Some("1") {
                set(&key, "2");
            }
        }
        set("net/ipv6/conf/all/forwarding", "1");
    }
}

/// We can make networks for containers at all: some kernels have no packet filter, and who is root in a container may not
/// touch it.
pub fn can_bridge() -> bool {
    use netlink::nft::{Family, Nft};
    Nft::open().and_then(|mut nft| nft.note(Family::Inet, "coracle")).is_ok()
}

/// This machine has a way to everybody else, which pasta passes packets on by.
pub fn has_way_out() -> bool {
    let paths = Route::open().and_then(|mut route| route.paths());
    paths.is_ok_and(|paths| paths.iter().any(|path| path.to.1 == 0))
}

/// Where this machine's packets go by themselves: what no new network may overlap.
pub fn taken_subnets() -> Result<Vec<Subnet>> {
    let mut route = Route::open().map_err(Error::kernel("new", "ask for routes"))?;
    let paths = route.paths().map_err(Error::kernel("new", "ask for routes"))?;
    Ok(paths.into_iter().filter_map(|path| Subnet::of(path.to.0, path.to.1)).collect())
}

/// Removes it, if it is there and ours.
pub fn remove(route: &mut Route, network: &Network, name: &str) -> Result<()> {
    let Some(link) = find(route, network, name)? else { return Ok(()) };
    route.remove_link(link.index).map_err(Error::kernel(&network.name, "remove its bridge"))
}
