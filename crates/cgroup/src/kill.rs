//! Which processes are in a cgroup, and ending all of them.
//!
//! `cgroup.kill` (Linux 5.14) does it in one write, forks in flight included. Without it the cgroup is frozen first, so
//! that nobody forks away or dies (and hands its pid to a stranger) between the reading of the list and the signal.

use crate::events::Deadline;
use crate::group::Branch;
use crate::walk::walk;
use crate::{Cgroup, Controller, Error, Result, Version, file};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long one attempt at freezing before the signals may take; a wedged freezer must not hinder a kill.
const FREEZE_LIMIT: Duration = Duration::from_millis(200);

/// How long killing one by one may take.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl Cgroup {
    /// The processes in this cgroup and below it, by id as this process's PID namespace has them.
    pub fn procs(&self) -> Result<Vec<u32>> {
        let Some(branch) = self.census() else { return Ok(Vec::new()) };
        procs(branch).map(|pids| pids.into_iter().collect())
    }

    /// Kills every process in this cgroup and below it, frozen ones too. Returns when all have got their signal
    /// (`cgroup.kill`), or when none is left (without it). Waiting for their end is [`Cgroup::remove`]'s part.
    pub fn kill(&self, limit: Duration) -> Result<()> {
        let unified = self.unified().map(|branch| file::write(&branch.file("cgroup.kill"), "1"));
        let result = match unified {
            // The directory has gone, and so have its processes.
            Some(Ok(())) => Ok(()),
            Some(Err(error)) if error.errno == Errno::NODEV => Ok(()),
            // Before 5.14 (ENOENT), or a threaded cgroup (EOPNOTSUPP).
            Some(Err(error)) if !matches!(error.errno, Errno::NOENT | Errno::OPNOTSUPP) => Err(Error::Change(error)),
            _ => self.kill_one_by_one(limit),
        };
        // Somebody else may have used the v1 freezer beside v2: what is frozen there dies only when it is thawed.
        if let Some(freezer) = self.find(Controller::Freezer) {
            match file::write(&freezer.file("freezer.state"), "THAWED") {
                Err(error) if !matches!(error.errno, Errno::NOENT | Errno::NODEV) => return Err(Error::Change(error)),
                _ => {}
            }
        }
        result
    }

    /// Sends a signal to every process in this cgroup and below it. They stand still meanwhile, so that none forks away,
    /// where that is possible.
    pub fn signal(&self, signal: i32) -> Result<()> {
        if signal == Signal::KILL.as_raw() {
            return self.kill(KILL_LIMIT);
        }
        let Some(branch) = self.census() else { return Ok(()) };
        let already = self.is_frozen()?;
        let frozen = !already && self.freeze(FREEZE_LIMIT).is_ok();
        let sent = signal_round(branch, signal).map(drop);
        if frozen {
            self.thaw()?;
        }
        sent
    }

    fn kill_one_by_one(&self, limit: Duration) -> Result<()> {
        let Some(branch) = self.census() else { return Ok(()) };
        let mut deadline = Deadline::after(limit);
        loop {
            // Without a freezer, or with a wedged one, the loop has to outrun the forks.
            let frozen = self.freeze(FREEZE_LIMIT.min(limit)).is_ok();
            let killed = signal_round(branch, Signal::KILL.as_raw());
            if frozen {
                self.thaw()?;
            }
            let left = killed?;
            if left.is_empty() {
                return Ok(());
            }
            if !deadline.pause() {
                return Err(Error::Survivors { path: branch.path.clone(), left: left.into_iter().collect() });
            }
        }
    }

    /// The directory whose list of processes is the best: one that the container cannot have left.
    fn census(&self) -> Option<&Branch> {
        let order = [Controller::Freezer, Controller::Pids, Controller::Memory, Controller::Devices, Controller::Cpu];
        let v1 = || order.into_iter().find_map(|controller| self.find(controller));
        self.unified().or_else(v1).or_else(|| self.branches.first())
    }
}

/// Sends a signal to all that are there; tells who they were.
fn signal_round(branch: &Branch, signal: i32) -> Result<BTreeSet<u32>> {
    let handles: Vec<(u32, OwnedFd)> = procs(branch)?.into_iter().filter_map(handle).collect();
    // A pid that is still in the list belongs to whom its handle stands for, or to nobody any more.
    let still = procs(branch)?;
    for (_, pidfd) in handles.iter().filter(|(pid, _)| still.contains(pid)) {
        match sys::process::pidfd_send_signal(pidfd, signal) {
            Err(error) if error.errno != Errno::SRCH => return Err(Error::Change(error)),
            _ => {}
        }
    }
    Ok(still)
}

fn handle(pid: u32) -> Option<(u32, OwnedFd)> {
    let id = Pid::from_raw(i32::try_from(pid).ok()?)?;
    Some((pid, pidfd_open(id, PidfdFlags::empty()).ok()?))
}

fn procs(branch: &Branch) -> Result<BTreeSet<u32>> {
    let mut pids = BTreeSet::new();
    let enter = |directory: BorrowedFd<'_>| {
        let text = match read_at(directory, "cgroup.procs") {
            // A threaded cgroup lists threads only.
            Err(Errno::OPNOTSUPP) if branch.version == Version::V2 => read_at(directory, "cgroup.threads"),
            other => other,
        };
        // A directory that vanishes has nobody in it.
        pids.extend(text.unwrap_or_default().lines().filter_map(|line| line.parse::<u32>().ok()));
    };
    walk(&branch.path, enter, |_, _| ()).map_err(Error::Read)?;
    Ok(pids)
}

fn read_at(directory: BorrowedFd<'_>, name: &str) -> std::result::Result<String, Errno> {
    let fd = rustix::fs::openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match rustix::io::read(&fd, &mut chunk) {
            Ok(0) => return Ok(String::from_utf8_lossy(&text).into_owned()),
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
