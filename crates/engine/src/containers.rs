//! Containers as their users know them: listed, looked at, renamed, removed.

use crate::config::ContainerName;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::health::{self, HealthState};
use crate::pause;
use crate::record::{End, Record};
use crate::supervised;
use monitor::{Holder, Policy, Process, RunDir};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use store::{Broken, Container, ContainerDir, ContainerId};

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

/// What becomes of the volumes of a container that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    /// They stay.
    Kept,
    /// Those that nobody has named and no other container uses go along.
    Anonymous,
}

impl Status {
    /// Its process is there.
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused { .. })
    }
}

/// What a container's run directory says.
struct Seen {
    /// Who holds it, and was there a moment ago.
    holder: Option<Holder>,
    /// What is written down of its first process.
    process: Option<Process>,
    /// That lives.
    lives: bool,
}

impl Seen {
    fn new(holder: Option<Holder>, process: Option<Process>) -> Self {
        Self { holder, lives: process.as_ref().is_some_and(Process::lives), process }
    }
}

impl Engine {
    /// All containers, and those whose records are damaged.
    pub fn containers(&self) -> Result<Vec<std::result::Result<Listed, Broken>>> {
        let holders: BTreeMap<_, _> = self.clean_up().into_iter().map(|mark| (mark.id, mark.holder)).collect();
        let run_dirs = RunDir::all(&self.locations().runroot)?;
        let all = self.store()?.containers_and(|container: Container<Record>| {
            let id = container.id.as_str();
            let holder = holders.get(id).copied();
            let seen = Seen::new(holder, holder.and_then(|_| Process::read(run_dirs.as_fd(), id)));
            (container, seen)
        })?;
        self.sweep_beside(all.len());
        // What was to go with its end has ended with the machine.
        let goes = |(container, seen): &(Container<Record>, Seen)| {
            let dir = || self.run_dir(container.id.as_str());
            let ephemeral = container.config.config.remove;
            ephemeral && seen.process.is_none() && !dir().exists() && self.was_cut_off(&container.id)
        };
        let (gone, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|each| each.as_ref().is_ok_and(goes));
        for (container, _) in gone.into_iter().flatten() {
            let _ = self.remove_container(container.id.as_str(), false, Volumes::Anonymous);
        }
        let listed = |(container, seen): (Container<Record>, Seen)| {
            let listed = self.listed(container, &seen);
            match seen.holder {
                // Somebody else may have got his pid.
                Some(holder) if !seen.lives && !holder.lives() => {
                    self.container(listed.container.id.as_str()).unwrap_or(listed)
                }
                _ => listed,
            }
        };
        Ok(all.into_iter().map(|container| container.map(listed)).collect())
    }

    /// The container with this name or id.
    pub fn container(&self, text: &str) -> Result<Listed> {
        let id = self.find(text)?;
        let container: Container<Record> = self.store()?.container(&id)?.read()?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        let holder = run_dir.as_ref().and_then(RunDir::holder);
        let process = run_dir.as_ref().and_then(RunDir::process);
        Ok(self.listed(container, &Seen::new(holder, process)))
    }

    fn listed(&self, container: Container<Record>, seen: &Seen) -> Listed {
        let id = container.id.as_str();
        let status = match &seen.process {
            Some(process) if seen.lives => {
                let (pid, since) = (process.is.pid, Some(process.since));
                if pause::is_paused(self, id, process) {
                    Status::Paused { pid, since }
                } else {
                    Status::Running { pid, since }
                }
            }
            process => self.rests(&container, seen.holder.filter(Holder::lives), process.is_some()),
        };
        let looked = container.config.health.is_some() && status.is_alive();
        let run_dir = looked.then(|| RunDir::open(&self.run_dir(id)).ok()).flatten();
        let health = run_dir.as_ref().map(health::state);
        Listed { container, status, health }
    }

    /// What one is doing that does not run.
    fn rests(&self, container: &Container<Record>, holder: Option<Holder>, ran: bool) -> Status {
        let ended = container.config.ended.map_or(Status::Created, Status::Exited);
        match ended {
            // What it had while it ran is gone with the boot that it ran in.
            _ if holder.is_none() && self.was_cut_off(&container.id) => {
                let run_dir = RunDir::open(&self.run_dir(container.id.as_str())).ok();
                Status::Exited(run_dir.and_then(|run_dir| End::left_in(&run_dir)).unwrap_or_else(End::unknown))
            }
            _ if holder.is_none() => ended,
            _ if ran => Status::Stopping,
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
        let id = self.find(text)?;
        let store = self.store()?;
        let mut container = store.container(&id)?;
        container.lock()?;
        let mut record: Container<Record> = container.read()?;
        let old = record.name.to_string();
        store.rename_container(&container, &mut record, name.as_str().parse()?)?;
        if let Ok(run_dir) = RunDir::open(&self.run_dir(id.as_str())) {
            let _ = supervised::reorder(&run_dir, &record);
        }
        self.tell_of(&record, "rename", &[("oldName", &old)]);
        Ok(())
    }

    /// Bytes that a container has written, and those of its image, unpacked. Of an ordinary user's only after
    /// [`Engine::enter`].
    pub fn sizes(&self, container: &Container<Record>) -> Result<(u64, u64)> {
        let image = container.image.and_then(|id| self.image(&id.to_string()).ok());
        Ok((self.store()?.written(&container.id)?, image.map_or(0, |image| self.unpacked_size(&image))))
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

    /// Removes a container; one that runs only with `force`, which kills it.
    pub fn remove_container(&self, text: &str, force: bool, volumes: Volumes) -> Result<ContainerId> {
        let id = self.find(text)?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        if run_dir.as_ref().and_then(RunDir::holder).is_some() {
            if !force {
                return Err(Error::Running(text.to_owned()));
            }
            self.doom(id.as_str())?.wait()?;
        }
        if let Some(run_dir) = &run_dir {
            // Whoever held it has cleaned up; both may.
            monitor::teardown(run_dir)?;
        }
        self.enter()?;
        let store = self.store()?;
        let locked = store.container(&id).and_then(|mut container| container.lock().map(|()| container));
        let record = locked.as_ref().ok().and_then(|container| container.read().ok());
        let remove = |container: ContainerDir| match volumes {
            Volumes::Anonymous => container.remove_with_volumes(store),
            Volumes::Kept => container.remove(store),
        };
        match locked.and_then(remove) {
            Ok(()) => {
                if let Some(record) = record {
                    self.tell_of(&record, "destroy", &[]);
                }
                Ok(id)
            }
            // Its holder was faster (`--rm`).
            Err(store::Error::NoSuchContainer(_)) => Ok(id),
            Err(error) => Err(error.into()),
        }
    }
}
