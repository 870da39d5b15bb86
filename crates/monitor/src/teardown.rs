//! The end of a container: nothing of it is left running, and nothing of it is left behind.

use crate::error::Result;
use crate::rundir::RunDir;
use runtime::{Cgroup, Handle, Record};

/// Ends what still runs of a container and removes its cgroup and run directory. Idempotent: whoever finds it, the
/// holder or a later command, calls the same. What fails does not keep the rest from being done; the first failure is
/// told.
pub fn teardown(run_dir: &RunDir) -> Result<()> {
    let state = run_dir.state().ok().flatten();
    let cgroup = state.as_ref().map(|state| Cgroup::from_paths(&state.cgroup)).unwrap_or_default();
    if let Some(process) = run_dir.process() {
        kill(process.pid, process.start_time);
    }
    let ended = runtime::delete(&cgroup);
    let removed = run_dir.remove();
    ended?;
    removed
}

/// The first process takes its PID namespace with it; what the cgroup holds beside is ended with the cgroup.
fn kill(pid: i32, start_time: u64) {
    const SIGKILL: i32 = 9;
    let record = Record { pid, start_time, cgroup: std::collections::BTreeMap::new() };
    if let Ok((Some(handle), _)) = Handle::open(&record) {
        let _ = handle.signal(SIGKILL);
    }
}
