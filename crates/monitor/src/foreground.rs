//! One container, from its start to its end, held by this process.

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::process::Process;
use crate::rundir::RunDir;
use runtime::notify::Notify;
use runtime::{Foreground, Request};
use std::path::Path;
use sys::process::Exit;
use sys::signal::Signals;

/// What is to be run, and how it is held.
pub struct Order<'a> {
    /// The container.
    pub request: Request<'a>,
    /// Its run directory.
    pub run_dir: &'a RunDir,
    /// Signals and input.
    pub foreground: Foreground,
    /// Our signals, blocked since before anything was made.
    pub signals: &'a Signals,
    /// Done when all is there but its command, by its pid; whoever fails here has kept why.
    pub complete: &'a dyn Fn(i32) -> bool,
    /// Done when its command runs.
    pub begun: &'a dyn Fn(),
    /// Who is told that it is ready.
    pub ready: Option<Ready<'a>>,
}

/// A service manager that waits for word that a container is ready.
#[derive(Debug)]
pub enum Ready<'a> {
    /// It is when its command runs; the manager has this socket.
    Started(&'a Path),
    /// It says so itself.
    Said(Notify),
}

/// How it went.
#[derive(Debug)]
pub struct Ended {
    /// How the first process ended.
    pub exit: Exit,
    /// What became of its memory.
    pub memory: Memory,
    /// What each step of the plan was for.
    pub subjects: Vec<runtime::Subject>,
}

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGHUP: i32 = 1;
const SIGQUIT: i32 = 3;
const SIGKILL: i32 = 9;

/// Runs a container to its end. What belongs to it is still there afterwards: [`crate::teardown`] removes it.
pub fn run(order: Order<'_>) -> Result<Ended> {
    let Order { request, run_dir, foreground, signals, complete, begun, ready } = order;
    while let Some(signal) = signals.next() {
        if matches!(signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT) {
            return Err(Error::Interrupted(signal));
        }
    }
    let spec = request.spec;
    let mut container = runtime::create(request)?;
    // Before its command runs: whoever hears of the container by that finds a process to look at or to kill. Should this
    // fail, the waiting stub ends with its socket.
    run_dir.write_process(&Process::of(container.handle.pid))?;
    if !complete(container.handle.pid) {
        let _ = sys::process::pidfd_send_signal(&container.handle.pidfd, SIGKILL);
        let _ = sys::process::wait(&container.handle.pidfd);
        return Err(Error::Incomplete);
    }
    container.start(spec)?;
    begun();
    let notify = match ready {
        Some(Ready::Said(notify)) => Some(notify),
        Some(Ready::Started(manager)) => {
            // One that does not listen is no reason to end what it has started.
            let _ = runtime::notify::ready(manager, std::process::id() as i32);
            None
        }
        None => None,
    };
    let exit = runtime::hold_notifying(&container.handle, container.terminal, signals, foreground, notify)?;
    let memory = Memory::of(&container.handle.cgroup);
    Ok(Ended { exit, memory, subjects: container.subjects })
}
