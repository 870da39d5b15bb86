//! Both sides of a container at once: what was asked for it, what the kernel made of that, what it uses now, and who set
//! it. Told along the four questions: what it sees, what it may use, what its files are, what it may do.
//!
//! Nothing is executed, and nothing of the container is opened: its processes, mounts and limits are read from the
//! machine's procfs and cgroups, its files from the layers as they lie in the store, where no mount of the container's can
//! stand in the way. What a process can make a reader wait for is read by a child that has a time limit. The order matters
//! for an ordinary user: living processes are looked at before his engine enters its namespace, files after.

mod amount;
mod changes;
mod devices;
mod filter;
mod ids;
mod layers;
mod limits;
mod may;
mod mount_table;
mod mounts;
mod namespaces;
mod network;
mod place;
mod proc_dir;
mod processes;
mod ulimits;

pub use amount::{Amount, Tighter, Unit};
pub use changes::{ChangedFile, Changes};
pub use devices::{DeviceNode, Devices, Gate};
pub use filter::Filter;
pub use ids::{IdRange, Ids};
pub use layers::{LayerSide, RootKind, RootSide};
pub use limits::Limit;
pub use may::{CapabilitySide, MayDo};
pub use mounts::{Hidden, MountOrigin, MountSide, Mounts};
pub use namespaces::{NamespaceSide, Shared};
pub use network::{Interface, NetworkSide, Port, RouteSide, published};
pub use place::{PathSide, PlaceSide};
pub use processes::{ProcessSide, ProcessSides};
pub use ulimits::UlimitSide;

use crate::config::{ContainerConfig, NetworkMode};
use crate::containers::{Listed, Status};
use crate::engine::Engine;
use crate::error::Result;
use crate::exec::Running;
use crate::recorded::Recorded;
use crate::start::{ORIGINS, SPEC};
use oci::runtime::Spec;
use proc_dir::ProcDir;
use serde::Serialize;
use std::collections::BTreeMap;

/// A container from both sides.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sides {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image, as it was named.
    pub image: String,
    /// The command that runs, or ran.
    pub command: Vec<String>,
    /// Whether its process is there.
    pub runs: bool,
    /// Its first process's pid, as the machine has it.
    pub pid: Option<i32>,
    /// Seconds since 1970 when that was there.
    pub since: Option<u64>,
    /// How it ended, if it did: its exit code, where anybody knows it.
    pub exit_code: Option<u8>,
    /// Its processes stand still.
    pub paused: bool,
    /// What it sees.
    pub sees: Sees,
    /// What it uses.
    pub uses: Uses,
    /// What its files are.
    pub files: Files,
    /// What it may do.
    pub may_do: MayDo,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// What it sees.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sees {
    /// Its processes.
    pub processes: ProcessSides,
    /// Its host name.
    pub host_name: String,
    /// Its namespaces.
    pub namespaces: Vec<NamespaceSide>,
    /// Its network.
    pub network: NetworkSide,
}

/// What it may use.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uses {
    /// Its cgroup: where the memory controller is, where there are several.
    pub cgroup: Option<String>,
    /// The cgroup's limits.
    pub limits: Vec<Limit>,
    /// Resource limits of its first process.
    pub ulimits: Vec<UlimitSide>,
}

/// What its files are.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Files {
    /// Of what its root is made.
    pub root: RootSide,
    /// What is mounted in it.
    pub mounts: Mounts,
    /// Devices.
    pub devices: Devices,
    /// What it has changed.
    pub changes: Changes,
    /// Paths that were asked about.
    pub paths: Vec<PathSide>,
}

/// What is known of a container that runs.
struct Living {
    running: Running,
    process: ProcDir,
    spec: Spec,
    origins: Origins,
}

/// Who asked for which part of the specification.
#[derive(Default)]
struct Origins(BTreeMap<String, String>);

impl Origins {
    fn of(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    /// A record has the network that its container is in, whether somebody has asked for it or not.
    fn settle(&mut self, config: &ContainerConfig) {
        let usual = config.view.network == Some(NetworkMode::Pasta)
            || config.view.network == Some(NetworkMode::of(crate::DEFAULT_NETWORK));
        if usual && let Some(by) = self.0.get_mut("linux.namespaces[network]") {
            "default".clone_into(by);
        }
    }
}

impl Engine {
    /// Looks at a container from both sides, and where `paths` come from that it sees.
    pub fn sides(&self, text: &str, paths: &[String]) -> Result<Sides> {
        let listed = self.container(text)?;
        let mut sides = Sides::new(&listed);
        let living = if listed.status.is_alive() { self.living(listed.container.id.as_str())? } else { None };
        sides.runs = living.is_some();
        match &living {
            Some(living) => self.look_alive(living, &mut sides)?,
            None => self.look_at_rest(&listed, &mut sides),
        }
        sides.files.devices = devices::look(living.as_ref(), &listed.container.config.config);
        self.look_at_files(&listed, living.as_ref(), paths, &mut sides);
        sides.sees.network.published = network::published(self, &listed);
        Ok(sides)
    }

    /// It, unless it has ended meanwhile.
    fn living(&self, id: &str) -> Result<Option<Living>> {
        let running = match self.find_running(id) {
            Ok(running) => running,
            Err(crate::error::Error::NotRunning(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(process) = ProcDir::open(running.handle.pid) else { return Ok(None) };
        let read = |name| running.run_file(name);
        let spec = read(SPEC).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let origins = read(ORIGINS).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let mut origins = Origins(origins);
        origins.settle(&running.record.config.config);
        Ok(Some(Living { running, process, spec, origins }))
    }

    fn look_alive(&self, living: &Living, sides: &mut Sides) -> Result<()> {
        let config = &living.running.record.config.config;
        sides.pid = Some(living.running.handle.pid);
        sides.sees.processes = processes::look(living)?;
        sides.may_do.ids = ids::look(living);
        sides.sees.namespaces = namespaces::look(self, living);
        sides.sees.host_name = living.spec.hostname.clone().unwrap_or_else(crate::gather::host_name);
        sides.sees.network = network::look(self, living, &sides.sees.namespaces);
        let mut cgroup = living.running.handle.cgroup.paths();
        sides.uses.cgroup = cgroup.remove("memory").or_else(|| cgroup.into_values().next());
        sides.uses.limits = limits::look(self, &living.running);
        sides.uses.ulimits = ulimits::look(living);
        sides.files.mounts = mounts::look(self, living);
        may::look(config, living, &mut sides.may_do);
        Ok(())
    }

    /// What was asked for one that does not run.
    fn look_at_rest(&self, listed: &Listed, sides: &mut Sides) {
        let config = &listed.container.config.config;
        sides.sees.network = network::asked(config);
        sides.uses.limits = limits::asked(self, config);
        may::asked(config, &mut sides.may_do);
        // What was composed for its last start says more than its request.
        match Recorded::find(self, listed.container.id.as_str()) {
            Ok(Recorded { spec, origins, .. }) if spec.process.is_some() => {
                let origins = origins.into_iter().map(|(path, asked)| (path.into_owned(), asked.to_string())).collect();
                let mut origins = Origins(origins);
                origins.settle(config);
                sides.sees.host_name = spec.hostname.clone().unwrap_or_default();
                sides.uses.ulimits = ulimits::composed(&spec, &origins);
                sides.files.mounts = mounts::composed(&spec, &origins, config);
            }
            _ => {
                sides.uses.ulimits = ulimits::asked(config);
                sides.files.mounts = mounts::asked(config);
            }
        }
    }

    /// Its layers and what is in them. A failure is a note: the rest has been seen.
    fn look_at_files(&self, listed: &Listed, living: Option<&Living>, paths: &[String], sides: &mut Sides) {
        let layers = self.enter().and_then(|()| layers::Layers::open(self, listed));
        let layers = match layers {
            Ok(layers) => layers,
            Err(error) => return sides.notes.push(format!("its files could not be looked at: {error}")),
        };
        sides.files.root = layers.root(living);
        processes::give_names(&mut sides.sees.processes, &layers);
        match layers.changes(&sides.files.mounts) {
            Ok(changes) => sides.files.changes = changes,
            Err(error) => sides.notes.push(format!("what it has changed could not be looked at: {error}")),
        }
        for path in paths {
            match place::look(&layers, &sides.files.mounts, path) {
                Ok(place) => sides.files.paths.push(place),
                Err(error) => sides.notes.push(format!("{path} could not be looked at: {error}")),
            }
        }
    }
}

impl Sides {
    fn new(listed: &Listed) -> Self {
        let Listed { container, status, .. } = listed;
        let record = &container.config;
        let since = match status {
            Status::Running { since, .. } | Status::Paused { since, .. } => *since,
            _ => record.started,
        };
        let ended = match status {
            Status::Exited(end) | Status::Restarting(end) => end.code,
            _ => None,
        };
        Self {
            id: container.id.to_string(),
            name: container.name.to_string(),
            image: record.image_name.clone(),
            command: if record.command.is_empty() {
                record.config.process.command.clone()
            } else {
                record.command.clone()
            },
            runs: false,
            pid: None,
            since,
            exit_code: ended,
            paused: matches!(status, Status::Paused { .. }),
            sees: Sees::default(),
            uses: Uses::default(),
            files: Files::default(),
            may_do: MayDo::default(),
            notes: Vec::new(),
        }
    }
}
