//! What the process of a command is told before it executes its program.

use crate::process::prctl;
use crate::signal;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Has the command's process end with this thread: it is killed when we are.
pub fn die_with_us(command: &mut Command) {
    const PR_SET_PDEATHSIG: usize = 1;
    const SIGKILL: usize = 9;
    let us = std::process::id();
    let child = move || {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0).map_err(|error| error.errno)?;
        // Who has lost us before that call is never told.
        if std::os::unix::process::parent_id() == us { Ok(()) } else { Err(rustix::io::Errno::CHILD.into()) }
    };
    // SAFETY: two system calls, no lock and no allocation but that of an error.
    unsafe { command.pre_exec(child) };
}

/// Has the command's process hear all signals, whatever this one has blocked: else nobody could end it but by SIGKILL.
pub fn hears_signals(command: &mut Command) {
    // SAFETY: one system call, no lock and no allocation but that of an error.
    unsafe { command.pre_exec(|| signal::hear_all().map_err(|error| error.errno.into())) };
}
