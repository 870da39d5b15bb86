//! A container that stands still while somebody looks at it.

use crate::engine::Engine;
use crate::error::{Error, Result};
use cgroup::Cgroup;
use monitor::RunDir;
use std::time::Duration;

/// How long the kernel may take to stop all processes.
const LIMIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Does something while the processes of a container, if it runs, stand still. Whatever the work does with signals,
    /// they run on after it.
    pub fn paused<T>(&self, container: &str, work: impl FnOnce() -> T) -> Result<T> {
        self.enter()?;
        let id = self.store()?.find_container(container)?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        let runs = run_dir.as_ref().and_then(RunDir::process).is_some_and(|process| process.lives());
        let state = run_dir.filter(|_| runs).and_then(|run_dir| run_dir.state().ok().flatten());
        let cgroup = state.map(|state| Cgroup::from_paths(&state.cgroup));
        if let Some(cgroup) = &cgroup {
            cgroup.freeze(LIMIT).map_err(|source| Error::Pause { container: container.to_owned(), source })?;
        }
        let done = work();
        if let Some(cgroup) = &cgroup {
            cgroup.thaw()?;
        }
        Ok(done)
    }
}
