//! Directories and locks of the run root.

use crate::error::{Error, Result};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Opens a directory, to find others by; `None` where there is none.
pub fn open_dir(path: &Path) -> Result<Option<OwnedFd>> {
    match sys::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.errno == sys::Errno::NOENT => Ok(None),
        Err(error) => Err(Error::file("open", path)(error)),
    }
}

/// The same, made where it is missing.
pub fn ensure_dir(path: &Path) -> Result<OwnedFd> {
    if let Some(there) = open_dir(path)? {
        return Ok(there);
    }
    sys::fs::ensure_dir(CWD, path, Mode::RWXU).map_err(Error::file("make", path))?;
    open_dir(path)?.ok_or_else(|| Error::file("open", path)(sys::Error::new("open", "", sys::Errno::NOENT)))
}

/// The names in a directory, but for those that begin with a dot.
pub fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
    entries.filter_map(name).filter(|name| !name.starts_with('.')).collect()
}

/// Opens a file that is there to be locked.
pub fn open_lock(path: &Path) -> Result<OwnedFd> {
    let file = sys::fs::open(path, OFlags::RDWR | OFlags::CREATE, Mode::RUSR | Mode::WUSR);
    file.map_err(Error::file("open", path))
}

/// Locks what is open, until the fd is closed.
pub fn lock(fd: impl AsFd, how: FlockOperation, path: &Path) -> Result<()> {
    rustix::fs::flock(fd, how).map_err(|errno| Error::file("lock", path)(sys::Error::new("flock", "", errno)))
}
