//! Our own terminal and streams, for who stands between them and a container's.

use crate::error::{Result, What};
use crate::foreground::Newlines;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::os::fd::BorrowedFd;

/// Our window has another size now.
pub const SIGWINCH: i32 = 28;

/// A signal that is about us and nobody else: it is not passed on.
pub fn is_ours(signal: i32) -> bool {
    const SIGPIPE: i32 = 13;
    const SIGCHLD: i32 = 17;
    const SIGTTIN: i32 = 21;
    const SIGTTOU: i32 = 22;
    const SIGURG: i32 = 23;
    matches!(signal, SIGCHLD | SIGPIPE | SIGURG | SIGTTIN | SIGTTOU)
}

/// Our terminal, raw while this lives.
#[derive(Debug)]
pub struct Raw(Termios);

impl Raw {
    /// Makes it raw, if standard input is one.
    pub fn new(newlines: Newlines) -> Result<Option<Self>> {
        let stdin = rustix::stdio::stdin();
        if !isatty(stdin) {
            return Ok(None);
        }
        let failed = |errno| sys::Error::new("tcsetattr", "standard input", errno);
        let saved = tcgetattr(stdin).map_err(failed).what("make the terminal raw")?;
        let mut raw = saved.clone();
        raw.make_raw();
        if newlines == Newlines::AsWritten {
            raw.output_modes = saved.output_modes;
        }
        tcsetattr(stdin, OptionalActions::Now, &raw).map_err(failed).what("make the terminal raw")?;
        Ok(Some(Self(saved)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Writes all of it; false where nobody takes it.
pub fn write(to: BorrowedFd<'_>, mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _ = poll(&mut fds, None);
            }
            Err(_) => return false,
        }
    }
    true
}
