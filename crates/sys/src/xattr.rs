//! Extended attributes: set and removed, on an open file or on a link itself.

use crate::call::call;
use crate::fs::shown;
use crate::{Error, Result, nr};
use rustix::path::Arg;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

fn raw(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as isize as usize
}

/// fsetxattr(2), replacing what is there. The fd must not be one of `O_PATH`.
pub fn fsetxattr(fd: impl AsFd, name: impl Arg, value: &[u8]) -> Result<()> {
    let fd = fd.as_fd();
    let mut detail = String::new();
    let result = name.into_with_c_str(|name| {
        let args = [raw(fd), name.as_ptr() as usize, value.as_ptr() as usize, value.len(), 0, 0];
        // SAFETY: the kernel only reads name and value, and the value's length is its own.
        let result = unsafe { call(nr::fsetxattr, args) };
        if result.is_err() {
            detail = format!("{}, {}, {} bytes", shown(fd), name.to_string_lossy(), value.len());
        }
        result.map(drop)
    });
    result.map_err(|errno| Error::new("fsetxattr", detail, errno))
}

/// lsetxattr(2) on the entry `entry` of `dir`, which may be a link or a device: neither is followed or opened. The
/// entry is one name, without slashes. (setxattrat(2) is of Linux 6.13; until then the way leads through procfs.)
pub fn lsetxattr(dir: impl AsFd, entry: impl Arg, name: impl Arg, value: &[u8]) -> Result<()> {
    let dir = dir.as_fd();
    let mut detail = String::new();
    let result = entry.into_with_c_str(|entry| {
        let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
        path.extend_from_slice(entry.to_bytes());
        let path = CString::new(path).map_err(|_| rustix::io::Errno::INVAL)?;
        name.into_with_c_str(|name| {
            let args = [path.as_ptr() as usize, name.as_ptr() as usize, value.as_ptr() as usize, value.len(), 0, 0];
            // SAFETY: the kernel only reads path, name and value, and the value's length is its own.
            let result = unsafe { call(nr::lsetxattr, args) };
            if result.is_err() {
                let (entry, name) = (entry.to_string_lossy(), name.to_string_lossy());
                detail = format!("{}/{entry}, {name}, {} bytes", shown(dir), value.len());
            }
            result.map(drop)
        })
    });
    result.map_err(|errno| Error::new("lsetxattr", detail, errno))
}

/// fremovexattr(2).
pub fn fremovexattr(fd: impl AsFd, name: impl Arg) -> Result<()> {
    let fd = fd.as_fd();
    let mut detail = String::new();
    let result = name.into_with_c_str(|name| {
        // SAFETY: the kernel only reads the name.
        let result = unsafe { call(nr::fremovexattr, [raw(fd), name.as_ptr() as usize, 0, 0, 0, 0]) };
        if result.is_err() {
            detail = format!("{}, {}", shown(fd), name.to_string_lossy());
        }
        result.map(drop)
    });
    result.map_err(|errno| Error::new("fremovexattr", detail, errno))
}
