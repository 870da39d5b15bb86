//! Attached to a container: its output to ours, our input to its, our signals and our window to it, until it ends or
//! the keys are pressed that leave it.

use crate::denied::Report;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::keys::Keys;
use monitor::{CHUNK, Outbox, RunDir, Word};
use runtime::Newlines;
use runtime::terminal::{Raw, SIGWINCH, is_ours, write};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;
use std::os::fd::{AsFd, OwnedFd};
use sys::signal::Signals;

/// How somebody is attached.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Our standard input is the container's.
    pub input: bool,
    /// Its output is left to the log.
    pub no_output: bool,
    /// What it writes to standard error is.
    pub no_error: bool,
    /// Signals that we get go to it.
    pub signals: bool,
    /// It has a terminal.
    pub terminal: bool,
    /// The keys that leave it.
    pub keys: Keys,
}

/// How it came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The container has ended: with this code, if anybody knows it, and by what violence, if there is anything to say.
    Ended(Option<u8>, String),
    /// The keys were pressed: it runs on.
    Detached,
}

impl Engine {
    /// Connects to the monitor of a container that runs.
    pub fn monitor(&self, text: &str) -> Result<OwnedFd> {
        let (id, run_dir) = self.running(text)?;
        let socket = sys::socket::connect_in(&run_dir, monitor::SOCKET);
        socket.map_err(|error| match error.errno {
            sys::Errno::NOENT | sys::Errno::CONNREFUSED => Error::NotHeld(id),
            _ => Error::System { what: "connect to the container's monitor", source: error },
        })
    }

    /// The run directory of a container that runs.
    pub(crate) fn running(&self, text: &str) -> Result<(String, RunDir)> {
        let id = self.find(text)?;
        let run_dir = RunDir::open(&self.run_dir(id.as_str())).ok();
        match run_dir.filter(|run_dir| run_dir.process().is_some_and(|process| process.lives())) {
            Some(run_dir) => Ok((id.to_string(), run_dir)),
            None => Err(Error::NotRunning(text.to_owned())),
        }
    }
}

/// Tells the monitor what is wanted of it.
pub fn greet(socket: &OwnedFd, how: &How) -> Result<()> {
    let hello = Word::Hello { streams: true, input: how.input };
    hello.send(socket).map_err(Error::system("talk with the container's monitor"))
}

/// Takes over the signals of this process.
pub fn signals() -> Result<Signals> {
    Signals::block().map_err(Error::system("take over the signals"))
}

/// Stays with a container to the end of either. `signals` were blocked before the container was there to be told.
pub fn attach(socket: &OwnedFd, how: &How, signals: &Signals) -> Result<Left> {
    attach_and_hear(socket, how, signals).map(|(left, _)| left)
}

/// The same, and what the container was refused, where somebody has noted it.
pub fn attach_and_hear(socket: &OwnedFd, how: &How, signals: &Signals) -> Result<(Left, Option<Report>)> {
    let mut refused = Vec::new();
    let left = stay(socket, how, signals, &mut refused)?;
    Ok((left, serde_json::from_slice(&refused).ok()))
}

fn stay(socket: &OwnedFd, how: &How, signals: &Signals, refused: &mut Vec<u8>) -> Result<Left> {
    let failed = || Error::system("talk with the container's monitor");
    let _raw = if how.terminal && how.input { Raw::new(Newlines::Translated)? } else { None };
    // Nobody presses keys where there is no terminal: any bytes may come.
    let mut keys = if how.terminal { how.keys.clone() } else { Keys::none() };
    let (mut input, mut leaves) = (how.input, false);
    let mut buffer = vec![0; CHUNK];
    // Never waited for: what has been said is perhaps heard only when we have taken what there is to be heard.
    let mut outbox = Outbox::default();
    say_size(how, &mut outbox);
    loop {
        if !outbox.flush(socket) {
            // What is still to be heard says why it has ended.
            outbox.clear();
        }
        if leaves && outbox.is_empty() {
            return Ok(Left::Detached);
        }
        let stdin = rustix::stdio::stdin();
        let unsaid = if outbox.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut fds = vec![
            PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN | unsaid),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        if input && outbox.is_empty() {
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(failed()(sys::Error::new("poll", "the container", errno))),
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().difference(PollFlags::OUT).is_empty());
        let (heard, signalled, typed) = (ready(0), ready(1), ready(2));
        drop(fds);
        if signalled {
            while let Some(signal) = signals.next() {
                match signal {
                    SIGWINCH => say_size(how, &mut outbox),
                    _ if is_ours(signal) => {}
                    _ if how.signals => outbox.push(&Word::Signal(signal)),
                    _ => return Ok(Left::Detached),
                }
            }
        }
        if typed {
            match rustix::io::read(stdin, &mut buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(0) | Err(_) => {
                    input = false;
                    outbox.push(&Word::InputEnd);
                }
                Ok(length) => {
                    let (bytes, pressed) = keys.pass(buffer.get(..length).unwrap_or_default());
                    if !bytes.is_empty() {
                        outbox.push(&Word::Input(bytes));
                    }
                    leaves |= pressed;
                }
            }
        }
        if heard {
            let written = match Word::receive(socket).map_err(failed())? {
                Some(Word::Output(_)) if how.no_output => true,
                Some(Word::ErrorOutput(_)) if how.no_error => true,
                Some(Word::Output(bytes)) => write(rustix::stdio::stdout(), &bytes),
                Some(Word::ErrorOutput(bytes)) => write(rustix::stdio::stderr(), &bytes),
                Some(Word::Refused(piece)) => {
                    refused.extend(piece);
                    true
                }
                Some(Word::Ended(code, why)) => return Ok(Left::Ended(code, why)),
                Some(Word::Failed(code)) => return Ok(Left::Ended(Some(code), String::new())),
                Some(_) => true,
                None => return Err(Error::MonitorLost),
            };
            // Whoever read it is gone, and we are of no use any more. The container runs on, as without us.
            leaves |= !written;
        }
    }
}

/// Says how large our window is, if there is one.
fn say_size(how: &How, outbox: &mut Outbox) {
    if let Some((rows, columns)) = window().filter(|_| how.terminal) {
        outbox.push(&Word::Size(rows, columns));
    }
}

/// Rows and columns of our terminal, if there is one.
fn window() -> Option<(u16, u16)> {
    let size = tcgetwinsize(rustix::stdio::stdin()).or_else(|_| tcgetwinsize(rustix::stdio::stdout())).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
