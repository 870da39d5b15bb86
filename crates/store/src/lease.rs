//! Locks, all of them flock(2) on a directory; the kernel drops them with the process that holds them.

use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, OwnedFd};

/// A promise that no image or layer disappears. Taken before an image is looked up, kept until a container's record
/// names what it needs; then the record itself protects it. Many can hold one at once.
#[derive(Debug)]
pub struct Lease {
    _lock: DirLock,
}

impl Lease {
    pub(crate) fn shared(layers: OwnedFd) -> Result<Self> {
        let dir = File::from(layers);
        dir.lock_shared().map_err(Error::io("cannot lock the layers"))?;
        Ok(Self { _lock: DirLock { _dir: dir } })
    }
}

/// A locked directory; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _dir: File,
}

impl DirLock {
    /// Waits for the lock.
    pub(crate) fn exclusive(dir: OwnedFd) -> Result<Self> {
        let dir = File::from(dir);
        dir.lock().map_err(Error::io("cannot lock a directory of the store"))?;
        Ok(Self { _dir: dir })
    }

    /// `None` when somebody else has it.
    pub(crate) fn try_exclusive(dir: OwnedFd) -> Result<Option<Self>> {
        let dir = File::from(dir);
        match dir.try_lock() {
            Ok(()) => Ok(Some(Self { _dir: dir })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("cannot lock a directory of the store")(error)),
        }
    }
}

/// A locked file that is written in its place; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock.
    pub(crate) fn exclusive(file: impl AsFd) -> Result<Self> {
        let file = File::from(file.as_fd().try_clone_to_owned().map_err(failed)?);
        file.lock().map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// `None` when somebody else has it.
    pub(crate) fn try_exclusive(file: impl AsFd) -> Result<Option<Self>> {
        let file = File::from(file.as_fd().try_clone_to_owned().map_err(failed)?);
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::io("cannot lock a blob that is not complete")(source)
}
