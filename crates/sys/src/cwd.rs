//! The working directory, a property of the whole process.

use crate::call::call;
use crate::fs::shown;
use crate::{Error, Result, nr};
use std::os::fd::{AsFd, AsRawFd};

/// fchdir(2).
pub fn fchdir(dir: impl AsFd) -> Result<()> {
    let dir = dir.as_fd();
    // SAFETY: no pointers.
    unsafe { call(nr::fchdir, [dir.as_raw_fd() as isize as usize, 0, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("fchdir", shown(dir), errno))
}
