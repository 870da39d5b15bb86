//! Holding a container in the foreground: its signals, its terminal, its end.
//!
//! Without a terminal the container has our own standard streams, and there is nothing to do but to pass signals on.
//! With one, ours is made raw, bytes go both ways, and the window's size follows. The terminal is restored whatever
//! happens, for all signals come through an fd and none ends us unprepared.

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::notify::Notify;
use crate::terminal::{Raw, SIGWINCH, is_ours, write};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::isatty;
use rustix::time::Timespec;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use sys::process::Exit;
use sys::signal::Signals;

/// What a container's terminal does with newlines; the caller's own terminal does the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Newlines {
    /// A carriage return comes before each, as on any terminal.
    #[default]
    Translated,
    /// Nothing: output into a pipe or a file is as the command wrote it, which callers of runc expect.
    AsWritten,
}

/// Who holds it, and how.
#[derive(Debug, Clone, Copy)]
pub struct Foreground {
    /// Signals that we get go to the container.
    pub pass_signals: bool,
    /// Our standard input goes to its terminal.
    pub input: bool,
    /// It is killed after this time.
    pub timeout: Option<Duration>,
    /// As the container's terminal was made.
    pub newlines: Newlines,
}

const SIGKILL: i32 = 9;

/// How it came to an end.
#[derive(Debug)]
pub enum Held {
    /// Its first process has ended.
    Ended(Exit),
    /// We have left it; it runs on with its terminal, which whoever closes ends it.
    Left(OwnedFd),
}

/// What becomes of typed bytes: those that go on, and whether to leave.
pub type Typed<'a> = &'a mut dyn FnMut(&[u8]) -> (Vec<u8>, bool);

/// Holds the container until its first process ends, and reaps it.
pub fn hold(handle: &Handle, terminal: Option<OwnedFd>, signals: &Signals, how: Foreground) -> Result<Exit> {
    hold_notifying(handle, terminal, signals, how, None)
}

/// The same, and passes on the word that the container is ready: with us as the one to watch, for we end when it ends.
pub fn hold_notifying(
    handle: &Handle,
    terminal: Option<OwnedFd>,
    signals: &Signals,
    how: Foreground,
    notify: Option<Notify>,
) -> Result<Exit> {
    match hold_until(handle, terminal, signals, how, notify, &mut |bytes| (bytes.to_vec(), false))? {
        Held::Ended(exit) => Ok(exit),
        Held::Left(_) => handle.wait(),
    }
}

/// The same, until it ends or what is typed says that we leave.
pub fn hold_until(
    handle: &Handle,
    terminal: Option<OwnedFd>,
    signals: &Signals,
    how: Foreground,
    mut notify: Option<Notify>,
    typed: Typed<'_>,
) -> Result<Held> {
    let mut relay = terminal.map(|master| Relay::new(master, how)).transpose()?;
    let mut deadline = how.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let readable = wait((handle.pidfd.as_fd(), signals.as_fd()), relay.as_ref(), notify.as_ref(), deadline)?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            handle.signal(SIGKILL)?;
            deadline = None;
        }
        if readable.signal {
            while let Some(signal) = signals.next() {
                match signal {
                    SIGWINCH => relay.iter().for_each(Relay::resize),
                    _ if is_ours(signal) => {}
                    _ if how.pass_signals => handle.signal(signal)?,
                    _ => {}
                }
            }
        }
        if let Some(relay) = &mut relay
            && relay.turn(readable.input, readable.output, typed)
            && let Ok(master) = relay.master.try_clone()
        {
            return Ok(Held::Left(master));
        }
        if readable.word
            && let Some(told) = &notify
            // The service manager may be gone or not listen: no reason to end what it has started.
            && told.turn(std::process::id() as i32).unwrap_or(true)
        {
            notify = None;
        }
        if readable.end {
            let exit = handle.wait()?;
            if let Some(relay) = &mut relay {
                relay.drain();
            }
            return Ok(Held::Ended(exit));
        }
    }
}

/// What there is to do.
struct Readable {
    end: bool,
    signal: bool,
    input: bool,
    output: bool,
    word: bool,
}

fn wait(
    (end, signals): (BorrowedFd<'_>, BorrowedFd<'_>),
    relay: Option<&Relay>,
    notify: Option<&Notify>,
    deadline: Option<Instant>,
) -> Result<Readable> {
    let stdin = rustix::stdio::stdin();
    let mut fds = vec![PollFd::from_borrowed_fd(end, PollFlags::IN), PollFd::from_borrowed_fd(signals, PollFlags::IN)];
    let (mut input_at, mut output_at) = (None, None);
    if let Some(relay) = relay {
        if relay.output {
            output_at = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(relay.master.as_fd(), PollFlags::IN));
        }
        if relay.input {
            input_at = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
    }
    let word_at = notify.map(|notify| {
        fds.push(PollFd::new(notify, PollFlags::IN));
        fds.len() - 1
    });
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
    match poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => {
            let source = sys::Error::new("poll", "the container", errno);
            return Err(Error::System { what: "hold the container", source });
        }
    }
    let is = |at: Option<usize>| at.and_then(|at| fds.get(at)).is_some_and(|fd| !fd.revents().is_empty());
    Ok(Readable {
        end: is(Some(0)),
        signal: is(Some(1)),
        input: is(input_at),
        output: is(output_at),
        word: is(word_at),
    })
}

/// Bytes between our terminal and the container's.
struct Relay {
    master: OwnedFd,
    input: bool,
    output: bool,
    #[allow(dead_code, reason = "our terminal is as it was when it goes")]
    raw: Option<Raw>,
}

impl Relay {
    fn new(master: OwnedFd, how: Foreground) -> Result<Self> {
        let mut relay = Self { master, input: how.input, output: true, raw: None };
        relay.resize();
        relay.raw = if how.input { Raw::new(how.newlines)? } else { None };
        Ok(relay)
    }

    /// The container's window gets the size of ours.
    fn resize(&self) {
        for ours in [rustix::stdio::stdin(), rustix::stdio::stdout()] {
            if isatty(ours) {
                let _ = sys::signal::copy_window_size(ours, &self.master);
                return;
            }
        }
    }

    /// Moves what is there; true where what was typed says that we leave.
    fn turn(&mut self, input: bool, output: bool, typed: Typed<'_>) -> bool {
        if output {
            self.output = copy(self.master.as_fd(), rustix::stdio::stdout());
        }
        if !input {
            return false;
        }
        let mut buffer = [0; 16 << 10];
        let Some(bytes) = read(rustix::stdio::stdin(), &mut buffer) else {
            self.input = false;
            return false;
        };
        let (bytes, leave) = typed(bytes);
        self.input = write(self.master.as_fd(), &bytes);
        leave
    }

    /// What the container wrote before it ended is still in the terminal.
    fn drain(&mut self) {
        while self.output {
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            if !matches!(poll(&mut fds, Some(&now)), Ok(1..)) {
                return;
            }
            self.output = copy(self.master.as_fd(), rustix::stdio::stdout());
        }
    }
}

/// Moves what is there; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 16 << 10];
    read(from, &mut buffer).is_some_and(|bytes| write(to, bytes))
}

/// What is there; `None` at the end. A terminal whose last slave is closed reads as EIO.
fn read<'a>(from: BorrowedFd<'_>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match rustix::io::read(from, &mut *buffer) {
        Ok(0) => None,
        Ok(length) => buffer.get(..length),
        Err(Errno::INTR | Errno::AGAIN) => Some(&[]),
        Err(_) => None,
    }
}
