//! Containers as their users know them: listed, looked at, removed, and cleaned up after.

use crate::config::ContainerName;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::health::{self, HealthState};
use crate::record::{End, Record};
use cgroup::Cgroup;
use monitor::{Holder, Policy, RunDir};
use std::time::{Duration, Instant};
use store::{Broken, Container, ContainerId, Durability};

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its process does not exist yet.
    Created,
    /// Its process runs.
    Running {
        /// Its pid as the host sees it.
        pid: i32,
        /// Seconds since 1970 when it was there.
        since: Option<u64>,
    },
    /// Its process is there, and stands still.
    Paused {
        /// Its pid as the host sees it.
        pid: i32,
        /// Seconds since 1970 when it was there.
        since: Option<u64>,
    },
    /// Its process has ended so, and another is to come.
    Restarting(End),
    /// Its process has ended, and whoever holds it is clearing away.
    Stopping,
    /// Its process has ended.
    Exited(End),
}

/// A container and what it is doing.
#[derive(Debug)]
pub struct Listed {
    /// Its record.
    pub container: Container<Record>,
    /// What it is doing.
    pub status: Status,
    /// How it is, if it runs and that is looked at.
    pub health: Option<HealthState>,
}

impl Status {
    /// Its process is there.
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused { .. })
    }
}

impl Engine {
    /// All containers, and those whose records are damaged.
    pub fn containers(&self) -> Result<Vec<std::result::Result<Listed, Broken>>> {
        clean_up(self);
        self.sweep();
        let all = self.store()?.containers::<Record>()?;
        // What was to go with its end has ended with the machine.
        let goes = |container: &Container<Record>| {
            let dir = self.run_dir(container.id.as_str());
            container.config.config.remove && !dir.exists() && self.was_cut_off(&container.id)
        };
        let (gone, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|each| each.as_ref().is_ok_and(goes));
        for container in gone.into_iter().flatten() {
            let _ = self.remove_container(container.id.as_str(), false);
        }
        Ok(all.into_iter().map(|container| container.map(|container| self.listed(container))).collect())
    }

    /// The container with this name or id.
    pub fn container(&self, text: &str) -> Result<Listed> {
        clean_up(self);
        let id = self.store()?.find_container(text)?;
        let container: Container<Record> = self.store()?.container(&id)?.read()?;
        Ok(self.listed(container))
    }

    fn listed(&self, container: Container<Record>) -> Listed {
        let run_dir = RunDir::open(&self.run_dir(container.id.as_str())).ok();
        let status = self.status(&container, run_dir.as_ref());
        let looked = container.config.health.is_some() && status.is_alive();
        let health = run_dir.as_ref().filter(|_| looked).map(health::state);
        Listed { container, status, health }
    }

    fn status(&self, container: &Container<Record>, run_dir: Option<&RunDir>) -> Status {
        let ended = container.config.ended.map_or(Status::Created, Status::Exited);
        let Some(run_dir) = run_dir else {
            // What it had while it ran is gone with the boot that it ran in.
            return if self.was_cut_off(&container.id) { Status::Exited(End::unknown()) } else { ended };
        };
        let process = run_dir.process();
        if let Some(Holder { pid, .. }) = process.filter(Holder::lives) {
            let since = run_dir.began();
            let state = run_dir.state().ok().flatten();
            let frozen = state.is_some_and(|state| Cgroup::from_paths(&state.cgroup).is_frozen().unwrap_or(false));
            return if frozen { Status::Paused { pid, since } } else { Status::Running { pid, since } };
        }
        match ended {
            _ if holder(run_dir).is_none() => ended,
            _ if process.is_some() => Status::Stopping,
            Status::Exited(end) => Status::Restarting(end),
            ended => ended,
        }
    }

    /// It ran when the machine went down.
    fn was_cut_off(&self, id: &ContainerId) -> bool {
        self.store().and_then(|store| Ok(store.container(id)?)).is_ok_and(|container| container.has_begun())
    }

    /// Gives a container another name.
    pub fn rename(&self, text: &str, name: &ContainerName) -> Result<()> {
        clean_up(self);
        let store = self.store()?;
        let mut container = store.container(&store.find_container(text)?)?;
        container.lock()?;
        let mut record: Container<Record> = container.read()?;
        Ok(store.rename_container(&container, &mut record, name.as_str().parse()?)?)
    }

    /// Containers that come back after the machine was down, by their policies: those that always do, and those that
    /// do unless they were stopped. What failed, or was cut off, with a policy for that is one of them.
    pub fn returning(&self) -> Result<Vec<ContainerId>> {
        let returns = |listed: &Listed| {
            let Status::Exited(end) = listed.status else { return false };
            match listed.container.config.config.restart {
                Policy::No => false,
                Policy::Always => true,
                Policy::UnlessStopped => !end.stopped,
                Policy::OnFailure(_) => !end.stopped && end.code != Some(0),
            }
        };
        let listed = self.containers()?.into_iter().flatten().filter(|listed| returns(listed));
        Ok(listed.map(|listed| listed.container.id).collect())
    }

    /// Whether somebody has it in hand, who starts it or watches it run.
    pub(crate) fn is_held(&self, id: &ContainerId) -> bool {
        holder_of(self, id).is_some()
    }

    /// Removes a container; one that runs only with `force`, which kills it.
    pub fn remove_container(&self, text: &str, force: bool) -> Result<ContainerId> {
        clean_up(self);
        let id = self.store()?.find_container(text)?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        if run_dir.as_ref().and_then(holder).is_some() {
            if !force {
                return Err(Error::Running(text.to_owned()));
            }
            self.end_by_force(&id)?;
        }
        if let Some(run_dir) = &run_dir {
            // Whoever held it has cleaned up; both may.
            monitor::teardown(run_dir)?;
        }
        self.enter()?;
        let store = self.store()?;
        let locked = store.container(&id).and_then(|mut container| container.lock().map(|()| container));
        match locked.and_then(|container| container.remove(store)) {
            // Its holder was faster (`--rm`).
            Ok(()) | Err(store::Error::NoSuchContainer(_)) => Ok(id),
            Err(error) => Err(error.into()),
        }
    }
}

/// In a run directory: the specification that runs, for what is to run beside it.
pub(crate) const SPEC: &str = "spec.json";

/// Who holds a container, and lives.
pub(crate) fn holder_of(engine: &Engine, id: &ContainerId) -> Option<Holder> {
    RunDir::open(&engine.run_dir(id.as_str())).ok().as_ref().and_then(holder)
}

/// Who makes or holds the container of a run directory, and lives.
fn holder(run_dir: &RunDir) -> Option<Holder> {
    let state = || run_dir.state().ok().flatten().map(|state| state.holder);
    run_dir.maker().or_else(state).filter(Holder::lives)
}

/// Cleans up after holders that were killed: whatever they left is found by their run directories. Done by every
/// command that looks at containers, unasked; what cannot be done now is left for the next.
pub(crate) fn clean_up(engine: &Engine) {
    let Ok(entries) = std::fs::read_dir(engine.run_dirs()) else { return };
    for entry in entries.flatten() {
        let Ok(run_dir) = RunDir::open(&entry.path()) else { continue };
        if holder(&run_dir).is_some() {
            continue;
        }
        if run_dir.process().is_some_and(|process| process.lives()) && take_over(engine, &run_dir) {
            continue;
        }
        let id = entry.file_name().to_string_lossy().into_owned();
        // The run directory goes last: while it is there, what could not be done is done by the next command.
        let ephemeral = run_dir.state().ok().flatten().is_some_and(|state| state.ephemeral);
        if monitor::end(&run_dir).is_ok() && settle(engine, &id, ephemeral).is_ok() {
            crate::userns::release(engine, &id);
            let _ = run_dir.remove();
        }
    }
}

/// A container that has outlived its monitor gets a new one, from whoever is first to see it.
fn take_over(engine: &Engine, run_dir: &RunDir) -> bool {
    let Ok(Some(_lock)) = run_dir.try_lock() else { return true };
    holder(run_dir).is_some() || crate::supervised::adopt(engine, run_dir).is_ok()
}

/// How long a container whose holder is dead may stay locked.
const LOCKED: Duration = Duration::from_secs(1);

/// A container whose holder was killed goes with `--rm`, and else has ended with a code that nobody knows.
fn settle(engine: &Engine, id: &str, ephemeral: bool) -> Result<()> {
    // What has no id for a name has not come as far as a container.
    let Ok(id) = id.parse::<ContainerId>() else { return Ok(()) };
    let mut container = match engine.store()?.container(&id) {
        Err(store::Error::NoSuchContainer(_)) => return Ok(()),
        found => found?,
    };
    // A child of the dead holder may keep its lock for a moment yet.
    let start = Instant::now();
    while !container.try_lock()? {
        if start.elapsed() > LOCKED {
            return Err(Error::Running(id.as_str().to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if ephemeral {
        engine.enter()?;
        return Ok(container.remove(engine.store()?)?);
    }
    let mut record: Container<Record> = container.read()?;
    if container.has_begun() || record.config.ended.is_none() {
        record.config.ended = Some(End::unknown());
        container.write(&record, Durability::Durable)?;
    }
    container.end()?;
    Ok(())
}
