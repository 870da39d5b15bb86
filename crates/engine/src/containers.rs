//! Containers as their users know them: listed, looked at, removed, and cleaned up after.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::{End, Record, now};
use monitor::{Holder, RunDir};
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
    },
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
}

impl Engine {
    /// All containers, and those whose records are damaged.
    pub fn containers(&self) -> Result<Vec<std::result::Result<Listed, Broken>>> {
        clean_up(self);
        // What this process may not remove is left for one that may.
        let _ = self.store()?.sweep();
        let all = self.store()?.containers::<Record>()?;
        Ok(all
            .into_iter()
            .map(|container| {
                container.map(|container| {
                    let status = self.status(&container);
                    Listed { container, status }
                })
            })
            .collect())
    }

    /// The container with this name or id.
    pub fn container(&self, text: &str) -> Result<Listed> {
        clean_up(self);
        let id = self.store()?.find_container(text)?;
        let container: Container<Record> = self.store()?.container(&id)?.read()?;
        let status = self.status(&container);
        Ok(Listed { container, status })
    }

    fn status(&self, container: &Container<Record>) -> Status {
        let process = RunDir::open(&self.run_dir(container.id.as_str())).ok().and_then(|run_dir| run_dir.process());
        match (process.filter(Holder::lives), container.config.ended) {
            (Some(process), _) => Status::Running { pid: process.pid },
            (None, Some(end)) => Status::Exited(end),
            (None, None) => Status::Created,
        }
    }

    /// Removes a container; one that runs only with `force`, which kills it.
    pub fn remove_container(&self, text: &str, force: bool) -> Result<ContainerId> {
        clean_up(self);
        let id = self.store()?.find_container(text)?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        let holder = run_dir.as_ref().and_then(|run_dir| run_dir.state().ok().flatten()).map(|state| state.holder);
        if holder.is_some_and(|holder| holder.lives()) && !force {
            return Err(Error::Running(text.to_owned()));
        }
        if let Some(run_dir) = &run_dir {
            if let Some(process) = run_dir.process() {
                kill(process);
            }
            // Whoever holds it sees its end, and cleans up with us; both may.
            wait_for(holder);
            monitor::teardown(run_dir)?;
        }
        self.enter()?;
        match self.store()?.container(&id) {
            Ok(mut container) => {
                container.lock()?;
                container.remove(self.store()?)?;
            }
            // Its holder was faster (`--rm`).
            Err(store::Error::NoSuchContainer(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(id)
    }
}

fn kill(process: Holder) {
    const SIGKILL: i32 = 9;
    let Ok(pidfd) = sys::process::pidfd_open(process.pid) else { return };
    if process.lives() {
        let _ = sys::process::pidfd_send_signal(&pidfd, SIGKILL);
    }
}

/// Gives a holder time to notice that its container has ended.
fn wait_for(holder: Option<Holder>) {
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(5);
    let Some(holder) = holder else { return };
    let Ok(pidfd) = sys::process::pidfd_open(holder.pid) else { return };
    if holder.lives() {
        sys::process::wait_readable(&pidfd, LIMIT);
    }
}

/// Cleans up after holders that were killed: whatever they left is found by their run directories. Done by every
/// command that looks at containers, unasked; what cannot be done now is left for the next.
pub(crate) fn clean_up(engine: &Engine) {
    let Ok(entries) = std::fs::read_dir(engine.run_dirs()) else { return };
    for entry in entries.flatten() {
        let Ok(run_dir) = RunDir::open(&entry.path()) else { continue };
        let state = run_dir.state().ok().flatten();
        if state.as_ref().is_some_and(|state| state.holder.lives()) {
            continue;
        }
        if state.is_none() && is_young(&entry.path()) {
            // Its maker is between making the directory and writing the state.
            continue;
        }
        let id = entry.file_name().to_string_lossy().into_owned();
        if monitor::teardown(&run_dir).is_err() {
            continue;
        }
        let ephemeral = state.is_some_and(|state| state.ephemeral);
        let _ = settle(engine, &id, ephemeral);
    }
}

fn is_young(path: &std::path::Path) -> bool {
    let age = std::fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age < std::time::Duration::from_secs(10))
}

/// A container whose holder was killed goes with `--rm`, and else has ended with a code that nobody knows.
fn settle(engine: &Engine, id: &str, ephemeral: bool) -> Result<()> {
    let id: ContainerId = id.parse()?;
    let mut container = engine.store()?.container(&id)?;
    if !container.try_lock()? {
        return Ok(());
    }
    if ephemeral {
        engine.enter()?;
        return Ok(container.remove(engine.store()?)?);
    }
    let mut record: Container<Record> = container.read()?;
    if record.config.ended.is_none() {
        record.config.ended = Some(End { code: None, at: now(), out_of_memory: false });
        container.write(&record, Durability::Durable)?;
    }
    Ok(())
}
