//! Sealed anonymous files: what the stub and its plan travel in.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const CLOEXEC: usize = 1;
const ALLOW_SEALING: usize = 2;
/// Linux 6.3; older kernels refuse the flag and make every memfd executable.
const EXEC: usize = 0x10;
const F_ADD_SEALS: usize = 1033;
/// No more seals, no shrinking, no growing, no writing.
const ALL_SEALS: usize = 1 | 2 | 4 | 8;

fn create(name: &CStr, flags: usize) -> std::result::Result<OwnedFd, Errno> {
    // SAFETY: the kernel reads the name; a result is a new fd.
    unsafe {
        call(nr::memfd_create, [name.as_ptr() as usize, flags, 0, 0, 0, 0]).map(|fd| OwnedFd::from_raw_fd(fd as i32))
    }
}

/// A memfd of exactly these bytes that nobody can change any more.
pub fn sealed(name: &CStr, bytes: &[u8]) -> Result<OwnedFd> {
    let shown = || name.to_string_lossy();
    let flags = CLOEXEC | ALLOW_SEALING;
    let fd = match create(name, flags | EXEC) {
        Err(Errno::INVAL) => create(name, flags),
        other => other,
    }
    .map_err(|errno| Error::new("memfd_create", shown(), errno))?;
    crate::fs::write_once(&fd, bytes)?;
    // SAFETY: no pointers.
    unsafe { call(nr::fcntl, [fd.as_raw_fd() as usize, F_ADD_SEALS, ALL_SEALS, 0, 0, 0]) }
        .map_err(|errno| Error::new("fcntl", format!("{}, F_ADD_SEALS", shown()), errno))?;
    Ok(fd)
}

/// A memfd of `size` zero bytes that can be written, as the recorder's ring.
pub fn zeroed(name: &CStr, size: usize) -> Result<OwnedFd> {
    let fd = create(name, CLOEXEC).map_err(|errno| Error::new("memfd_create", name.to_string_lossy(), errno))?;
    // SAFETY: no pointers.
    unsafe { call(nr::ftruncate, [fd.as_fd().as_raw_fd() as usize, size, 0, 0, 0, 0]) }
        .map_err(|errno| Error::new("ftruncate", format!("{}, {size}", name.to_string_lossy()), errno))?;
    Ok(fd)
}
