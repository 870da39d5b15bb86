//! What a container had of this machine that its specification does not say: what whoever builds it once more by other
//! means has to know. Read when its command has ended and nothing of it is cleared away yet.

use crate::config::{ContainerConfig, ImageRef, NetworkMode, SecretPlace};
use crate::engine::Engine;
use crate::explanation::Root;
use crate::host::{self, Pieces};
use crate::root::in_user_namespace;
use crate::spec::Composed;
use crate::start::Place;
use network::Endpoint;
use oci::runtime::{IdMapping, Spec};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// What files with secrets are called in a run directory.
const SECRET: &str = "secret-";

/// What surrounded a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// The engine was an ordinary user's: the ids of this machine that those of its own user namespace are.
    pub user: Option<[Vec<IdMapping>; 2]>,
    /// What was written for it alone and bound into it, by its path: its /etc/hosts and the like, no secrets.
    pub files: BTreeMap<PathBuf, String>,
    /// Variables whose values are secrets, and stand nowhere here.
    pub secrets: Vec<String>,
    /// The directories of its cgroup by hierarchy: v1's controllers, or nothing for v2.
    pub cgroup: BTreeMap<String, String>,
    /// The hierarchies that it sees.
    pub hierarchies: Vec<String>,
    /// Of what the root of `host:` is made.
    pub host: Option<Pieces>,
    /// Its networks, in their order.
    pub networks: Vec<Joined>,
    /// Its way to the machine's network is pasta(1).
    pub pasta: bool,
    /// What all that run on the machine share.
    pub machine: Machine,
    /// Its image, by the name that was asked for; `host:` and a directory have none.
    pub image: Option<String>,
}

/// A network that it was in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Joined {
    /// Its name.
    pub name: String,
    /// Its bridge; none of macvlan.
    pub bridge: Option<String>,
    /// The addresses of the bridge, with the bits of their prefixes.
    pub gateways: Vec<(IpAddr, u8)>,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Its device, as it sees it.
    pub device: String,
    /// The hardware address of that.
    pub mac: String,
    /// Its addresses, with the bits of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The ways to everybody else.
    pub default_routes: Vec<IpAddr>,
    /// Where it asked for names, without any router.
    pub resolver: Option<IpAddr>,
}

/// What a machine has of which a container may use a part.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Bytes of memory.
    pub memory: u64,
    /// CPUs.
    pub cpus: u32,
    /// Processes at once.
    pub processes: u64,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/stat");
        let is_cpu = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
        let cpus = u32::try_from(stat.lines().filter(is_cpu).count()).unwrap_or(u32::MAX);
        let processes = read("/proc/sys/kernel/pid_max").trim().parse().unwrap_or_default();
        Self { memory: crate::processes::memory(), cpus, processes }
    }
}

impl Surroundings {
    /// Those of a container that is there.
    pub(crate) fn of(engine: &Engine, config: &ContainerConfig, place: &Place, composed: Option<&Composed>) -> Self {
        let caller = engine.caller();
        let user = (!caller.is_root()).then(|| {
            let maps = caller.base_maps();
            [maps.uids, maps.gids]
        });
        let secrets: Vec<String> = config
            .files
            .secrets
            .iter()
            .filter_map(|secret| match &secret.place {
                SecretPlace::Variable(name) => Some(name.clone()),
                SecretPlace::File { .. } => None,
            })
            .collect();
        let state = place.run_dir.state().ok().flatten();
        Self {
            user,
            files: composed.map(|composed| files(place, &composed.spec)).unwrap_or_default(),
            secrets,
            // An ordinary user gets none where nobody has given him any.
            cgroup: state.into_iter().flat_map(|state| state.cgroup).filter(|(_, path)| is_there(path)).collect(),
            hierarchies: place.hierarchies(),
            host: None,
            networks: networks(engine, config, place),
            pasta: config.view.network == Some(NetworkMode::Pasta),
            machine: Machine::default(),
            image: match &config.image {
                ImageRef::Name(name) => Some(name.clone()),
                ImageRef::Host | ImageRef::Rootfs(_) => None,
            },
        }
    }

    /// Looks at what is the machine's, and there whenever somebody asks.
    pub(crate) fn look(&mut self, engine: &Engine, root: &Root) {
        self.machine = Machine::this();
        let is_host = matches!(root, Root::Host);
        let pieces = || host::explained(engine.locations(), in_user_namespace(engine)).ok();
        self.host = is_host.then(pieces).flatten();
    }

    /// A specification without the values that are secrets.
    pub(crate) fn without_secrets<'a>(&self, spec: &'a Spec) -> Cow<'a, Spec> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(spec);
        }
        let mut spec = spec.clone();
        for variable in spec.process.iter_mut().flat_map(|process| &mut process.env) {
            if let Some((name, _)) =
                variable.split_once('=').filter(|(name, _)| self.secrets.iter().any(|one| one == name))
            {
                *variable = format!("{name}=");
            }
        }
        Cow::Owned(spec)
    }
}

fn is_there(path: &str) -> bool {
    std::path::Path::new(path).is_dir()
}

/// What is bound from the run directory.
fn files(place: &Place, spec: &Spec) -> BTreeMap<PathBuf, String> {
    let sources = spec.mounts.iter().filter_map(|mount| mount.source.as_deref()).map(PathBuf::from);
    let own = sources.filter(|source| source.parent() == Some(place.run_dir.path()));
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let text = (!name.starts_with(SECRET)).then(|| place.run_dir.read(name))??;
        Some((path, String::from_utf8(text).ok()?))
    };
    own.filter_map(read).collect()
}

fn networks(engine: &Engine, config: &ContainerConfig, place: &Place) -> Vec<Joined> {
    let id = place.run_dir.path().file_name().unwrap_or_default().to_string_lossy();
    let networks = engine.networks();
    let places = config.networks().iter().enumerate().filter_map(|(number, joined)| {
        let network = engine.network(&joined.network).ok()?;
        let endpoint: Endpoint = networks.endpoint(&network.name, &id)?;
        let bits = |address: IpAddr| network.range(address.is_ipv6()).map_or(0, |range| range.subnet.prefix());
        let gateways = network.ranges.iter().filter_map(|range| range.gateway).map(|at| (at, bits(at))).collect();
        Some(Joined {
            bridge: network.bridge().map(str::to_owned),
            gateways,
            mtu: network.mtu,
            device: endpoint.inside,
            mac: endpoint.mac,
            addresses: endpoint.addresses,
            default_routes: endpoint.gateways.into_iter().filter(|_| number == 0).collect(),
            resolver: network::resolver::address(&network).filter(|_| number == 0),
            name: network.name,
        })
    });
    places.collect()
}
