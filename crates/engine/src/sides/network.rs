//! The network as a container sees it, and by which ports it is reached.
//!
//! Its devices are asked for on a socket that was opened in its network namespace: by root, who goes there and comes back,
//! or for an ordinary user by a child, since there is no way back out of a user namespace.

use super::{Engine, Living, NamespaceSide, Shared};
use crate::config::{ContainerConfig, NetworkMode};
use crate::containers::Listed;
use network::sight;
use serde::Serialize;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The network.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSide {
    /// What was asked for, as users write it.
    pub mode: String,
    /// Its devices are this machine's.
    pub host: bool,
    /// Devices.
    pub interfaces: Vec<Interface>,
    /// How many more there are.
    pub more_interfaces: usize,
    /// Routes of the main table.
    pub routes: Vec<RouteSide>,
    /// How many more there are.
    pub more_routes: usize,
    /// Name servers that it asks.
    pub servers: Vec<String>,
    /// Names are looked up in these domains.
    pub search: Vec<String>,
    /// Ports of this machine that lead to it.
    pub published: Vec<Port>,
}

/// A device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// It is up.
    pub up: bool,
    /// Its hardware address.
    pub mac: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Its addresses, with the bits of their prefixes.
    pub addresses: Vec<String>,
    /// The network that it is in.
    pub network: Option<String>,
    /// Its other end, as this machine sees it.
    pub outside: Option<String>,
}

/// A route.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSide {
    /// Where to; `default` is everywhere.
    pub to: String,
    /// By whom.
    pub gateway: Option<IpAddr>,
    /// Over which device.
    pub device: String,
}

/// A published port.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The container's, such as `80/tcp`.
    pub inside: String,
    /// This machine's address and port.
    pub outside: SocketAddr,
}

/// So many devices and routes are told; a machine may have thousands.
const MOST: usize = 64;

pub(super) fn look(engine: &Engine, living: &Living, namespaces: &[NamespaceSide]) -> NetworkSide {
    let record = &living.running.record;
    let config = &record.config.config;
    let mut network = asked(config);
    let shared = namespaces.iter().find(|namespace| namespace.kind == "net").map(|namespace| &namespace.shared);
    network.host = shared == Some(&Shared::Host);
    let places = engine.places_of(config, record.id.as_str());
    let seen = if network.host {
        sight::here()
    } else {
        sight::of(|| living.process.open_namespace("net"), &living.running.handle.pidfd)
    };
    if let Some(sight::Seen { links, paths }) = seen {
        network.more_interfaces = links.len().saturating_sub(MOST);
        network.more_routes = paths.len().saturating_sub(MOST);
        let name = |index| links.iter().find(|(link, _)| link.index == index).map(|(link, _)| link.name.clone());
        let route = |path: &sight::Path| RouteSide {
            to: if path.to.1 == 0 { "default".to_owned() } else { format!("{}/{}", path.to.0, path.to.1) },
            gateway: path.gateway,
            device: name(path.link).unwrap_or_default(),
        };
        network.routes = paths.iter().take(MOST).map(route).collect();
        for (link, addresses) in links.into_iter().take(MOST) {
            let place = places.iter().filter(|_| !network.host).find(|(_, place)| place.inside == link.name);
            network.interfaces.push(Interface {
                up: link.up,
                mac: link.mac.filter(|mac| *mac != [0; 6]).map(network_mac),
                mtu: link.mtu,
                addresses: addresses.iter().map(|(address, bits)| format!("{address}/{bits}")).collect(),
                network: place.map(|(network, _)| network.name.clone()),
                outside: place.map(|(_, place)| place.outside.clone()).filter(|name| !name.is_empty()),
                name: link.name,
            });
        }
    }
    // What is mounted there is this very file, whatever the container has written to it.
    let file =
        living.running.run_file("resolv.conf").or_else(|| fs::read("/etc/resolv.conf").ok().filter(|_| network.host));
    for line in String::from_utf8_lossy(&file.unwrap_or_default()).lines().take(MOST) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => network.servers.extend(words.next().map(str::to_owned)),
            Some("search") => network.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    network
}

fn network_mac(mac: network::Mac) -> String {
    network::mac_text(mac)
}

/// What was asked for.
pub(super) fn asked(config: &ContainerConfig) -> NetworkSide {
    NetworkSide { mode: NetworkMode::text(config.view.network.as_ref()), ..NetworkSide::default() }
}

/// Ports of this machine that lead to a container that runs, in order.
pub fn published(engine: &Engine, listed: &Listed) -> Vec<Port> {
    let container = &listed.container;
    let mut all = engine.published(&container.config.config, container.id.as_str());
    all.sort_by_key(|one| (one.to.port(), one.protocol, one.to.is_ipv6(), one.at, one.port));
    let port = |one: &network::Published| {
        let every: IpAddr = if one.to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let outside = SocketAddr::new(one.at.unwrap_or(every), one.port);
        Port { inside: format!("{}/{}", one.to.port(), one.protocol), outside }
    };
    all.iter().map(port).collect()
}
