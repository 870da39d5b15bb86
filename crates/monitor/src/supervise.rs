//! Holding a container that nobody's terminal holds: one small process, which starts nothing itself.
//!
//! Whatever has to be made, the container and what is run in it, a child of this process makes, and clones as this
//! one's child (CLONE_PARENT): so it can wait for it, and stays as small as it was born.

use crate::clients::{Client, Clients};
use crate::error::{Error, Result};
use crate::log;
use crate::rundir::RunDir;
use crate::streams::{Stream, Streams};
use crate::word::Word;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;
use sys::process::Exit;

/// What a monitor has in hand.
#[derive(Debug)]
pub struct Supervisor {
    clients: Clients,
    log: log::Writer,
    /// Somebody has said that the next end is the last.
    last: bool,
    /// The input ends for the container when it does for whoever started it.
    input_ends: bool,
}

/// What is done for a container beside while it runs.
pub trait Chore {
    /// When there is something to do, if nothing happens before.
    fn due(&self) -> Option<Instant>;
    /// What it waits for, to be read.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;
    /// Does what there is to do, without waiting.
    fn turn(&mut self, life: &mut Life);
}

/// Nothing.
impl Chore for () {
    fn due(&self) -> Option<Instant> {
        None
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn turn(&mut self, _life: &mut Life) {}
}

/// A container whose process is there.
#[derive(Debug)]
pub struct Life {
    /// Its first process, our child.
    pub pidfd: OwnedFd,
    /// Its streams.
    pub streams: Streams,
    /// It is killed then.
    pub deadline: Option<Instant>,
}

const SIGKILL: i32 = 9;

impl Supervisor {
    /// Listens in the run directory; `starter` is who waits for the start.
    pub fn new(run_dir: &RunDir, starter: Option<Client>, log: log::Writer, input_ends: bool) -> Result<Self> {
        Ok(Self { clients: Clients::listen(run_dir, starter)?, log, last: false, input_ends })
    }

    /// Holds the container until its process ends, and reaps it. How it ended nobody can say of a process that is not our
    /// child, where the kernel does not (before Linux 6.15).
    pub fn hold(&mut self, life: &mut Life, chore: &mut dyn Chore) -> Result<Option<Exit>> {
        loop {
            let (reading, hearing) = (self.clients.take_more(), life.streams.takes_input());
            let mut fds = vec![PollFd::new(&life.pidfd, PollFlags::IN)];
            fds.extend(life.streams.poll_fds(reading));
            fds.extend(self.clients.poll_fds(hearing));
            fds.extend(chore.fds().into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            let deadline = [life.deadline, self.clients.deadline(), chore.due()].into_iter().flatten().min();
            wait(&mut fds, deadline)?;
            let ended = !fds[0].revents().is_empty();
            drop(fds);
            self.turn(Some(life));
            chore.turn(life);
            if life.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                let _ = sys::process::pidfd_send_signal(&life.pidfd, SIGKILL);
                life.deadline = None;
            }
            if ended {
                let exit = sys::process::wait(&life.pidfd).ok().or_else(|| sys::process::pidfd_exit(&life.pidfd));
                self.drain(life);
                return Ok(exit);
            }
        }
    }

    /// What it has written before it ended is still in the pipes. Whoever takes it slowly is waited for.
    fn drain(&mut self, life: &mut Life) {
        loop {
            if self.clients.take_more() {
                if !self.read(&mut life.streams) {
                    return;
                }
                continue;
            }
            let mut fds = self.clients.poll_fds(false);
            let _ = wait(&mut fds, self.clients.deadline());
            drop(fds);
            self.turn(None);
        }
    }

    /// Waits until then, or until somebody says that there is to be no other life; tells whether there is.
    pub fn rest(&mut self, until: Instant) -> Result<bool> {
        while !self.last && Instant::now() < until {
            let mut fds = self.clients.poll_fds(true);
            wait(&mut fds, Some(self.clients.deadline().map_or(until, |deadline| deadline.min(until))))?;
            drop(fds);
            self.turn(None);
        }
        Ok(!self.last)
    }

    /// Somebody has said that the next end is the last.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Tells everybody who is attached.
    pub fn tell(&mut self, word: &Word) {
        self.clients.tell(word);
    }

    /// Lets everybody go who has been told everything.
    pub fn finish(mut self) {
        self.clients.finish();
    }

    /// Does what there is to do, without waiting.
    fn turn(&mut self, life: Option<&mut Life>) {
        let Some(life) = life else {
            let last = &mut self.last;
            self.clients.turn(true, |word| hear(word, None, last, false));
            return;
        };
        life.streams.flush();
        let (last, ends) = (&mut self.last, self.input_ends);
        self.clients.turn(life.streams.takes_input(), |word| hear(word, Some(life), last, ends));
        if self.clients.take_more() {
            self.read(&mut life.streams);
        }
    }

    fn read(&mut self, streams: &mut Streams) -> bool {
        let (log, clients) = (&mut self.log, &mut self.clients);
        streams.read(|stream, bytes| {
            log.write(stream, bytes);
            clients.tell(&match stream {
                Stream::Output => Word::Output(bytes.to_vec()),
                Stream::Error => Word::ErrorOutput(bytes.to_vec()),
            });
        })
    }
}

fn hear(word: Word, life: Option<&mut Life>, last: &mut bool, input_ends: bool) -> Option<Word> {
    match (word, life) {
        (Word::Last, _) => {
            *last = true;
            return Some(Word::Last);
        }
        (Word::Signal(number), Some(life)) => {
            let _ = sys::process::pidfd_send_signal(&life.pidfd, number);
        }
        (Word::Input(bytes), Some(life)) => life.streams.write(&bytes),
        (Word::InputEnd, Some(life)) if input_ends => life.streams.end_input(),
        (Word::Size(rows, columns), Some(life)) => life.streams.resize(rows, columns),
        _ => {}
    }
    None
}

fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<()> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
    match poll(fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(Error::system("hold the container")(sys::Error::new("poll", "the container", errno))),
    }
}
