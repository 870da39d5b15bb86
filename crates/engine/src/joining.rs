//! Containers in networks: which ones a container is in, and how it comes there and leaves.

use crate::config::{Capability, CapabilitySet, ContainerConfig, Joined, NetworkMode};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::part::Part;
use crate::publishing;
use crate::record::{Record, now};
use monitor::RunDir;
use network::pasta;
use network::{DEFAULT, Driver, Network, Networks, Port, Range, Wish, free_subnet, local_subnet};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use store::Container;

/// What the bridge of the machine's own default network is called.
const BRIDGE: &str = "coracle0";

/// Where the machine's own store lies, whose default network has a bridge with a name that people know.
const STORE: &str = "/var/lib/coracle";

impl Engine {
    /// What is true of networks while containers run.
    pub(crate) fn networks(&self) -> Networks {
        let networks = Networks::of(&self.locations().runroot);
        if self.caller().is_root() { networks } else { networks.behind_pasta() }
    }

    /// The network of this name; the default one is made when it is first wanted.
    pub fn network(&self, name: &str) -> Result<Network> {
        match self.store()?.network(name)? {
            Some(network) => Ok(network),
            None if name == DEFAULT => self.default_network(),
            None => {
                let all: Vec<Network> = self.store()?.networks()?;
                let known = all.iter().map(|network| network.name.as_str()).chain(["none", "host", DEFAULT]);
                let hint = match crate::flags::nearest(name, known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "coracle network ls lists them, coracle network create makes one".to_owned(),
                };
                Err(Error::NoSuchNetwork(name.to_owned(), hint))
            }
        }
    }

    pub(crate) fn default_network(&self) -> Result<Network> {
        let own = self.locations().root == Path::new(STORE);
        let make = |id: String, others: Vec<Network>| {
            let interface = if own { BRIDGE.to_owned() } else { Network::interface_of(&id) };
            Ok::<_, Error>(Network {
                name: DEFAULT.to_owned(),
                created: now(),
                driver: Driver::Bridge(interface),
                ranges: free_ranges(&id, &others, true)?,
                id,
                names: true,
                ..Network::default()
            })
        };
        Ok(self.store()?.create_network(DEFAULT, make)?.0)
    }
}

/// A subnet of each family that neither this machine nor another network has; one of IPv6 where the kernel has it.
pub(crate) fn free_ranges(id: &str, others: &[Network], default: bool) -> Result<Vec<Range>> {
    let mut taken = network::taken_subnets()?;
    taken.extend(others.iter().flat_map(|network| network.ranges.iter().map(|range| range.subnet)));
    let mut ranges = vec![Range::of(free_subnet(&taken, default)?)];
    if Path::new("/proc/net/if_inet6").exists() {
        // The network's id is as good a chance as any, and no two are the same.
        let byte = |at: usize| id.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let number = u16::from_be_bytes([byte(10), byte(12)]);
        ranges.push(Range::of(local_subnet([byte(0), byte(2), byte(4), byte(6), byte(8)], number)));
    }
    Ok(ranges)
}

impl Engine {
    /// Why a container that asks for no network in particular gets none.
    pub fn lacks_network(&self, config: &ContainerConfig) -> Option<network::Error> {
        if config.view.network.is_some() {
            return None;
        }
        if self.caller().is_root() {
            return (!network::can_bridge()).then_some(network::Error::NoFilter);
        }
        self.cut_off()
    }

    /// Why a container in an ordinary user's networks reaches nobody but those that are in them, too.
    pub fn lacks_world(&self, config: &ContainerConfig) -> Option<network::Error> {
        if self.caller().is_root() || config.networks().is_empty() { None } else { self.cut_off() }
    }

    /// Why no packets pass between an ordinary user's containers and the machine's network.
    pub(crate) fn cut_off(&self) -> Option<network::Error> {
        if !self.has_pasta() {
            return Some(network::Error::NoPasta);
        }
        (!network::has_way_out()).then_some(network::Error::Offline)
    }
}

/// What a container that asks for no network gets.
pub(crate) fn settle(engine: &Engine, config: &mut ContainerConfig) {
    if config.view.network.is_some() {
        return;
    }
    config.view.network = Some(match engine.lacks_network(config) {
        Some(_) => NetworkMode::None,
        None if engine.caller().is_root() => NetworkMode::of(DEFAULT),
        None => NetworkMode::Pasta,
    });
}

/// The network namespace of the container whose network another one shares: it has to run.
pub(crate) fn shared(engine: &Engine, config: &ContainerConfig) -> Result<Option<PathBuf>> {
    let Some(NetworkMode::Container(name)) = &config.view.network else { return Ok(None) };
    let process = engine.held(name)?.process().ok_or_else(|| Error::NotRunning(name.clone()))?;
    Ok(Some(format!("/proc/{}/ns/net", process.pid).into()))
}

/// What has to be there before a container is made: its networks.
pub(crate) fn are_there(engine: &Engine, config: &ContainerConfig) -> Result<()> {
    config.networks().iter().try_for_each(|joined| engine.network(&joined.network).map(drop))
}

/// Joins a container, whose first process waits, to its networks.
pub(crate) fn join(engine: &Engine, record: &Container<Record>, run_dir: &RunDir, pid: i32) -> Result<()> {
    Part::Network.begin();
    let config = &record.config.config;
    if config.view.network == Some(NetworkMode::Pasta) {
        return join_pasta(engine, record, run_dir, pid);
    }
    let joined = config.networks();
    if joined.is_empty() {
        return Ok(());
    }
    let taken = publishing::take(engine, record)?;
    let namespace = namespace_of(pid)?;
    engine.go_to_networks()?;
    let done = join_all(engine, record, joined, &namespace, &taken.ports).and_then(|(lines, addresses)| {
        run_dir.append("hosts", lines.as_bytes())?;
        if taken.ports.is_empty() {
            return Ok(());
        }
        let pidfd = sys::process::pidfd_open(pid).map_err(Error::system("hold the published ports"))?;
        publishing::guard(engine, run_dir, taken, &pidfd, addresses)
    });
    if done.is_err() {
        leave(engine, record.id.as_str());
    }
    done
}

/// Connects an ordinary user's container with the machine's network.
fn join_pasta(engine: &Engine, record: &Container<Record>, run_dir: &RunDir, pid: i32) -> Result<()> {
    let networks = engine.networks();
    // Looked for here, where it can be said who has one; it is pasta that takes them.
    let ports = publishing::take(engine, record)?.ports;
    let names = [record.name.to_string()];
    pasta::connect(&networks, run_dir.path(), record.id.as_str(), &names, pid, &ports)?;
    let line = format!("127.0.0.1\t{} {}\n", host_name(record), record.name);
    Ok(run_dir.append("hosts", line.as_bytes())?)
}

/// What a container in a network of its own calls itself.
fn host_name(record: &Container<Record>) -> &str {
    record.config.config.view.hostname.as_ref().map_or(record.id.short(), |name| name.as_str())
}

/// Joins all of them; comes back with what /etc/hosts says of it, and its addresses in the first.
fn join_all(
    engine: &Engine,
    record: &Container<Record>,
    joined: &[Joined],
    namespace: &OwnedFd,
    ports: &[Port],
) -> Result<(String, Vec<IpAddr>)> {
    let networks = engine.networks();
    let (mut lines, mut first) = (String::new(), Vec::new());
    let all = joined.iter().map(|joined| engine.network(&joined.network)).collect::<Result<Vec<_>>>()?;
    let teller = teller(&all).map(|network| network.name.clone());
    for (number, (joined, network)) in joined.iter().zip(&all).enumerate() {
        let ports = if number == 0 { ports } else { &[] };
        let resolver = teller.as_ref() == Some(&network.name);
        let wish = Wish { resolver, ..wish(record, joined, number == 0, ports) };
        let endpoint = networks.attach(network, &wish, namespace)?;
        engine.tell_joined("connect", network, record.id.as_str());
        for (address, _) in &endpoint.addresses {
            let _ = writeln!(lines, "{address}\t{} {}", host_name(record), record.name);
        }
        if number == 0 {
            first = endpoint.hosts();
            // What an ordinary user's networks have for a gateway is not this machine.
            for gateway in endpoint.gateways.iter().filter(|_| engine.caller().is_root()) {
                let _ = writeln!(lines, "{gateway}\thost.containers.internal host.docker.internal");
            }
        }
    }
    Ok((lines, first))
}

/// What a container wants of a network; the first one leads to everybody else, and has the resolver that it asks.
pub(crate) fn wish<'a>(record: &'a Container<Record>, joined: &'a Joined, first: bool, ports: &'a [Port]) -> Wish<'a> {
    let own = [record.name.to_string(), record.id.short().to_owned()];
    Wish {
        container: record.id.as_str(),
        names: own.into_iter().chain(joined.aliases.iter().cloned()).collect(),
        addresses: joined.addresses.clone(),
        mac: joined.mac,
        inside: joined.interface.as_deref(),
        default_route: first,
        resolver: first,
        ports,
        guarded: sends_anything(&record.config.config),
    }
}

/// The network namespace of a process.
pub(crate) fn namespace_of(pid: i32) -> Result<OwnedFd> {
    let namespace = sys::fs::open(format!("/proc/{pid}/ns/net"), OFlags::RDONLY, Mode::empty());
    namespace.map_err(Error::system("find the container's network namespace"))
}

/// A container may send any packet it likes, and is not meant to change its addresses: whoever has `CAP_NET_ADMIN` as well
/// may have addresses that move between machines, and is trusted with its neighbours.
fn sends_anything(config: &ContainerConfig) -> bool {
    let granted = crate::spec::grant(&config.privileges, 0, CapabilitySet::from_bits(u64::MAX));
    let has = |name| {
        let capability = Capability::by_name(name);
        granted.as_ref().is_ok_and(|granted| capability.is_some_and(|capability| granted.bounding.contains(capability)))
    };
    has("NET_RAW") && !has("NET_ADMIN")
}

/// The network whose resolver a container asks: the first that asks on, else the first that has one.
fn teller(networks: &[Network]) -> Option<&Network> {
    let tells = |network: &&Network| network::resolver::address(network).is_some();
    networks.iter().filter(tells).find(|network| !network.internal).or_else(|| networks.iter().find(tells))
}

/// Who tells this one names of containers.
pub(crate) fn resolver(engine: &Engine, config: &ContainerConfig) -> Result<Option<IpAddr>> {
    // pasta passes on what is asked there.
    if config.view.network == Some(NetworkMode::Pasta) {
        return Ok(Some(network::pasta::RESOLVER.into()));
    }
    let all = config.networks().iter().map(|joined| engine.network(&joined.network)).collect::<Result<Vec<_>>>()?;
    Ok(teller(&all).and_then(network::resolver::address))
}

/// A container is in no network any more.
pub(crate) fn leave(engine: &Engine, id: &str) {
    engine.where_networks_are(|| part(&engine.networks(), &engine.run_dir(id)));
}

/// The same by its run directory, which its id names.
pub(crate) fn part(networks: &Networks, run_dir: &Path) {
    let id = run_dir.file_name().unwrap_or_default().to_string_lossy();
    pasta::end(networks, run_dir, &id);
    networks.forget(&id);
}
