//! What is written down of a container's first process, in one small file: who it is, since when, and whether it stands
//! still.

use crate::error::Result;
use crate::holder::{Holder, NoHolder};
use crate::rundir::RunDir;
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
use std::time::SystemTime;

/// A container's first process. As text `HOLDER SECONDS PAUSE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Which it is.
    pub is: Holder,
    /// Seconds since 1970 when it was there.
    pub since: u64,
    /// Whether it stands still.
    pub pause: Pause,
}

/// Whether a container stands still, or is about to. Written down before it does, and until it does no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It does not.
    No,
    /// Until a user says otherwise.
    Asked,
    /// For as long as a command works.
    While(Holder),
}

const FILE: &str = "pid";

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { is: Holder::of(pid), since, pause: Pause::No }
    }

    /// It still lives.
    pub fn lives(&self) -> bool {
        self.is.lives()
    }

    /// That of the container `id`, from the directory of all run directories.
    pub fn read(run_dirs: BorrowedFd<'_>, id: &str) -> Option<Self> {
        read(run_dirs, &format!("{id}/{FILE}"))
    }
}

fn read(dir: BorrowedFd<'_>, path: &str) -> Option<Process> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, path, flags, Mode::empty()).ok()?;
    // Seven numbers at most.
    let mut text = [0; 192];
    let length = rustix::io::read(&file, &mut text).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()
}

impl RunDir {
    /// The container's process, if it was written down.
    pub fn process(&self) -> Option<Process> {
        read(self.as_fd(), FILE)
    }

    /// Writes down the container's process.
    pub fn write_process(&self, process: &Process) -> Result<()> {
        self.put(FILE, process.to_string().as_bytes(), 0o600)
    }

    /// Writes down whether it stands still, if it is there.
    pub fn write_pause(&self, pause: Pause) -> Result<()> {
        self.process().map_or(Ok(()), |process| self.write_process(&Process { pause, ..process }))
    }

    /// Its process has ended, and another is to come.
    pub fn forget_process(&self) {
        self.forget(FILE);
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is, since, pause } = self;
        write!(f, "{is} {since} ")?;
        match pause {
            Pause::No => f.write_str("no"),
            Pause::Asked => f.write_str("asked"),
            Pause::While(holder) => holder.fmt(f),
        }
    }
}

impl FromStr for Process {
    type Err = NoHolder;

    fn from_str(text: &str) -> std::result::Result<Self, NoHolder> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(NoHolder);
        let (is, since) = (word()?.parse()?, word()?.parse().map_err(|_| NoHolder)?);
        let pause = match word()? {
            "no" => Pause::No,
            "asked" => Pause::Asked,
            holder => Pause::While(holder.parse()?),
        };
        Ok(Self { is, since, pause })
    }
}
