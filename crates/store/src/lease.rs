//! Locks, all of them flock(2), nearly all on a directory; the kernel drops them with the process that holds them.

use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::os::fd::OwnedFd;

/// A promise that no image or layer disappears. Taken before an image is looked up, kept until a container's record
/// names what it needs; then the record itself protects it. Many can hold one at once.
#[derive(Debug)]
pub struct Lease {
    _lock: Flock,
}

impl Lease {
    /// One that also locks all others out.
    pub(crate) fn alone(layers: OwnedFd) -> Result<Self> {
        Ok(Self { _lock: Flock::exclusive(layers)? })
    }

    pub(crate) fn shared(layers: OwnedFd) -> Result<Self> {
        let dir = File::from(layers);
        dir.lock_shared().map_err(Error::io("cannot lock the layers"))?;
        Ok(Self { _lock: Flock { _fd: dir } })
    }
}

/// A locked directory, or a file that is written in its place; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct Flock {
    _fd: File,
}

impl Flock {
    /// Waits for the lock.
    pub(crate) fn exclusive(fd: OwnedFd) -> Result<Self> {
        let fd = File::from(fd);
        fd.lock().map_err(Error::io("cannot lock a part of the store"))?;
        Ok(Self { _fd: fd })
    }

    /// `None` when somebody else has it.
    pub(crate) fn try_exclusive(fd: OwnedFd) -> Result<Option<Self>> {
        let fd = File::from(fd);
        match fd.try_lock() {
            Ok(()) => Ok(Some(Self { _fd: fd })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("cannot lock a part of the store")(error)),
        }
    }
}
