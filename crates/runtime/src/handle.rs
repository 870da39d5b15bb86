//! A running container, by what finds it again: pid and start time, pidfd, cgroup.
//!
//! All verbs take a [`Handle`]. The runtime keeps no state directory: whoever made the container writes the
//! [`Record`] down where he likes, `corun` in runc's shape, the engine in its own container record.

use crate::error::{Result, What};
use cgroup::{Cgroup, Unit};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;
use sys::process::Exit;

/// A container's first process and its cgroup.
#[derive(Debug)]
pub struct Handle {
    /// Its pid as we see it.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// Its cgroup; empty where there is none.
    pub cgroup: Cgroup,
}

/// A handle that can be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Pid.
    pub pid: i32,
    /// Start time in clock ticks since boot (proc_pid_stat(5), field 22): with the pid it names one process for ever.
    pub start_time: u64,
    /// The cgroup's directories, by hierarchy.
    pub cgroup: BTreeMap<String, String>,
    /// The unit that it belongs to, if systemd made it.
    pub unit: Option<Unit>,
}

impl Handle {
    /// Takes up a container that somebody made; `None` for the process if it is gone. Directories that are no cgroups are
    /// refused: whatever the record says, nothing else is ever removed or killed by.
    pub fn open(record: &Record) -> Result<(Option<Self>, Cgroup)> {
        let cgroup = || Cgroup::from_paths(&record.cgroup).with_unit(record.unit.clone());
        cgroup().verify()?;
        let pidfd = match sys::process::pidfd_open(record.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.errno == sys::Errno::SRCH || error.errno == sys::Errno::INVAL => {
                return Ok((None, cgroup()));
            }
            Err(source) => return Err(source).what("find the container's process"),
        };
        // The start time is read after the pidfd was opened: if it is the same, the pidfd is of that very process. Who
        // cannot read it must not take a living container for a dead one.
        if begun(record.pid)? != Some(record.start_time) {
            return Ok((None, cgroup()));
        }
        Ok((Some(Self { pid: record.pid, pidfd, cgroup: cgroup() }), cgroup()))
    }

    /// What finds it again.
    pub fn record(&self) -> Result<Record> {
        let (cgroup, unit) = (self.cgroup.paths(), self.cgroup.unit().cloned());
        Ok(Record { pid: self.pid, start_time: begun(self.pid)?.unwrap_or(0), cgroup, unit })
    }

    /// Sends a signal to the first process. One that has ended already is no error.
    pub fn signal(&self, signal: i32) -> Result<()> {
        match sys::process::pidfd_send_signal(&self.pidfd, signal) {
            Err(error) if error.errno == sys::Errno::SRCH => Ok(()),
            other => other.what("signal the container"),
        }
    }

    /// Waits for the first process, a child of ours, to end.
    pub fn wait(&self) -> Result<Exit> {
        sys::process::wait(&self.pidfd).what("wait for the container")
    }

    /// Ends what still runs and removes the cgroup. Idempotent.
    pub fn delete(self) -> Result<()> {
        delete(&self.cgroup)
    }
}

/// How long what still runs in a cgroup may take to die.
pub(crate) const REMOVAL: Duration = Duration::from_secs(10);

/// How long the dead of a PID namespace may take to leave their cgroup.
const AT_ONCE: Duration = Duration::from_millis(20);

/// Ends what still runs in a container's cgroup and removes it. Idempotent.
pub fn delete(cgroup: &Cgroup) -> Result<()> {
    match cgroup.remove(AT_ONCE) {
        Err(cgroup::Error::Remove { .. }) => {}
        // Where systemd does not answer, asking it again would take as long again.
        other => return Ok(other?),
    }
    // Without a PID namespace of its own the first process's end is nobody else's.
    cgroup.kill(REMOVAL)?;
    Ok(cgroup.remove(REMOVAL)?)
}

/// When a process began, if it is there and alive.
pub fn start_time(pid: i32) -> Option<u64> {
    begun(pid).ok().flatten()
}

/// As [`start_time`], where not to know is no answer.
fn begun(pid: i32) -> Result<Option<u64>> {
    let path = format!("/proc/{pid}/stat");
    let read = || {
        let file = rustix::fs::open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // 52 numbers, of which few are long.
        let mut stat = [0; 1024];
        rustix::io::read(file, &mut stat).map(|length| field_22(stat.get(..length)?))
    };
    match read() {
        Ok(start_time) => Ok(start_time),
        Err(sys::Errno::SRCH) => Ok(None),
        Err(sys::Errno::NOENT) if std::fs::exists("/proc/self").unwrap_or(false) => Ok(None),
        Err(errno) => Err(sys::Error::new("open", path, errno)).what("look at the container"),
    }
}

/// Field 22 of /proc/PID/stat. The name in field 2 may hold anything, so counting starts at its closing bracket.
fn field_22(stat: &[u8]) -> Option<u64> {
    let after = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let text = std::str::from_utf8(stat.get(after..)?).ok()?;
    let mut fields = text.split(' ');
    // A zombie's first field says so: it is as good as gone.
    let state = fields.next()?;
    if state == "Z" { None } else { fields.nth(18)?.parse().ok() }
}
