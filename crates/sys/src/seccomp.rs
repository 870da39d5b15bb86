//! seccomp(2): a filter for ourselves, and the calls to feel it by.
//!
//! A container's filter is installed by its stub; here is the same call for a process of our own, which is how a
//! program is tried on the running kernel. It cannot be taken back, not even by exec. The probes reach what a filter
//! forbids and no other wrapper makes: each is harmless when the kernel carries it out.

use crate::call::call;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

const SET_MODE_FILTER: usize = 1;
const FLAG_NEW_LISTENER: u32 = 1 << 3;

/// Bytes of a `struct sock_filter`.
const INSTRUCTION: usize = 8;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const u8,
}

/// Puts this thread under a filter; with `SECCOMP_FILTER_FLAG_TSYNC`, all threads. `program` is an array of
/// `struct sock_filter`, `flags` are `SECCOMP_FILTER_FLAG_…`. Needs no_new_privs or CAP_SYS_ADMIN.
///
/// Returns the listener if `flags` ask for one (`SECCOMP_FILTER_FLAG_NEW_LISTENER`, Linux 5.0).
///
/// # Errors
/// EINVAL for a program that the kernel refuses, or that is no whole number of instructions; ESRCH where a thread has
/// filters of its own and cannot follow.
pub fn install(program: &[u8], flags: u32) -> Result<Option<OwnedFd>> {
    let detail = || format!("SECCOMP_SET_MODE_FILTER, {flags:#x}, {} instructions", program.len() / INSTRUCTION);
    let len = u16::try_from(program.len() / INSTRUCTION).ok().filter(|_| program.len().is_multiple_of(INSTRUCTION));
    let len = len.ok_or_else(|| Error::new("seccomp", detail(), Errno::INVAL))?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: the kernel copies `len` instructions of 8 bytes, which is what lies there; it reads them bytewise.
    let result = unsafe { call(nr::seccomp, [SET_MODE_FILTER, flags as usize, &raw const program as usize, 0, 0, 0]) }
        .map_err(|errno| Error::new("seccomp", detail(), errno))?;
    match result {
        // SAFETY: asked for a listener, the kernel returns a new fd and nothing else.
        fd if flags & FLAG_NEW_LISTENER != 0 => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
        0 => Ok(None),
        thread => Err(Error::new("seccomp", format!("{}: thread {thread} cannot follow", detail()), Errno::SRCH)),
    }
}

/// Does this kernel know all of these flags? It looks at them before it looks for the program, and there is none.
pub fn knows(flags: u32) -> bool {
    // SAFETY: without a program the kernel installs nothing.
    let asked = unsafe { call(nr::seccomp, [SET_MODE_FILTER, flags as usize, 0, 0, 0, 0]) };
    asked == Err(Errno::FAULT)
}

/// A call that is harmless when it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// keyctl(2): the number of our session keyring, none being made.
    SessionKeyring,
    /// personality(2); `u32::MAX` only asks, anything else changes how we are executed next.
    Personality(u32),
    /// A number that no kernel has given out.
    Unassigned,
}

impl Probe {
    /// Makes the call.
    ///
    /// # Errors
    /// What the filter or the kernel says to it.
    pub fn make(self) -> Result<()> {
        const GET_KEYRING_ID: usize = 0;
        const SESSION_KEYRING: usize = -3_isize as usize;
        const UNASSIGNED: u32 = 1000;
        let (number, args) = match self {
            Self::SessionKeyring => (nr::keyctl, [GET_KEYRING_ID, SESSION_KEYRING, 0, 0, 0, 0]),
            Self::Personality(persona) => (nr::personality, [persona as usize, 0, 0, 0, 0, 0]),
            Self::Unassigned => (UNASSIGNED, [0; 6]),
        };
        // SAFETY: no pointers; none of them touches our memory or our file descriptors.
        unsafe { call(number, args) }.map(drop).map_err(|errno| {
            let name = nr::name(number).unwrap_or("syscall");
            Error::new(name, format!("{self:?}"), errno)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_instruction_is_no_program() {
        for length in [4, 12, 8 * 65_536] {
            assert_eq!(install(&vec![0; length], 0).unwrap_err().errno, Errno::INVAL, "{length}");
        }
    }
}
