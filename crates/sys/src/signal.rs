//! Signals as something to read: blocked for the whole process, and taken from an fd.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

const SETMASK: usize = 2;
const CLOEXEC_NONBLOCK: usize = 0o2_000_000 | 0o4000;

/// All signals of this process, blocked, and readable here. Dropping it restores the mask.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    old: u64,
}

impl Signals {
    /// Blocks all signals and opens the fd (signalfd(2)).
    pub fn block() -> Result<Self> {
        let old = set_mask(u64::MAX)?;
        let all = u64::MAX;
        let nobody = usize::MAX;
        // SAFETY: the kernel reads the mask; a result is a new fd.
        let fd = unsafe {
            call(nr::signalfd4, [nobody, &raw const all as usize, 8, CLOEXEC_NONBLOCK, 0, 0])
                .map(|fd| OwnedFd::from_raw_fd(fd as i32))
        };
        fd.map(|fd| Self { fd, old }).map_err(|errno| Error::new("signalfd4", "all", errno))
    }

    /// The next pending signal's number.
    pub fn next(&self) -> Option<i32> {
        // struct signalfd_siginfo: 128 bytes, the number first.
        let mut info = [0_u8; 128];
        match rustix::io::read(&self.fd, &mut info) {
            Ok(128) => Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])),
            _ => None,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = set_mask(self.old);
    }
}

/// This thread hears all signals.
pub fn hear_all() -> Result<()> {
    set_mask(0).map(drop)
}

fn set_mask(mask: u64) -> Result<u64> {
    let mut old = 0_u64;
    let (new, old_at) = (&raw const mask as usize, &raw mut old as usize);
    // SAFETY: the kernel reads and writes one word each.
    unsafe { call(nr::rt_sigprocmask, [SETMASK, new, old_at, 8, 0, 0]) }
        .map(|_| old)
        .map_err(|errno: Errno| Error::new("rt_sigprocmask", format!("{mask:#x}"), errno))
}

/// A terminal's size, passed on: `TIOCGWINSZ` of one to `TIOCSWINSZ` of the other.
pub fn copy_window_size(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let failed = |errno| Error::new("ioctl", "window size", errno);
    let size = rustix::termios::tcgetwinsize(from).map_err(failed)?;
    rustix::termios::tcsetwinsize(to, size).map_err(failed)
}
