//! A child that goes on by itself, long after whoever made it is gone: nobody waits for it, it holds nothing of the
//! caller's, and it gets out of everybody's way.

use crate::call::call;
use crate::process::{self, Child};
use crate::{Error, Result, fs, nr, raw};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};

/// How little of the processor it gets where others want some (nice(2)).
const NICEST: usize = 19;

/// Forks a child that does `work` in a session of its own: no terminal, no fd of the caller's but what `work` opens
/// itself, no directory held, the lowest priority. Called with one thread. What the caller has open is closed behind
/// the back of the values that own it, so `work` must use none of them.
pub fn spawn(work: impl FnOnce()) -> Result<Child> {
    process::fork(|| {
        if apart(&[]).and_then(|()| yield_to_all()).is_ok() {
            work();
        }
        0
    })
}

/// Leaves whoever started this process: a session of its own, no terminal, no signal blocked, no directory held, and no fd
/// but those that are kept. What else is open is closed behind the back of the values that own it: none of them may be used any more,
/// nor dropped.
pub fn apart(kept: &[BorrowedFd<'_>]) -> Result<()> {
    let failed = |name: &'static str| move |errno| Error::new(name, "", errno);
    // SAFETY: no pointers.
    unsafe { call(nr::setsid, [0; 6]) }.map_err(failed("setsid"))?;
    crate::signal::hear_all()?;
    crate::cwd::fchdir(fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?)?;
    let null = fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
    for number in 0..3 {
        // SAFETY: no pointers; the standard fds are replaced, as is meant.
        unsafe { call(nr::dup3, [null.as_raw_fd() as usize, number, 0, 0, 0, 0]) }.map_err(failed("dup3"))?;
    }
    let _ = null.into_raw_fd();
    let mut kept: Vec<usize> = kept.iter().map(|fd| fd.as_raw_fd() as usize).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept.into_iter().chain([u32::MAX as usize]) {
        if first < number {
            let last = if number == u32::MAX as usize { number } else { number - 1 };
            // SAFETY: whoever owns these fds does not use them any more, as is asked for above.
            unsafe { raw::syscall(nr::close_range, [first, last, 0, 0, 0, 0]) }
                .map_err(|errno| Error::new("close_range", "3", rustix::io::Errno::from_raw_os_error(errno)))?;
        }
        first = number + 1;
    }
    Ok(())
}

fn yield_to_all() -> Result<()> {
    // SAFETY: no pointers; process 0 is ourselves.
    unsafe { call(nr::setpriority, [0, 0, NICEST, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("setpriority", "", errno))
}
