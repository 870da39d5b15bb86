//! Containers that stand still: for as long as somebody likes, or while somebody looks at them.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::stop::Held;
use cgroup::Cgroup;
use monitor::{Holder, RunDir};
use std::time::Duration;
use store::ContainerId;

/// How long the kernel may take to stop all processes.
const LIMIT: Duration = Duration::from_secs(10);

/// In a run directory: it stands still, or is about to. In it, who lets it go again when he is done; nothing, if a user
/// does that.
const PAUSED: &str = "paused";

impl Engine {
    /// Stops all processes of a container where they are.
    pub fn pause(&self, text: &str) -> Result<ContainerId> {
        let (held, cgroup) = self.to_pause(text)?;
        held.note(PAUSED, b"")?;
        freeze(&cgroup, text)?;
        Ok(held.id)
    }

    /// Lets them go on.
    pub fn unpause(&self, text: &str) -> Result<ContainerId> {
        let (held, cgroup) = self.to_pause(text)?;
        cgroup.thaw()?;
        held.forget(PAUSED);
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
            held.note(PAUSED, Holder::me().to_string().as_bytes())?;
            freeze(cgroup, text)?;
        }
        let done = work();
        if let Some(cgroup) = &cgroup {
            cgroup.thaw()?;
            held.forget(PAUSED);
        }
        Ok(done)
    }
}

/// Whether it stands still. Asked of the kernel only where somebody has said so.
pub(crate) fn is_paused(run_dir: &RunDir) -> bool {
    run_dir.has(PAUSED) && cgroup_of(run_dir).is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false))
}

/// Lets go what stands still for somebody who was killed meanwhile.
pub(crate) fn let_go(run_dir: &RunDir) {
    if !run_dir.has(PAUSED) {
        return;
    }
    let who = run_dir.read(PAUSED).and_then(|text| String::from_utf8(text).ok()?.parse::<Holder>().ok());
    if who.is_some_and(|who| !who.lives()) && cgroup_of(run_dir).is_some_and(|cgroup| cgroup.thaw().is_ok()) {
        run_dir.forget(PAUSED);
    }
}

fn cgroup_of(run_dir: &RunDir) -> Option<Cgroup> {
    run_dir.state().ok().flatten().map(|state| Cgroup::from_paths(&state.cgroup))
}

fn freeze(cgroup: &Cgroup, text: &str) -> Result<()> {
    cgroup.freeze(LIMIT).map_err(|source| Error::Pause { container: text.to_owned(), source })
}
