//! Containers that stand still: for as long as somebody likes, or while somebody looks at them.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::stop::Held;
use cgroup::Cgroup;
use monitor::{Holder, Pause, Process, RunDir};
use std::time::Duration;
use store::ContainerId;

/// How long the kernel may take to stop all processes.
const LIMIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Stops all processes of a container where they are.
    pub fn pause(&self, text: &str) -> Result<ContainerId> {
        let (held, cgroup) = self.to_pause(text)?;
        held.write_pause(Pause::Asked)?;
        freeze(&cgroup, text)?;
        self.tell(held.id.as_str(), "pause", &[]);
        Ok(held.id)
    }

    /// Lets them go on.
    pub fn unpause(&self, text: &str) -> Result<ContainerId> {
        let (held, cgroup) = self.to_pause(text)?;
        cgroup.thaw()?;
        held.write_pause(Pause::No)?;
        self.tell(held.id.as_str(), "unpause", &[]);
        Ok(held.id)
    }

    fn to_pause(&self, text: &str) -> Result<(Held, Cgroup)> {
        let held = self.held(text)?;
        match (held.process(), held.cgroup()) {
            (Some(_), Some(cgroup)) => Ok((held, cgroup)),
            _ => Err(Error::NotRunning(text.to_owned())),
        }
    }

    /// Does something while the processes of a container, if it runs, stand still. Whatever the work does with signals,
    /// they run on after it, unless they stood still before.
    pub fn paused<T>(&self, text: &str, work: impl FnOnce() -> T) -> Result<T> {
        self.enter()?;
        let held = self.held(text)?;
        let cgroup = held.cgroup().filter(|cgroup| held.process().is_some() && !cgroup.is_frozen().unwrap_or(false));
        if let Some(cgroup) = &cgroup {
            held.write_pause(Pause::While(Holder::me()))?;
            freeze(cgroup, text)?;
        }
        let done = work();
        if let Some(cgroup) = &cgroup {
            cgroup.thaw()?;
            held.write_pause(Pause::No)?;
        }
        Ok(done)
    }
}

/// Whether it stands still. Asked of the kernel only where somebody has said so.
pub(crate) fn is_paused(engine: &Engine, id: &str, process: &Process) -> bool {
    let run_dir = (process.pause != Pause::No).then(|| RunDir::open(&engine.run_dir(id)).ok()).flatten();
    run_dir.as_ref().and_then(RunDir::cgroup).is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false))
}

/// Lets go what stands still for somebody who was killed meanwhile.
pub(crate) fn let_go(run_dir: &RunDir) {
    if let Some(Pause::While(holder)) = run_dir.process().map(|process| process.pause)
        && !holder.lives()
        && run_dir.cgroup().is_some_and(|cgroup| cgroup.thaw().is_ok())
    {
        let _ = run_dir.write_pause(Pause::No);
    }
}

fn freeze(cgroup: &Cgroup, text: &str) -> Result<()> {
    cgroup.freeze(LIMIT).map_err(|source| Error::Pause { container: text.to_owned(), source })
}
