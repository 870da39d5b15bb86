//! A container's standard streams, where nobody's own are handed to it: FIFOs in its run directory, or a terminal.
//!
//! The container holds its ends for reading and writing, so that a monitor that is killed takes nothing away: what is
//! written waits in the FIFO for the next one, who finds it by its name.

use crate::error::{Error, Result};
use crate::rundir::RunDir;
use crate::word::CHUNK;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Which stream it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Output,
    /// Standard error.
    Error,
}

/// The ends that a container gets.
#[derive(Debug)]
pub struct Ends {
    /// Its standard input; nothing is read from `/dev/null` where nobody is to write.
    pub input: OwnedFd,
    /// Its standard output.
    pub output: OwnedFd,
    /// Its standard error.
    pub error: OwnedFd,
}

const NAMES: [&str; 3] = ["in", "out", "err"];

/// The monitor's ends.
#[derive(Debug)]
pub struct Streams {
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    input: Option<OwnedFd>,
    /// What was to be written and found no room.
    rest: Vec<u8>,
    /// The input ends when the rest is written.
    ending: bool,
    terminal: bool,
}

impl Streams {
    /// FIFOs that belong to the container's user, and the ends of them that the container gets.
    pub fn make(run_dir: &RunDir, owner: (u32, u32), with_input: bool) -> Result<(Self, Ends)> {
        let failed = |name: &'static str| {
            let path = run_dir.path().join(name);
            move |source| Error::File { what: "make", path, source }
        };
        for name in NAMES {
            let _ = sys::fs::unlinkat(run_dir, name, AtFlags::empty());
        }
        let fifo = |name: &'static str| -> Result<()> {
            let made = sys::fs::mknodat(run_dir, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0);
            let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
            made.and_then(|()| sys::fs::fchownat(run_dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))
                .map_err(failed(name))
        };
        let open = |name: &'static str, flags| {
            sys::fs::open_beneath(run_dir, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(failed(name))
        };
        fifo("out")?;
        fifo("err")?;
        let (output, error) = (open("out", OFlags::RDWR)?, open("err", OFlags::RDWR)?);
        let ours = |name| open(name, OFlags::RDONLY | OFlags::NONBLOCK);
        let (input, to_input) = if with_input {
            fifo("in")?;
            // Neither end waits for the other: each is opened while both are there.
            let both = open("in", OFlags::RDWR)?;
            let to = open("in", OFlags::WRONLY | OFlags::NONBLOCK)?;
            let from = open("in", OFlags::RDONLY)?;
            drop(both);
            (from, Some(to))
        } else {
            let null = sys::fs::open("/dev/null", OFlags::RDONLY, Mode::empty());
            (null.map_err(failed("/dev/null"))?, None)
        };
        let streams = Self {
            output: Some(ours("out")?),
            error: Some(ours("err")?),
            input: to_input,
            rest: Vec::new(),
            ending: false,
            terminal: false,
        };
        Ok((streams, Ends { input, output, error }))
    }

    /// The FIFOs of a container whose monitor was killed, as far as it has any. Its input has ended with that.
    pub fn found(run_dir: &RunDir) -> Self {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let open = |name: &str| sys::fs::open_beneath(run_dir, name, flags, Mode::empty()).ok();
        let (output, error) = (open("out"), open("err"));
        Self { output, error, input: None, rest: Vec::new(), ending: false, terminal: false }
    }

    /// A terminal's master.
    pub fn of_terminal(master: OwnedFd, with_input: bool) -> Self {
        let _ = rustix::io::ioctl_fionbio(&master, true);
        let input = if with_input { master.try_clone().ok() } else { None };
        Self { output: Some(master), error: None, input, rest: Vec::new(), ending: false, terminal: true }
    }

    /// None: the container has those of whoever started it.
    pub fn none() -> Self {
        Self { output: None, error: None, input: None, rest: Vec::new(), ending: false, terminal: false }
    }

    /// The fds, to be sent to who holds the container: output and error, and the input's where there is one.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let input = self.input.as_ref().filter(|_| !self.terminal);
        [self.output.as_ref(), self.error.as_ref(), input].into_iter().flatten().map(AsFd::as_fd).collect()
    }

    /// The same streams from fds that came over a socket, in the order of [`Streams::fds`].
    pub fn from_fds(fds: Vec<OwnedFd>, terminal: bool, with_input: bool) -> Option<Self> {
        let mut fds = fds.into_iter();
        if terminal {
            return Some(Self::of_terminal(fds.next()?, with_input));
        }
        let (output, error, input) = (fds.next(), fds.next(), fds.next());
        Some(Self { output, error, input, rest: Vec::new(), ending: false, terminal: false })
    }

    /// It is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// What is to be waited for.
    pub fn poll_fds(&self, reading: bool) -> Vec<PollFd<'_>> {
        let read = [self.output.as_ref(), self.error.as_ref()].into_iter().flatten().filter(|_| reading);
        let write = self.input.iter().filter(|_| !self.rest.is_empty());
        let read = read.map(|fd| PollFd::new(fd, PollFlags::IN));
        read.chain(write.map(|fd| PollFd::new(fd, PollFlags::OUT))).collect()
    }

    /// Reads what is there, a chunk of each stream; false when there was nothing.
    pub fn read(&mut self, mut take: impl FnMut(Stream, &[u8])) -> bool {
        let mut found = false;
        let mut buffer = [0; CHUNK];
        for (stream, fd) in [(Stream::Output, &mut self.output), (Stream::Error, &mut self.error)] {
            let Some(open) = fd else { continue };
            match rustix::io::read(&*open, &mut buffer) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // A FIFO that nobody holds any more, or a terminal without a slave (EIO).
                Ok(0) | Err(_) => *fd = None,
                Ok(length) => {
                    found = true;
                    take(stream, buffer.get(..length).unwrap_or_default());
                }
            }
        }
        found
    }

    /// There is room for input, or nobody reads it.
    pub fn takes_input(&self) -> bool {
        self.rest.is_empty()
    }

    /// Writes input; what finds no room is kept.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.input.is_some() {
            self.rest.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// Writes what was kept.
    pub fn flush(&mut self) {
        while let Some(input) = self.input.as_ref().filter(|_| !self.rest.is_empty()) {
            match rustix::io::write(input, &self.rest) {
                Ok(written) => drop(self.rest.drain(..written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads it any more.
                Err(_) => {
                    self.rest.clear();
                    self.input = None;
                }
            }
        }
        if self.ending && self.rest.is_empty() {
            self.input = None;
        }
    }

    /// No more input comes. A terminal has no end of its own: there a character says so.
    pub fn end_input(&mut self) {
        if !self.terminal {
            self.ending = true;
            self.flush();
        }
    }

    /// The window's size.
    pub fn resize(&self, rows: u16, columns: u16) {
        if let Some(master) = self.output.as_ref().filter(|_| self.terminal) {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(master, size);
        }
    }
}
