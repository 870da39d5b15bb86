//! A container's run directory, `<runroot>/containers/ID`: what is true of it only while it runs.
//!
//! It lies on a tmpfs, so that a reboot forgets it. `state.json` is there before anything else of the container is made,
//! since the directory gets its name only with it; `pid` once there is a process. Whoever holds the container is named
//! by pid and start time, which together are never reused.

use crate::error::{Error, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Who holds a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Pid.
    pub pid: i32,
    /// Start time in clock ticks since boot.
    pub start_time: u64,
}

impl Holder {
    /// This process.
    pub fn me() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self { pid, start_time: runtime::start_time(pid).unwrap_or(0) }
    }

    /// It still lives.
    pub fn lives(&self) -> bool {
        runtime::start_time(self.pid) == Some(self.start_time)
    }
}

/// What must be known to clean up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Who holds it.
    pub holder: Holder,
    /// The directories that its cgroup has, or is going to have, by hierarchy.
    pub cgroup: BTreeMap<String, String>,
    /// The container goes when its process ends (`--rm`).
    pub ephemeral: bool,
}

/// A run directory.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    fd: OwnedFd,
}

const STATE: &str = "state.json";
const PID: &str = "pid";

impl RunDir {
    /// Makes the directory with its state. Until that is written, the directory has a name that only says who makes it.
    pub fn create(path: &Path, state: &State) -> Result<Self> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { what, path, source }
        };
        let Holder { pid, start_time } = state.holder;
        let unfinished = path.with_file_name(format!(".{pid}-{start_time}"));
        sys::fs::mkdirat(CWD, &unfinished, Mode::from_raw_mode(0o700)).map_err(failed("make", &unfinished))?;
        let mut made = Self::open(&unfinished)?;
        let finished = made.write_state(state).and_then(|()| {
            let renamed = sys::fs::renameat(CWD, &unfinished, CWD, path, RenameFlags::NOREPLACE);
            renamed.map_err(failed("name", path))
        });
        if let Err(error) = finished {
            let _ = made.remove();
            return Err(error);
        }
        made.path = path.into();
        Ok(made)
    }

    /// The directory of a container that its holder starts once more: emptied, but for the socket at which others know
    /// him.
    pub fn renew(path: &Path, state: &State) -> Result<Self> {
        let dir = Self::open(path)?;
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_name() != STATE && entry.file_name() != crate::SOCKET {
                let _ = sys::fs::unlinkat(&dir.fd, entry.file_name(), AtFlags::empty());
            }
        }
        dir.write_state(state)?;
        Ok(dir)
    }

    /// Who makes, or made, a directory that has not got its name.
    pub fn maker(&self) -> Option<Holder> {
        let (pid, start_time) = self.path.file_name()?.to_str()?.strip_prefix('.')?.split_once('-')?;
        Some(Holder { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
    }

    /// Opens a directory that is there.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = sys::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|source| Error::File { what: "open", path: path.into(), source })?;
        Ok(Self { path: path.into(), fd })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a file that nobody reads before the container is there.
    pub fn add(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let failed = |source| Error::File { what: "write", path: self.path.join(name), source };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = sys::fs::open_beneath(&self.fd, name, flags, Mode::from_raw_mode(mode)).map_err(failed)?;
        if bytes.is_empty() { Ok(()) } else { sys::fs::write_once(&file, bytes).map_err(failed) }
    }

    /// Puts a file into it, whole or not at all.
    pub fn put(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let failed = |source| Error::File { what: "write", path: self.path.join(name), source };
        let temporary = format!(".{name}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let file = sys::fs::open_beneath(&self.fd, temporary.as_str(), flags, Mode::from_raw_mode(mode));
        let file = file.map_err(failed)?;
        if !bytes.is_empty() {
            sys::fs::write_once(&file, bytes).map_err(failed)?;
        }
        sys::fs::renameat(&self.fd, temporary.as_str(), &self.fd, name, RenameFlags::empty()).map_err(failed)
    }

    /// Writes the state.
    pub fn write_state(&self, state: &State) -> Result<()> {
        let bytes = serde_json::to_vec(state).map_err(|source| Error::State { path: self.path.join(STATE), source })?;
        self.put(STATE, &bytes, 0o600)
    }

    /// Reads the state; `None` where the maker did not come that far.
    pub fn state(&self) -> Result<Option<State>> {
        let path = self.path.join(STATE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::State { path, source }),
            Err(_) => Ok(None),
        }
    }

    /// Writes down the container's process.
    pub fn write_process(&self, process: Holder) -> Result<()> {
        self.put(PID, format!("{} {}", process.pid, process.start_time).as_bytes(), 0o600)
    }

    /// Its process has ended, and another is to come.
    pub fn forget_process(&self) -> Result<()> {
        sys::fs::unlinkat(&self.fd, PID, AtFlags::empty()).map_err(|source| Error::File {
            what: "remove",
            path: self.path.join(PID),
            source,
        })
    }

    /// Seconds since 1970 when its process was there.
    pub fn began(&self) -> Option<u64> {
        let stat = rustix::fs::statat(&self.fd, PID, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(stat.st_mtime).ok()
    }

    /// A file of it, if it is there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path.join(name)).ok()
    }

    /// Its lock, if nobody else has it; given back when it is dropped.
    pub fn try_lock(&self) -> Result<Option<OwnedFd>> {
        let failed = |source| Error::File { what: "lock", path: self.path.clone(), source };
        let dir = sys::fs::open_beneath(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let dir = dir.map_err(failed)?;
        match rustix::fs::flock(&dir, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(dir)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(sys::Error::new("flock", "LOCK_EX", errno))),
        }
    }

    /// The container's process, if it was written down.
    pub fn process(&self) -> Option<Holder> {
        let text = std::fs::read_to_string(self.path.join(PID)).ok()?;
        let (pid, start_time) = text.split_once(' ')?;
        Some(Holder { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
    }

    /// Removes it with its files; one that has gone already is fine.
    pub fn remove(&self) -> Result<()> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in entries {
            let _ = sys::fs::unlinkat(&self.fd, entry.file_name(), AtFlags::empty());
        }
        match sys::fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR) {
            Err(error) if error.errno != sys::Errno::NOENT => {
                Err(Error::File { what: "remove", path: self.path.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

impl AsFd for RunDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
