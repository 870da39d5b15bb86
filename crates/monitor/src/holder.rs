//! A process that is written down, and found again by nobody else's pid.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A process: who holds a container, or its first one. As text `PID-START-INODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Pid.
    pub pid: i32,
    /// Start time in clock ticks since boot; with the pid it names one process for ever.
    pub start_time: u64,
    /// Inode of its pidfd, which alone does so, and is asked for in a tenth of the time; 0 before Linux 6.9.
    pub inode: u64,
}

impl Holder {
    /// This process.
    pub fn me() -> Self {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// The process that has this pid now.
    pub fn of(pid: i32) -> Self {
        let pidfd = sys::process::pidfd_open(pid).ok().filter(|pidfd| sys::process::has_own_inode(pidfd));
        let inode = pidfd.and_then(|pidfd| rustix::fs::fstat(pidfd).ok()).map_or(0, |stat| stat.st_ino);
        Self { pid, start_time: runtime::start_time(pid).unwrap_or(0), inode }
    }

    /// It still lives.
    pub fn lives(&self) -> bool {
        match self.inode {
            0 => runtime::start_time(self.pid) == Some(self.start_time),
            inode => sys::process::lives(self.pid, inode),
        }
    }

    /// Somebody has its pid, alive or not yet reaped: for who looks at a thousand, and may overlook one.
    pub fn seems_to_live(&self) -> bool {
        let pid = rustix::process::Pid::from_raw(self.pid);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.pid, self.start_time, self.inode)
    }
}

/// No such text.
#[derive(Debug)]
pub struct NoHolder;

impl FromStr for Holder {
    type Err = NoHolder;

    fn from_str(text: &str) -> Result<Self, NoHolder> {
        let mut numbers = text.splitn(3, '-').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten().ok_or(NoHolder);
        let (pid, start_time, inode): (u64, u64, u64) = (next()?, next()?, next()?);
        Ok(Self { pid: pid.try_into().map_err(|_| NoHolder)?, start_time, inode })
    }
}
