//! The end of a container: nothing of it is left running, and nothing of it is left behind.

use crate::error::Result;
use crate::holder::Holder;
use crate::rundir::RunDir;
use runtime::{Cgroup, Handle, Record};
use std::time::Duration;

/// How long killing may take where every process must be found by itself.
const KILL: Duration = Duration::from_secs(2);

/// Ends what still runs of a container and removes its cgroup and run directory. Idempotent: whoever finds it, the
/// holder or a later command, calls the same. What fails does not keep the rest from being done; the first failure is
/// told.
pub fn teardown(run_dir: &RunDir) -> Result<()> {
    let ended = end(run_dir);
    let removed = run_dir.remove();
    ended.and(removed)
}

/// The first half of [`teardown`]: nothing of the container runs, and its cgroup is gone; what was written down of it
/// stays, for whoever has more to do before it may be forgotten.
pub fn end(run_dir: &RunDir) -> Result<()> {
    let state = run_dir.state().ok().flatten();
    let cgroup = state.as_ref().map(|state| Cgroup::from_paths(&state.cgroup)).unwrap_or_default();
    if let Some(process) = run_dir.process() {
        kill(process.is.pid, process.is.start_time);
    }
    if state.is_some_and(|state| state.holder != Holder::me()) {
        // The holder has seen the first process end, and with it all others. Who finds the leavings of a killed one has
        // not, and processes may be there that no pid was written down of yet.
        let _ = cgroup.kill(KILL);
    }
    Ok(runtime::delete(&cgroup)?)
}

/// The first process takes its PID namespace with it; what the cgroup holds beside is ended with the cgroup.
fn kill(pid: i32, start_time: u64) {
    const SIGKILL: i32 = 9;
    let record = Record { pid, start_time, cgroup: std::collections::BTreeMap::new(), unit: None };
    if let Ok((Some(handle), _)) = Handle::open(&record) {
        let _ = handle.signal(SIGKILL);
    }
}
