//! The systemd driver: where systemd is in charge of the machine's cgroups, a container's is made by it, as a transient
//! unit, and everything below the unit's cgroup is ours (`Delegate=yes`; systemd's CGROUP_DELEGATION.md).
//!
//! A scope is given to systemd together with a process, and vanishes with its last one. The container's process cannot be
//! the one, for it is to be born into the cgroup; so another stands there until it has come ([`sys::parked`]). See
//! docs/design/002-systemd.md.

mod annotation;
mod client;
mod properties;
mod unit;

pub use unit::{Bus, Unit};

use crate::create::vacant;
use crate::mountinfo::{below, memberships};
use crate::{Cgroup, CgroupPath, Controller, Error, Layout, Result, Version, file};
use client::{Client, Property};
use oci::runtime::Resources;
use properties::Target;
use rustix::fs::{Access, AtFlags, CWD};
use std::collections::BTreeMap;
use std::time::Duration;
use sys::parked::Parked;
use unit::Name;

/// How long all that systemd is asked for one container may take. What a loaded machine needs is far less; a systemd
/// that hangs shall not hang us for ever.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a freeze around a change of v1's devices may take.
const FREEZE: Duration = Duration::from_secs(2);

/// Who makes a container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Driver {
    /// We, as directories in the cgroup file systems.
    #[default]
    Cgroupfs,
    /// systemd.
    Systemd(Bus),
    /// Nobody: the container stays in the cgroup of whoever starts it, and has no limits of its own.
    Disabled,
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct UnitRequest<'a> {
    /// Names the unit where the path does not.
    pub id: &'a str,
    /// `slice:prefix:name`.
    pub path: Option<&'a str>,
    /// Its limits.
    pub resources: &'a Resources,
    /// The container's annotations, of which some may set properties of the unit.
    pub annotations: &'a BTreeMap<String, String>,
}

/// The process that keeps a new scope alive, and what has to be put right when it goes.
#[derive(Debug)]
pub(crate) struct Occupant {
    parked: Parked,
    /// The limit of tasks that leaves no room for two.
    tasks: Option<i64>,
}

impl Cgroup {
    /// Has systemd make a container's unit with its limits, and sets those that systemd has no words for. The unit is
    /// kept in being by a process of ours until [`Cgroup::inhabited`].
    ///
    /// # Errors
    /// The path or an annotation is none that a container may have; systemd is not there, does not answer in time or says
    /// no; a limit cannot be set. Nothing is left.
    pub fn create_unit(layout: &Layout, bus: &Bus, request: &UnitRequest<'_>) -> Result<Self> {
        create(layout, bus, request, LIMIT)
    }

    /// Where [`Cgroup::create_unit`] is going to make it on the machine's systemd, for whoever writes down what is to be
    /// removed before it exists.
    pub fn planned_unit(layout: &Layout, bus: &Bus, id: &str, path: Option<&str>) -> Result<Self> {
        let name = Name::new(path, id, bus)?;
        let unit = Some(Unit { name: name.unit.clone(), bus: bus.clone() });
        match bus {
            Bus::System => Ok(Self::planned(layout, &CgroupPath::new(&name.cgroup())?)?.with_unit(unit)),
            // Below the cgroup of the user's systemd, which only that knows.
            Bus::User { .. } => Ok(Self::default().with_unit(unit)),
        }
    }

    /// This cgroup as that of a unit.
    #[must_use]
    pub fn with_unit(self, unit: Option<Unit>) -> Self {
        Self { unit, ..self }
    }

    /// The unit that it belongs to, if systemd made it.
    pub fn unit(&self) -> Option<&Unit> {
        self.unit.as_ref()
    }

    /// The container's first process is in the cgroup: what stood there in its place goes.
    pub fn inhabited(&self) -> Result<()> {
        let Some(Occupant { parked, tasks }) = self.occupant.take() else { return Ok(()) };
        drop(parked);
        tasks.map_or(Ok(()), |limit| self.limit_tasks(limit))
    }

    /// Has the container's first process to be held back until what stands in its place is gone? So it is where the
    /// limit of tasks leaves no room for both: it would run its command under another limit.
    pub fn is_crowded(&self) -> bool {
        let occupant = self.occupant.take();
        let crowded = occupant.as_ref().is_some_and(|occupant| occupant.tasks.is_some());
        self.occupant.set(occupant);
        crowded
    }

    /// The container's first process was born into the v2 directory: as [`Cgroup::inhabited`], if that is all there is.
    /// v1's directories it is still to enter by itself, and the unit lives by one of them.
    pub fn born(&self) -> Result<()> {
        if self.branches.iter().all(|branch| branch.version == Version::V2) { self.inhabited() } else { Ok(()) }
    }

    /// Can a process of ours come into this cgroup by systemd only ([`Cgroup::attach`])? So it is for an ordinary user
    /// whose session is not below his own systemd: to move into a cgroup one needs a right on what is above both
    /// (cgroup-v2.rst, "Delegation Containment").
    pub fn attaches(&self, layout: &Layout) -> bool {
        let user = self.unit.as_ref().is_some_and(|unit| unit.bus != Bus::System);
        user && self.unified().is_some_and(|branch| !may_come(layout, &branch.path))
    }

    /// Changes limits of a cgroup in use; those of a unit are changed in systemd too, or neither there.
    ///
    /// # Errors
    /// As for [`Cgroup::apply`], and what systemd says.
    pub fn update(&self, resources: &Resources) -> Result<()> {
        let Some(unit) = &self.unit else { return self.apply(resources) };
        if let Some(limits) = &resources.memory
            && let Some(branch) = self.find(Controller::Memory)
        {
            // systemd knows no such question, and would have the kernel kill.
            crate::limits::memory::room(branch, limits)?;
        }
        let resources = properties::rounded(resources);
        let mut client = Client::open(&unit.bus, LIMIT)?;
        let target = Target { systemd: client.version()?, cgroups: self.generation() };
        let properties = properties::of(&resources, target)?;
        // systemd denies all devices for a moment when it writes v1's list anew.
        let blinks = target.cgroups == Version::V1 && !resources.devices.is_empty();
        let frozen = blinks && !self.is_frozen()? && self.freeze(FREEZE).is_ok();
        let applied = if properties.is_empty() {
            self.apply(&resources)
        } else {
            let before = client.values(&unit.name, &properties)?;
            client.set(&unit.name, &properties).and_then(|()| {
                self.apply(&resources).inspect_err(|_| {
                    // The kernel's refusal is what is told.
                    let _ = client.set(&unit.name, &before);
                })
            })
        };
        if frozen {
            self.thaw()?;
        }
        applied
    }

    /// Moves a process into the unit by systemd, for a user who may not do it himself: his session is no part of what was
    /// delegated to him.
    pub fn attach(&self, pid: u32) -> Result<()> {
        let Some(unit) = &self.unit else { return Ok(()) };
        Client::open(&unit.bus, LIMIT)?.attach(&unit.name, "", &[pid])
    }

    /// Ends the unit, when its cgroup is gone.
    pub(crate) fn stop_unit(&self) -> Result<()> {
        let Some(unit) = &self.unit else { return Ok(()) };
        Client::open(&unit.bus, LIMIT)?.stop(&unit.name)
    }

    /// The generation that the memory controller is of, as systemd's properties depend on it.
    fn generation(&self) -> Version {
        let memory = self.find(Controller::Memory).or_else(|| self.unified());
        memory.map_or(Version::V1, |branch| branch.version)
    }
}

fn create(layout: &Layout, bus: &Bus, request: &UnitRequest<'_>, limit: Duration) -> Result<Cgroup> {
    let name = Name::new(request.path, request.id, bus)?;
    let resources = properties::rounded(request.resources);
    let annotated = annotation::properties(request.annotations)?;
    let mut client = Client::open(bus, limit)?;
    let cgroups = layout.owner(Controller::Memory).or_else(|| layout.unified()).map_or(Version::V1, |h| h.version);
    let target = Target { systemd: client.version()?, cgroups };
    let mut properties = common(&name, request.id, cgroups);
    properties.extend(annotated);
    properties.extend(properties::of(&resources, target)?);
    properties.extend(properties::at_creation(&resources.unified, target));
    if !name.is_slice() && *bus == Bus::System {
        // systemd takes a directory that is there as it is, and in a frozen one nothing comes to its start.
        for branch in &Cgroup::planned(layout, &CgroupPath::new(&name.cgroup())?)?.branches {
            if let Err(error @ Error::Frozen { .. }) = vacant(branch) {
                return Err(error);
            }
        }
    }
    let parked = if name.is_slice() { None } else { Some(Parked::new().map_err(Error::Change)?) };
    if let Some(parked) = &parked {
        let pid = dbus::Value::Uint32(parked.pid().unsigned_abs());
        properties.push(("PIDs", dbus::Value::Array("u".to_owned(), vec![pid])));
    }
    client.start(&name.unit, &properties)?;
    let unit = Unit { name: name.unit.clone(), bus: bus.clone() };
    let tasks = resources.pids.as_ref().and_then(|pids| pids.limit).filter(|limit| *limit == 1);
    let (cgroup, limited) = match adopt(layout, &mut client, &unit, parked.as_ref()) {
        Ok(cgroup) => {
            let limited = cgroup.apply(&resources).and_then(|()| match tasks {
                // One stands there already, and the container's process is born beside it.
                Some(limit) if parked.is_some() => cgroup.limit_tasks(limit + 1),
                _ => Ok(()),
            });
            (cgroup, limited)
        }
        Err(error) => (Cgroup::default(), Err(error)),
    };
    if let Err(error) = limited {
        // The first error is the one to tell.
        drop(parked);
        let _ = cgroup.remove(limit);
        let _ = client.stop(&unit.name);
        return Err(error);
    }
    cgroup.occupant.set(parked.map(|parked| Occupant { parked, tasks }));
    Ok(cgroup.with_unit(Some(unit)))
}

/// What every unit has.
fn common(name: &Name, id: &str, cgroups: Version) -> Vec<Property> {
    let mut properties: Vec<Property> = vec![("Description", format!("coracle container {id}").into())];
    if name.is_slice() {
        properties.push(("Wants", dbus::Value::texts([name.slice.as_str()])));
    } else {
        properties.push(("Slice", name.slice.as_str().into()));
        properties.push(("Delegate", true.into()));
    }
    let io = if cgroups == Version::V2 { "IOAccounting" } else { "BlockIOAccounting" };
    for accounting in ["CPUAccounting", "MemoryAccounting", io, "TasksAccounting", "DefaultDependencies"] {
        properties.push((accounting, (accounting != "DefaultDependencies").into()));
    }
    properties
}

/// Takes up the cgroup that systemd has made, and makes it in the hierarchies that systemd has no part in.
fn adopt(layout: &Layout, client: &mut Client, unit: &Unit, parked: Option<&Parked>) -> Result<Cgroup> {
    let path = match parked {
        // Where it is in truth, whatever the slice's name says: a user's systemd is itself somewhere.
        Some(parked) => whereabouts(layout, parked.pid())?,
        None => client.slice_cgroup(&unit.name)?,
    };
    if parked.is_some() && !path.ends_with(&format!("/{}", unit.name)) {
        return Err(Error::NotMoved { unit: unit.name.clone() });
    }
    Cgroup::adopt(layout, &CgroupPath::new(&path)?)
}

/// May this process, from where it is, enter the v2 cgroup at `path` by itself?
fn may_come(layout: &Layout, path: &str) -> bool {
    let Some(hierarchy) = layout.unified() else { return false };
    let (Some(target), Ok(own)) = (path.strip_prefix(hierarchy.mount.as_str()), hierarchy.own_inner()) else {
        return false;
    };
    let shared = target.trim_start_matches('/').split('/').zip(own.split('/')).take_while(|(a, b)| a == b);
    let common: String = shared.flat_map(|(name, _)| ["/", name]).collect();
    let procs = format!("{}{common}/cgroup.procs", hierarchy.mount);
    rustix::fs::accessat(CWD, procs, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// In which cgroup a process is, by the hierarchy that systemd keeps its units in.
fn whereabouts(layout: &Layout, pid: i32) -> Result<String> {
    let text = file::read(&format!("/proc/{pid}/cgroup")).map_err(Error::Read)?;
    let named = layout.hierarchies().iter().find(|hierarchy| hierarchy.key == "name=systemd");
    let Some(hierarchy) = named.or_else(|| layout.unified()) else { return Ok(String::new()) };
    let membership = memberships(&text).find(|m| m.version == hierarchy.version && m.key == hierarchy.key);
    let inner = membership.and_then(|membership| below(&hierarchy.root, membership.own)).unwrap_or_default();
    Ok(format!("/{inner}"))
}
