//! The listener of a seccomp filter (seccomp_unotify(2)): calls that the filter leaves to somebody else, one by one.
//!
//! The numbers of a call are the kernel's own copy and may be decided upon. What its pointers lead to is the caller's
//! memory, which another thread of his may change at any moment: good for a report, never for a decision.

use crate::call::call;
use crate::{Error, Result, nr};
use std::os::fd::{AsFd, AsRawFd};

/// The kernel's `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notification {
    /// Names this one call until it is answered.
    pub id: u64,
    /// The thread that makes it, as our own PID namespace has it; 0 where that does not see it.
    pub pid: u32,
    flags: u32,
    /// The call's number.
    pub number: u32,
    /// `AUDIT_ARCH_…`.
    pub arch: u32,
    /// Where it was made.
    pub instruction: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It fails with this error number; 0 is success, without being carried out.
    Errno(u16),
    /// The kernel carries it out (Linux 5.5). What it does then may differ from what its pointers said before.
    Continue,
}

/// The kernel's `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (Linux 6.6).
const SYNC_WAKE_UP: usize = 1;

/// `SECCOMP_IOCTL_NOTIF_…` (linux/seccomp.h); the size of what is passed is part of the number.
const RECV: usize = 0xc050_2100;
const SEND: usize = 0xc018_2101;
const ID_VALID: usize = 0x4008_2102;
const SET_FLAGS: usize = 0x4008_2104;

fn ioctl(listener: &impl AsFd, request: usize, argument: usize, name: &'static str) -> Result<()> {
    let fd = listener.as_fd().as_raw_fd() as usize;
    // SAFETY: the callers below pass what the request reads or writes, of the size that its number tells.
    unsafe { call(nr::ioctl, [fd, request, argument, 0, 0, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("ioctl", name, errno))
}

/// The next call that waits. To be asked for when the listener can be read, else it waits for one.
///
/// # Errors
/// ENOENT where the thread was killed before we came to it.
pub fn receive(listener: impl AsFd) -> Result<Notification> {
    // The kernel takes no other than zeroes.
    let mut notification = Notification::default();
    ioctl(&listener, RECV, &raw mut notification as usize, "SECCOMP_IOCTL_NOTIF_RECV")?;
    Ok(notification)
}

/// Answers a call.
///
/// # Errors
/// ENOENT where the thread waits no more: it was killed, or a signal has interrupted it.
pub fn answer(listener: impl AsFd, id: u64, answer: Answer) -> Result<()> {
    let (error, flags) = match answer {
        Answer::Errno(errno) => (-i32::from(errno), 0),
        Answer::Continue => (0, CONTINUE),
    };
    let response = Response { id, value: 0, error, flags };
    ioctl(&listener, SEND, &raw const response as usize, "SECCOMP_IOCTL_NOTIF_SEND")
}

/// The thread still waits in that call: what was read of its pid since it was received is of no other.
pub fn is_valid(listener: impl AsFd, id: u64) -> bool {
    ioctl(&listener, ID_VALID, &raw const id as usize, "SECCOMP_IOCTL_NOTIF_ID_VALID").is_ok()
}

/// Asks and answers are handed over on one processor, which is cheaper than to wake another up. Before Linux 6.6 there
/// is no such thing.
pub fn wake_here(listener: impl AsFd) {
    let _ = ioctl(&listener, SET_FLAGS, SYNC_WAKE_UP, "SECCOMP_IOCTL_NOTIF_SET_FLAGS");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_has_the_size_that_its_number_tells() {
        let size = |request: usize| (request >> 16) & 0x3fff;
        assert_eq!(size_of::<Notification>(), size(RECV));
        assert_eq!(size_of::<Response>(), size(SEND));
    }
}
