//! Containers that stand still: for as long as somebody likes, or while somebody looks at them.

use crate::engine::Engine;
use crate::error::{Error, Result};
use cgroup::Cgroup;
use std::time::Duration;
use store::ContainerId;

/// How long the kernel may take to stop all processes.
const LIMIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Stops all processes of a container where they are.
    pub fn pause(&self, text: &str) -> Result<ContainerId> {
        let (id, cgroup) = self.to_pause(text)?;
        freeze(&cgroup, text)?;
        Ok(id)
    }

    /// Lets them go on.
    pub fn unpause(&self, text: &str) -> Result<ContainerId> {
        let (id, cgroup) = self.to_pause(text)?;
        cgroup.thaw()?;
        Ok(id)
    }

    fn to_pause(&self, text: &str) -> Result<(ContainerId, Cgroup)> {
        let held = self.held(text)?;
        match (held.process(), held.cgroup()) {
            (Some(_), Some(cgroup)) => Ok((held.id, cgroup)),
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
            freeze(cgroup, text)?;
        }
        let done = work();
        if let Some(cgroup) = &cgroup {
            cgroup.thaw()?;
        }
        Ok(done)
    }
}

fn freeze(cgroup: &Cgroup, text: &str) -> Result<()> {
    cgroup.freeze(LIMIT).map_err(|source| Error::Pause { container: text.to_owned(), source })
}
