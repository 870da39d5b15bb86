//! A process that does nothing: it stands where one has to stand, until the one that is meant has come.

use crate::call::call;
use crate::error::{Error, Result};
use crate::{nr, process, raw};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const CLONE_PIDFD: u64 = 0x1000;
const SIGCHLD: u64 = 17;
const SIGKILL: i32 = 9;

/// A parked process. It ends with this value, and with the process that made it.
#[derive(Debug)]
pub struct Parked {
    pid: i32,
    pidfd: OwnedFd,
    /// What it reads from never says anything; it ends.
    _pipe: OwnedFd,
}

/// The part of the kernel's struct clone_args that we need (linux/sched.h, CLONE_ARGS_SIZE_VER0).
#[repr(C)]
#[derive(Default)]
struct Args {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

impl Parked {
    /// Makes one. It holds no fd but its pipe's end, so that nobody waits for an end of file because of it. It does
    /// nothing but system calls, so this process may have threads.
    pub fn new() -> Result<Self> {
        use rustix::pipe::{PipeFlags, pipe_with};
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Error::new("pipe2", "O_CLOEXEC", errno))?;
        let mut pidfd: RawFd = -1;
        let args = Args { flags: CLONE_PIDFD, pidfd: &raw mut pidfd as u64, exit_signal: SIGCHLD, ..Args::default() };
        let pointer = &raw const args as usize;
        // SAFETY: without CLONE_VM this is a plain fork: the child has its own copy of this frame.
        let pid = unsafe { call(nr::clone3, [pointer, size_of::<Args>(), 0, 0, 0, 0]) }
            .map_err(|errno| Error::new("clone3", "CLONE_PIDFD", errno))?;
        if pid == 0 {
            park(theirs.as_raw_fd() as usize);
        }
        // SAFETY: the kernel just made this fd for us.
        Ok(Self { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) }, _pipe: ours })
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // It is our child and not waited for yet, so that neither can fail.
        let _ = process::pidfd_send_signal(&self.pidfd, SIGKILL);
        let _ = process::wait(&self.pidfd);
    }
}

/// The child's whole life. Nothing here may allocate or touch a page that is not there already: by the end it may be in
/// a cgroup without memory.
fn park(pipe: usize) -> ! {
    let mut byte = 0_u8;
    // SAFETY: closes fds that nobody in this copy uses any more; the numbers before and behind the pipe's.
    unsafe {
        if pipe > 0 {
            raw::syscall(nr::close_range, [0, pipe - 1, 0, 0, 0, 0]).ok();
        }
    }
    // SAFETY: as above.
    unsafe { raw::syscall(nr::close_range, [pipe + 1, u32::MAX as usize, 0, 0, 0, 0]).ok() };
    loop {
        // SAFETY: reads at most one byte into one that outlives the call.
        let read = unsafe { raw::syscall(nr::read, [pipe, &raw mut byte as usize, 1, 0, 0, 0]) };
        if read != Err(Errno::INTR.raw_os_error()) {
            // SAFETY: ends the copy, without running what the original registered for its exit.
            unsafe { raw::syscall(nr::exit_group, [0; 6]).ok() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_until_it_is_let_go_and_leaves_no_zombie() {
        let parked = Parked::new().unwrap();
        let pid = parked.pid();
        let fds = || std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let begun = std::time::Instant::now();
        while fds() != 1 && begun.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(fds(), 1, "it holds its pipe's end only");
        drop(parked);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
