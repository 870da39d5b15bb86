//! A container's run directory, `<runroot>/containers/ID`: what is true of it only while it runs.
//!
//! It lies on a tmpfs, so that a reboot forgets it. `state.json` is there before anything else of the container is made,
//! since the directory gets its name only with it; `pid` once there is a process. Beside it there is its mark
//! ([`crate::marks`]) from before it is made until after it is gone.

use crate::error::{Error, Result};
use crate::holder::Holder;
use crate::marks::Mark;
use runtime::Cgroup;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

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

const CONTAINERS: &str = "containers";
const STATE: &str = "state.json";

/// Makes the directories in which run directories and marks lie.
pub fn ensure_dirs(runroot: &Path) -> Result<()> {
    for path in [runroot.join(CONTAINERS), runroot.join(crate::marks::HOLDERS)] {
        let made = sys::fs::ensure_dir(CWD, &path, Mode::RWXU);
        made.map_err(|source| Error::File { what: "make", path, source })?;
    }
    Ok(())
}

impl RunDir {
    /// Makes the directory with its state. Until that is written, the directory has a name that only says who makes it.
    pub fn create(path: &Path, state: &State) -> Result<Self> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { what, path, source }
        };
        let unfinished = Self::unfinished(path, &state.holder);
        let mark = Mark::of(path, state.holder);
        mark.make()?;
        let made = sys::fs::mkdirat(CWD, &unfinished, Mode::from_raw_mode(0o700));
        let made = made.map_err(failed("make", &unfinished)).and_then(|()| {
            let made = Self::open(&unfinished)?;
            made.write_state(state)?;
            sys::fs::renameat(CWD, &unfinished, CWD, path, RenameFlags::NOREPLACE).map_err(failed("name", path))?;
            Ok(Self { path: path.into(), ..made })
        });
        if made.is_err() {
            let _ = Self::open(&unfinished).and_then(|unfinished| unfinished.empty());
            let _ = mark.remove();
        }
        made
    }

    /// Where the directory is made that is to be at `path`.
    fn unfinished(path: &Path, maker: &Holder) -> PathBuf {
        path.with_file_name(format!(".{maker}"))
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

    /// The directory that a holder who is dead has left, if he came as far as to make it, finished or not.
    pub fn left_by(mark: &Mark) -> Option<Self> {
        let path = mark.run_dir();
        Self::open(&path).or_else(|_| Self::open(&Self::unfinished(&path, &mark.holder))).ok()
    }

    /// The directory of all run directories.
    pub fn all(runroot: &Path) -> Result<OwnedFd> {
        let path = runroot.join(CONTAINERS);
        let opened = sys::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        opened.map_err(|source| Error::File { what: "open", path, source })
    }

    /// Where a container's is, below `<runroot>`.
    pub fn path_of(runroot: &Path, id: &str) -> PathBuf {
        runroot.join(CONTAINERS).join(id)
    }

    /// The container's cgroup, as it was planned.
    pub fn cgroup(&self) -> Option<Cgroup> {
        self.state().ok().flatten().map(|state| Cgroup::from_paths(&state.cgroup))
    }

    /// Who makes or holds the container, and lives.
    pub fn holder(&self) -> Option<Holder> {
        self.state().ok().flatten().map(|state| state.holder).filter(Holder::lives)
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

    /// Adds to a file that is there and may be mounted, so that it must stay the same one.
    pub fn append(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let failed = |source| Error::File { what: "write", path: self.path.join(name), source };
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW;
        match sys::fs::open_beneath(&self.fd, name, flags, Mode::empty()) {
            Err(error) if error.errno == sys::Errno::NOENT => Ok(()),
            file => file.and_then(|file| sys::fs::write_once(&file, bytes)).map_err(failed),
        }
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

    /// Takes a file of it away, if it is there.
    pub fn forget(&self, name: &str) {
        let _ = sys::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// A file of it, if it is there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path.join(name)).ok()
    }

    /// Removes it with its files, and then its mark; one that has gone already is fine.
    pub fn remove(&self) -> Result<()> {
        let holder = self.state().ok().flatten().map(|state| state.holder);
        self.empty()?;
        holder.map_or(Ok(()), |holder| Mark::of(&self.path, holder).remove())
    }

    fn empty(&self) -> Result<()> {
        let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries(&self.path) {
            if sys::fs::unlinkat(&self.fd, entry.file_name(), AtFlags::empty()).is_err() {
                // The one directory that may be in it holds a socket.
                entries(&entry.path()).for_each(|file| drop(sys::fs::unlinkat(CWD, file.path(), AtFlags::empty())));
                let _ = sys::fs::unlinkat(&self.fd, entry.file_name(), AtFlags::REMOVEDIR);
            }
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
