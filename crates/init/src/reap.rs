//! `--init`: this process stays PID 1, passes signals on to the command and reaps orphans; the child goes on.

use crate::kernel::{self, Outcome, nr, plain};

const SIGCHLD: usize = 17;
const CLONE_PARENT: usize = 0x8000;
const ALL: u64 = u64::MAX;
const SETMASK: usize = 2;

fn mask(new: u64) -> Outcome<u64> {
    let mut old = 0u64;
    // SAFETY: the kernel reads and writes one word each.
    unsafe {
        let (new, old) = (&raw const new as usize, &raw mut old as usize);
        kernel::call(nr::rt_sigprocmask, [SETMASK, new, old, 8, 0, 0])?;
    }
    Ok(old)
}

/// A plain fork: 0 in the child.
pub fn clone() -> Outcome<usize> {
    clone_with(0)
}

/// A fork into new namespaces, whose child is our parent's.
pub fn beside(namespaces: usize) -> Outcome<usize> {
    clone_with(CLONE_PARENT | namespaces)
}

/// clone(2) and not clone3(2), which docker's filter answers with ENOSYS.
fn clone_with(flags: usize) -> Outcome<usize> {
    // SAFETY: no shared memory, no new stack.
    unsafe { kernel::call(nr::clone, [SIGCHLD | flags, 0, 0, 0, 0, 0]) }
}

/// Returns in the child only.
pub fn fork(socket: i32) -> Outcome {
    let old = mask(ALL)?;
    let child = clone()?;
    if child == 0 {
        mask(old)?;
        return Ok(());
    }
    kernel::close(socket);
    // The stub is not dumpable, which hides much of /proc/1 from the container's own tools.
    const PR_SET_DUMPABLE: usize = 4;
    let _ = plain(nr::prctl, [PR_SET_DUMPABLE, 1, 0, 0, 0, 0]);
    let _ = plain(nr::close_range, [0, u32::MAX as usize, 0, 0, 0, 0]);
    supervise(child as u32)
}

fn supervise(child: u32) -> ! {
    loop {
        // SAFETY: the kernel reads the mask.
        let signal = unsafe {
            kernel::call(nr::rt_sigtimedwait, [&raw const ALL_SIGNALS as usize, 0, 0, 8, 0, 0])
        };
        match signal {
            Ok(SIGCHLD) => reap(child),
            Ok(signal) => drop(plain(nr::kill, [child as usize, signal, 0, 0, 0, 0])),
            Err(_) => {}
        }
    }
}

static ALL_SIGNALS: u64 = ALL;

/// Reaps what has ended; ends with the command's own code when it is the command.
fn reap(command: u32) {
    loop {
        let mut info = [0u32; 32];
        const P_ALL: usize = 0;
        const WNOHANG_EXITED: usize = 1 | 4;
        // SAFETY: the kernel writes one siginfo, 128 bytes.
        let waited = unsafe {
            kernel::call(nr::waitid, [P_ALL, 0, info.as_mut_ptr() as usize, WNOHANG_EXITED, 0, 0])
        };
        let [_, _, code, _, pid, _, status, ..] = info;
        if waited.is_err() || pid == 0 {
            return;
        }
        if pid == command {
            const CLD_EXITED: u32 = 1;
            kernel::exit(if code == CLD_EXITED { status as i32 } else { 128 + (status as i32 & 0x7f) });
        }
    }
}
