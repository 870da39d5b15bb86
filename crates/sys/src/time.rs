//! Times of files: access and modification, to the nanosecond.

use crate::call::call;
use crate::fs::{shown, with_path};
use crate::{Error, Result, nr};
use rustix::fs::{AtFlags, Timestamps};
use rustix::path::Arg;
use std::os::fd::{AsFd, AsRawFd};

/// The kernel's `struct __kernel_timespec`, twice: access, modification.
#[repr(C)]
struct Times([[i64; 2]; 2]);

impl Times {
    fn new(times: &Timestamps) -> Self {
        let pair = |time: rustix::fs::Timespec| [time.tv_sec, time.tv_nsec];
        Self([pair(times.last_access), pair(times.last_modification)])
    }
}

/// utimensat(2); with `AtFlags::SYMLINK_NOFOLLOW` it acts on a link itself.
pub fn utimensat(dir: impl AsFd, path: impl Arg, times: &Timestamps, flags: AtFlags) -> Result<()> {
    let (dir, times) = (dir.as_fd(), Times::new(times));
    with_path(
        "utimensat",
        path,
        |p| {
            let (fd, times) = (dir.as_raw_fd() as isize as usize, &raw const times as usize);
            // SAFETY: the kernel only reads path and times.
            unsafe { call(nr::utimensat, [fd, p.as_ptr() as usize, times, flags.bits() as usize, 0, 0]) }.map(drop)
        },
        |p| format!("{}/{p}", shown(dir)),
    )
}

/// utimensat(2) on an open file itself.
pub fn futimens(fd: impl AsFd, times: &Timestamps) -> Result<()> {
    let (fd, times) = (fd.as_fd(), Times::new(times));
    let args = [fd.as_raw_fd() as isize as usize, 0, &raw const times as usize, 0, 0, 0];
    // SAFETY: the kernel only reads the times; a null path means the fd itself.
    unsafe { call(nr::utimensat, args) }.map(drop).map_err(|errno| Error::new("utimensat", shown(fd), errno))
}
