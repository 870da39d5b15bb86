//! The processes of this machine by descent. A [`Sandbox`](crate::Sandbox) makes the test the reaper of its orphans, so
//! that what it has caused stays below it however often it has forked: daemons, shims and monitors too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpgrp, kill_process, wait, waitid};

/// A process of the table.
pub(crate) struct Process {
    pub(crate) name: String,
    parent: u32,
    group: u32,
    pub(crate) dead: bool,
}

/// All processes by their number.
pub(crate) struct Family(pub(crate) BTreeMap<u32, Process>);

impl Family {
    /// Those that there are now.
    pub(crate) fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect())
    }

    /// Whether one comes from another.
    pub(crate) fn descends(&self, pid: u32, ancestor: u32) -> bool {
        let mut at = pid;
        while let Some(process) = self.0.get(&at) {
            if process.parent == ancestor {
                return true;
            }
            at = process.parent;
        }
        false
    }
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may itself contain some.
        let (head, tail) = stat.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_owned();
        let mut fields = tail.split(' ');
        let dead = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { name, parent, group, dead })
    }
}

/// What this process has started itself, and waits for itself.
static STARTED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Starts a command that its caller waits for.
pub(crate) fn start(command: &mut Command) -> std::io::Result<Child> {
    // Nobody takes it for an orphan before it is known.
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().inspect(|child| _ = started.insert(child.id()))
}

/// Reaps orphans as a machine's init does, from now to the end of the test: the last process of a PID namespace is not
/// gone while one that came from outside has not been waited for.
pub fn reap_orphans() {
    let me = std::process::id();
    let ours = getpgrp().as_raw_nonzero().get().cast_unsigned();
    let look = move || {
        let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let is_orphan = |pid: &u32, process: &Process| {
            process.dead && process.parent == me && process.group != ours && !started.contains(pid)
        };
        let orphans = Family::read().0.into_iter().filter(|(pid, process)| is_orphan(pid, process));
        for pid in orphans.filter_map(|(pid, _)| Pid::from_raw(pid.cast_signed())) {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    };
    std::thread::spawn(move || {
        loop {
            look();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

/// Kills all that descends from this process, and reaps it: for tests that start daemons of others, which must not outlive
/// them. Tells whether nothing is left.
pub fn end_descendants(limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let family = Family::read();
        let me = std::process::id();
        // The dead count until somebody has fetched their status.
        let ours: Vec<u32> = family.0.keys().copied().filter(|&pid| family.descends(pid, me)).collect();
        for pid in &ours {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                // ESRCH: it has ended in between.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        // Those that came to us as orphans have nobody else who fetches their status.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if ours.is_empty() || Instant::now() >= end {
            return ours.is_empty();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Invocation, Sandbox, within};

    #[test]
    fn a_daemon_of_the_test_ends_and_the_test_does_not() {
        let sandbox = Sandbox::new();
        let pid = sandbox.join("pid");
        let script = format!("setsid sleep 60 & echo $! > {}", pid.display());
        Invocation::new("sh").args(["-c", &script]).ok();
        let pid: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        // Its parent has ended, so it is ours now.
        let me = std::process::id();
        assert!(within(Duration::from_secs(5), || Family::read().descends(pid, me)));
        assert!(end_descendants(Duration::from_secs(5)));
        assert!(!Family::read().0.contains_key(&pid));
    }
}
