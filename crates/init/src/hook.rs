//! A hook that runs inside: a child of the stub, in the container's namespaces, while the stub waits for its end.
//!
//! What it writes is kept, and goes to the parent with the message of a failure: there may be no terminal yet, or nobody
//! who listens at it. The state on its standard input is the parent's but for the pid, which is the stub's own and as the
//! container sees it.

use crate::kernel::{self, EINTR, EINVAL, Failure, Outcome, fail, nr, plain};
use crate::path::Buffer;
use crate::plan::{Plan, hook};
use crate::process::Command;
use crate::reap;
use core::ffi::CStr;

const CLOEXEC: usize = 1;
const ETIMEDOUT: i32 = 110;
const SIGKILL: usize = 9;

/// A hook in the plan.
pub struct Hook<'a> {
    pub plan: &'a Plan<'a>,
    /// Path, argv, environment, details.
    pub args: [u64; 5],
    /// The process's `HOME=…`, for hooks that have its environment.
    pub home: Option<&'a CStr>,
}

impl Hook<'_> {
    fn detail(&self, index: usize) -> u64 {
        self.plan.entry(self.args[3], index).unwrap_or(0)
    }

    /// Runs it to its end. A failure of it is that of wait4(2), with the status in the errno's place; `said` is then the
    /// file with all that it wrote.
    pub fn run(&self, close_all: impl FnOnce() -> Outcome, said: &mut Option<i32>) -> Outcome {
        let path = self.plan.text(self.args[0]).ok_or(Failure { number: nr::read, errno: EINVAL })?;
        let mut command = Command::new();
        command.find(path, c"", false)?;
        let input = self.state()?;
        let output = memfd()?;
        *said = Some(output);
        let child = reap::clone()?;
        if child == 0 {
            let code = match self.become_hook(&command, input, output, close_all) {
                Ok(()) => 255,
                Err(_) => 254,
            };
            kernel::exit(code)
        }
        kernel::close(input);
        let status = wait(child, self.detail(hook::TIMEOUT))?;
        if status != 0 {
            return fail(nr::wait4, status);
        }
        kernel::close(output);
        *said = None;
        Ok(())
    }

    /// A file with the state, at its start.
    fn state(&self) -> Outcome<i32> {
        let file = memfd()?;
        let text = |index| self.plan.text(self.detail(index)).unwrap_or(c"").to_bytes();
        kernel::write(file, text(hook::BEFORE_PID))?;
        let mut digits = Buffer::new();
        digits.push_number(plain(nr::getpid, [0; 6])? as u32)?;
        kernel::write(file, digits.as_cstr().to_bytes())?;
        kernel::write(file, text(hook::AFTER_PID))?;
        plain(nr::lseek, [file as usize, 0, 0, 0, 0, 0])?;
        Ok(file)
    }

    /// In the child: comes back only if the hook cannot be executed.
    fn become_hook(
        &self,
        command: &Command,
        input: i32,
        output: i32,
        close_all: impl FnOnce() -> Outcome,
    ) -> Outcome {
        for (fd, stream) in [(input, 0), (output, 1), (output, 2)] {
            plain(nr::dup3, [fd as usize, stream, 0, 0, 0, 0])?;
        }
        close_all()?;
        let home = self.home.filter(|_| self.detail(hook::INHERITS) != 0);
        command.execute(self.plan, self.args[1], self.args[2], home)
    }
}

fn memfd() -> Outcome<i32> {
    kernel::with_text(nr::memfd_create, c"coracle-hook", [CLOEXEC, 0, 0, 0]).map(|fd| fd as i32)
}

/// Waits for a child, at most so many seconds unless they are 0; what wait4(2) says of its end.
fn wait(child: usize, seconds: u64) -> Outcome<i32> {
    if seconds != 0 && !ends_within(child, seconds)? {
        let _ = plain(nr::kill, [child, SIGKILL, 0, 0, 0, 0]);
        let _ = wait4(child);
        return fail(nr::ppoll, ETIMEDOUT);
    }
    wait4(child)
}

fn wait4(child: usize) -> Outcome<i32> {
    let mut status = 0i32;
    loop {
        // SAFETY: the kernel writes the status.
        match unsafe { kernel::call(nr::wait4, [child, &raw mut status as usize, 0, 0, 0, 0]) } {
            Err(Failure { errno: EINTR, .. }) => {}
            other => return other.map(|_| status),
        }
    }
}

fn ends_within(child: usize, seconds: u64) -> Outcome<bool> {
    const POLLIN: u64 = 1;
    let pidfd = plain(nr::pidfd_open, [child, 0, 0, 0, 0, 0])?;
    // struct pollfd: fd, events, revents.
    let mut poll = [pidfd as u64 | POLLIN << 32];
    // The kernel writes what is left of it when a signal comes (ppoll(2)).
    let mut time = [seconds, 0];
    loop {
        // SAFETY: the kernel reads and writes both.
        let ready = unsafe { kernel::call(nr::ppoll, [poll.as_mut_ptr() as usize, 1, time.as_mut_ptr() as usize, 0, 0, 0]) };
        match ready {
            Err(Failure { errno: EINTR, .. }) => {}
            other => {
                kernel::close(pidfd as i32);
                return other.map(|count| count == 1);
            }
        }
    }
}
