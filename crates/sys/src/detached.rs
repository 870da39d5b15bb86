//! A child that goes on by itself, long after whoever made it is gone: nobody waits for it, it holds nothing of the
//! caller's, and it gets out of everybody's way.

use crate::call::call;
use crate::process::{self, Child};
use crate::{Error, Result, fs, nr, raw};
use rustix::fs::{Mode, OFlags};
use std::os::fd::IntoRawFd;

/// How little of the processor it gets where others want some (nice(2)).
const NICEST: usize = 19;

/// Forks a child that does `work` in a session of its own: no terminal, no fd of the caller's but what `work` opens
/// itself, no directory held, the lowest priority. Called with one thread. What the caller has open is closed behind
/// the back of the values that own it, so `work` must use none of them.
pub fn spawn(work: impl FnOnce()) -> Result<Child> {
    process::fork(|| {
        if apart().is_ok() {
            work();
        }
        0
    })
}

fn apart() -> Result<()> {
    let failed = |name: &'static str| move |errno| Error::new(name, "", errno);
    // SAFETY: no pointers.
    unsafe { call(nr::setsid, [0; 6]) }.map_err(failed("setsid"))?;
    // SAFETY: no pointers; process 0 is ourselves.
    unsafe { call(nr::setpriority, [0, 0, NICEST, 0, 0, 0]) }.map_err(failed("setpriority"))?;
    crate::cwd::fchdir(fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?)?;
    let null = fs::open("/dev/null", OFlags::RDWR, Mode::empty())?.into_raw_fd();
    for number in 0..3 {
        if null != number {
            // SAFETY: no pointers; the standard fds are replaced, as is meant.
            unsafe { call(nr::dup3, [null as usize, number as usize, 0, 0, 0, 0]) }.map_err(failed("dup3"))?;
        }
    }
    // SAFETY: the values that own these fds are of the original; this copy uses none of them, and ends without dropping
    // them.
    unsafe { raw::syscall(nr::close_range, [3, u32::MAX as usize, 0, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("close_range", "3", rustix::io::Errno::from_raw_os_error(errno)))
}
