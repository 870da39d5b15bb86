//! Networks as their users know them: made, listed, looked at, removed, and containers that come to them and leave while
//! they run.

use crate::config::{Joined, NetworkMode};
use crate::create::durability;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Kind;
use crate::joining::{free_ranges, namespace_of, wish};
use crate::record::{Record, now};
use ::network::taken_subnets;
pub use ::network::{DEFAULT, Driver, Endpoint, Network, Obstacle, Published, Range, Subnet, mac_text};
use std::collections::BTreeMap;
use std::net::IpAddr;
use store::Container;

/// A network to be made.
#[derive(Debug, Default)]
pub struct NewNetwork {
    /// Its name.
    pub name: String,
    /// macvlan, over this device and in this mode; else it is a bridge.
    pub macvlan: Option<(String, String)>,
    /// What the bridge is called.
    pub interface: Option<String>,
    /// Its addresses; where none are said, free ones are chosen.
    pub ranges: Vec<Range>,
    /// Whether it has addresses of IPv6, where none are said.
    pub ipv6: Option<bool>,
    /// It reaches nothing outside.
    pub internal: bool,
    /// It may speak with other networks that may, too.
    pub open: bool,
    /// Its containers have no way out.
    pub no_default_route: bool,
    /// Its containers go out with their own addresses.
    pub routed: bool,
    /// Its containers have no names for each other.
    pub no_names: bool,
    /// Name servers in place of this machine's.
    pub servers: Vec<IpAddr>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options, as they were given.
    pub options: BTreeMap<String, String>,
    /// One that is there will do.
    pub ignore: bool,
}

/// A network, and the containers that are to be in it.
#[derive(Debug)]
pub struct ListedNetwork {
    /// The network.
    pub network: Network,
    /// Names of containers, running or not.
    pub users: Vec<String>,
}

impl Engine {
    /// Makes a network.
    pub fn create_network(&self, new: NewNetwork) -> Result<Network> {
        if ["none", "host", "default", "private", "pasta", "container", "ns"].contains(&new.name.as_str()) {
            return Err(Error::NetworkTaken(new.name));
        }
        if new.macvlan.is_some() && !self.caller().is_root() {
            return Err(Error::MacvlanOfRoot);
        }
        if new.name == DEFAULT {
            self.default_network()?;
        }
        let name = new.name.clone();
        let ignore = new.ignore;
        let make = |id: String, others: Vec<Network>| {
            let mut ranges = new.ranges;
            for range in &ranges {
                let overlaps = |other: &&Network| other.ranges.iter().any(|own| own.subnet.overlaps(&range.subnet));
                if let Some(other) = others.iter().find(overlaps) {
                    return Err(Error::SubnetTaken(range.subnet.to_string(), format!("network {}", other.name)));
                }
                if new.macvlan.is_none()
                    && taken_subnets()?.iter().any(|taken| taken.prefix() > 0 && taken.overlaps(&range.subnet))
                {
                    return Err(Error::SubnetTaken(range.subnet.to_string(), "a route of this machine".to_owned()));
                }
            }
            if new.macvlan.is_none() {
                let free = free_ranges(&id, &others, false)?;
                let has = |ranges: &[Range], ipv6| ranges.iter().any(|range| range.subnet.is_ipv6() == ipv6);
                let wanted = |ipv6: bool, ranges: &[Range]| match (ipv6, new.ipv6) {
                    (true, Some(wanted)) => wanted,
                    // Who gives addresses of one family means that one alone.
                    _ => ranges.is_empty() || (!ipv6 && new.ipv6 == Some(true)),
                };
                let missing: Vec<_> = free
                    .into_iter()
                    .filter(|range| {
                        let ipv6 = range.subnet.is_ipv6();
                        !has(&ranges, ipv6) && wanted(ipv6, &ranges)
                    })
                    .collect();
                ranges.extend(missing);
            }
            let driver = match new.macvlan {
                Some((parent, mode)) => Driver::Macvlan { parent, mode },
                None => Driver::Bridge(new.interface.unwrap_or_else(|| Network::interface_of(&id))),
            };
            Ok(Network {
                name: new.name,
                id,
                created: now(),
                driver,
                ranges,
                internal: new.internal,
                open: new.open,
                no_default_route: new.no_default_route,
                routed: new.routed,
                names: !new.no_names,
                servers: new.servers,
                mtu: new.mtu,
                labels: new.labels,
                options: new.options,
            })
        };
        let (network, made) = self.store()?.create_network(&name, make)?;
        if made {
            self.tell_named(Kind::Network, "create", &network.id, &network.name);
        } else if !ignore {
            return Err(Error::NetworkTaken(name));
        }
        Ok(network)
    }

    /// All networks, the default one among them, and who is in them.
    pub fn all_networks(&self) -> Result<Vec<ListedNetwork>> {
        let mut all: Vec<Network> = self.store()?.networks()?;
        if !all.iter().any(|network| network.name == DEFAULT) && self.caller().is_root() {
            all.push(self.default_network()?);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let containers: Vec<_> = self.containers()?.into_iter().flatten().collect();
        let users = |network: &Network| {
            let uses = |listed: &&crate::containers::Listed| {
                listed.container.config.config.networks().iter().any(|joined| joined.network == network.name)
            };
            containers.iter().filter(uses).map(|listed| listed.container.name.to_string()).collect()
        };
        Ok(all.into_iter().map(|network| ListedNetwork { users: users(&network), network }).collect())
    }

    /// The network with this name, this id, or an id that begins so.
    pub fn find_network(&self, text: &str) -> Result<Network> {
        let by_id = |network: &Network| text.len() >= 4 && network.id.starts_with(text);
        match self.network(text) {
            Err(Error::NoSuchNetwork(name, hint)) => {
                let found = self.store()?.networks()?.into_iter().find(by_id);
                found.ok_or(Error::NoSuchNetwork(name, hint))
            }
            found => found,
        }
    }

    /// The containers that run in a network, with their places there.
    pub fn places(&self, network: &Network) -> Vec<Endpoint> {
        self.networks().endpoints(&network.name)
    }

    /// A container's places in its networks.
    pub fn places_of(&self, config: &crate::config::ContainerConfig, id: &str) -> Vec<(Network, Endpoint)> {
        let place = |joined: &Joined| {
            Some((self.network(&joined.network).ok()?, self.networks().endpoint(&joined.network, id)?))
        };
        config.networks().iter().filter_map(place).collect()
    }

    /// Ports of this machine that lead to a container.
    pub fn published(&self, config: &crate::config::ContainerConfig, id: &str) -> Vec<Published> {
        if config.view.network == Some(NetworkMode::Pasta) {
            let place = self.networks().endpoint(::network::pasta::NAME, id);
            return place.map(|place| place.published).unwrap_or_default();
        }
        self.places_of(config, id).into_iter().flat_map(|(_, place)| place.published).collect()
    }

    /// Removes a network that no container is in; with `force` its containers go first.
    pub fn remove_network(&self, text: &str, force: bool) -> Result<String> {
        let network = self.find_network(text)?;
        if network.name == DEFAULT {
            return Err(Error::DefaultNetwork);
        }
        let listed = self.all_networks()?;
        let users = listed.into_iter().find(|listed| listed.network.id == network.id).map(|listed| listed.users);
        let users = users.unwrap_or_default();
        if !users.is_empty() && !force {
            return Err(Error::NetworkInUse(network.name, users.join(", ")));
        }
        for user in users {
            self.doom(&user)?.wait()?;
            self.remove_container(&user, true, crate::containers::Volumes::Kept)?;
        }
        let there = self.go_to_networks()?;
        self.networks().remove(&network, there)?;
        self.store()?.remove_network(&network.name)?;
        self.tell_named(Kind::Network, "destroy", &network.id, &network.name);
        Ok(network.name)
    }

    /// Joins a container to a network; at once if it runs.
    pub fn connect(&self, network: &str, container: &str, mut place: Joined) -> Result<()> {
        let network = self.find_network(network)?;
        place.network.clone_from(&network.name);
        let (dir, mut record) = self.record_of(container)?;
        let before = record.config.config.networks().to_vec();
        match &record.config.config.view.network {
            None | Some(NetworkMode::None | NetworkMode::Networks(_)) => {}
            other => return Err(Error::NotJoinable(container.to_owned(), NetworkMode::text(other.as_ref()))),
        }
        if before.iter().any(|joined| joined.network == network.name) {
            return Err(Error::Joined(container.to_owned(), network.name));
        }
        if let Some(process) = self.held(record.id.as_str())?.process() {
            let asked = wish(&record, &place, before.is_empty(), &[]);
            let namespace = namespace_of(process.pid)?;
            // Who is where an ordinary user's networks are has a say over what was born below them, and not beside.
            if !self.go_to_networks()? || sys::process::namespace_owner(&namespace).is_err() {
                return Err(Error::BornElsewhere(record.name.to_string()));
            }
            self.networks().attach(&network, &asked, namespace)?;
        }
        let all = before.into_iter().chain([place]).collect();
        record.config.config.view.network = Some(NetworkMode::Networks(all));
        dir.write(&record, durability(&record.config.config))?;
        self.tell_joined("connect", &network, record.id.as_str());
        Ok(())
    }

    /// Parts a container from a network; at once if it runs.
    pub fn disconnect(&self, network: &str, container: &str) -> Result<()> {
        let network = self.find_network(network)?;
        let (dir, mut record) = self.record_of(container)?;
        let id = record.id.as_str().to_owned();
        let before = record.config.config.networks().len();
        if let Some(NetworkMode::Networks(all)) = &mut record.config.config.view.network {
            all.retain(|joined| joined.network != network.name);
        }
        if record.config.config.networks().len() == before {
            return Err(Error::NotJoined(container.to_owned(), network.name));
        }
        if self.go_to_networks()? {
            self.networks().disconnect(&network, &id)?;
        }
        if before == 1 {
            record.config.config.view.network = Some(NetworkMode::None);
        }
        dir.write(&record, durability(&record.config.config))?;
        self.tell_joined("disconnect", &network, &id);
        Ok(())
    }

    /// Who else's firewall is going to drop what a container with published ports sends and gets, with what helps.
    pub fn obstacles(&self, config: &crate::config::ContainerConfig) -> Vec<Obstacle> {
        let first = match &config.view.network {
            None if self.caller().is_root() => Some(DEFAULT),
            Some(NetworkMode::Networks(all)) => all.first().map(|joined| joined.network.as_str()),
            _ => None,
        };
        let Some(network) = first.filter(|_| config.view.publish_all || !config.view.ports.is_empty()) else {
            return Vec::new();
        };
        // Read by a store that goes again: who asks is about to fork, and to open his own where that belongs.
        let store = store::Store::open_if_there(&self.locations().root).ok().flatten();
        let network: Option<Network> = store.and_then(|store| store.network(network).ok().flatten());
        let bridge = network.as_ref().and_then(Network::bridge);
        bridge.and_then(|bridge| self.networks().obstacles(bridge).ok()).unwrap_or_default()
    }

    /// Makes the packet filter anew, where somebody has taken it away.
    pub fn reload_networks(&self) -> Result<()> {
        if self.go_to_networks()? {
            self.networks().reload()?;
        }
        Ok(())
    }

    fn record_of(&self, container: &str) -> Result<(store::ContainerDir, Container<Record>)> {
        let id = self.find(container)?;
        let mut dir = self.store()?.container(&id)?;
        dir.lock()?;
        let record = dir.read()?;
        Ok((dir, record))
    }
}
