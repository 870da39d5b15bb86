//! Work that would leave half of itself behind if a signal ended it, such as unpacking: done in a child. The parent waits
//! with its signals held back; one that would have ended it ends the child instead, and what that leaves in the store
//! is removed before anything is told.

use crate::engine::Engine;
use crate::error::{Error, Result};
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use sys::process::{Exit, fork, pidfd_send_signal, prctl, wait};
use sys::signal::Signals;

const PR_SET_PDEATHSIG: usize = 1;
const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;
const SIGTSTP: i32 = 20;
/// HUP, INT, QUIT and TERM: what users and machines end a command with.
const ENDING: [i32; 4] = [1, 2, 3, 15];

impl Engine {
    /// Runs `work` in a child, and comes back with its exit code. Called with one thread.
    pub fn apart(&self, work: impl FnOnce() -> u8) -> Result<u8> {
        let system = |source| Error::System { what: "work in a child", source };
        // Before the child is there: who becomes root of a namespace loses the signal of its parent's death.
        self.enter()?;
        let parent = rustix::process::getpid();
        let mut signals = Some(Signals::block().map_err(system)?);
        let child = fork(|| {
            // Whoever kills us outright kills the work too.
            let _ = prctl(PR_SET_PDEATHSIG, SIGKILL as usize, 0);
            if rustix::process::getppid() != Some(parent) {
                return 1;
            }
            // As it was: the child may be ended by any signal.
            drop(signals.take());
            i32::from(work())
        })
        .map_err(system)?;
        let mut ended = None;
        while let Some(signals) = &signals {
            let mut fds = [
                PollFd::from_borrowed_fd(child.pidfd.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            ];
            // Interrupted or not, what there is is looked at.
            let _ = poll(&mut fds, None);
            if !fds[0].revents().is_empty() {
                break;
            }
            match signals.next() {
                Some(signal) if ENDING.contains(&signal) => {
                    ended = ended.or(Some(signal));
                    pidfd_send_signal(&child.pidfd, SIGKILL).map_err(system)?;
                }
                // The child, of the same terminal, has stopped already.
                Some(SIGTSTP) => {
                    sys::process::kill(rustix::process::getpid().as_raw_nonzero().get(), SIGSTOP).map_err(system)?;
                }
                _ => {}
            }
        }
        let exit = wait(&child.pidfd).map_err(system)?;
        if let Exit::Signal(signal) = exit {
            self.sweep();
            return Err(Error::Interrupted(ended.unwrap_or(signal)));
        }
        Ok(exit.code())
    }
}
