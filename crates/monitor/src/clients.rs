//! Who is attached to a container: the command that started it, `attach`, `wait`.
//!
//! Whoever takes what is written slowly slows the container down, as a pipe does. So that nobody stops it for ever, one
//! who takes nothing at all is let go after a while; only the command that started the container may take its time,
//! for it may stand in front of a pager.

use crate::error::Result;
use crate::rundir::RunDir;
use crate::word::Word;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long somebody may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of them.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    streams: bool,
    input: bool,
    patient: bool,
    /// What is still to be sent, and since when nothing of it could be.
    waiting: VecDeque<Vec<u8>>,
    since: Instant,
}

/// The socket's name in a run directory.
pub const SOCKET: &str = "attach";

impl Client {
    /// The command that started the container.
    pub fn starter(socket: OwnedFd, streams: bool, input: bool) -> Self {
        Self { socket, streams, input, patient: true, waiting: VecDeque::new(), since: Instant::now() }
    }

    /// Tells only this one, who waits for it.
    pub fn tell(self, word: &Word) {
        let _ = word.send(&self.socket);
    }

    /// Whoever has connected; none but our own user and root may.
    fn accepted(socket: OwnedFd) -> Option<Self> {
        let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
        let ours = rustix::process::geteuid();
        let allowed = peer.uid.is_root() || peer.uid == ours;
        allowed.then(|| Self {
            socket,
            streams: false,
            input: false,
            patient: false,
            waiting: VecDeque::new(),
            since: Instant::now(),
        })
    }

    /// Sends what waits; false when the other side is gone.
    fn flush(&mut self) -> bool {
        while let Some(bytes) = self.waiting.front() {
            let sent = rustix::net::send(
                &self.socket,
                bytes,
                rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT,
            );
            match sent {
                Ok(_) => {
                    self.waiting.pop_front();
                    self.since = Instant::now();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

/// All of them, and the socket at which more come.
#[derive(Debug)]
pub struct Clients {
    listener: OwnedFd,
    all: Vec<Client>,
}

impl Clients {
    /// Listens in a run directory.
    pub fn listen(run_dir: &RunDir, first: Option<Client>) -> Result<Self> {
        let _ = sys::fs::unlinkat(run_dir, SOCKET, rustix::fs::AtFlags::empty());
        let listener = sys::socket::listen_in(run_dir, SOCKET).map_err(|source| crate::Error::File {
            what: "listen at",
            path: run_dir.path().join(SOCKET),
            source,
        })?;
        Ok(Self { listener, all: first.into_iter().collect() })
    }

    /// The streams may be read: nobody waits for room.
    pub fn take_more(&self) -> bool {
        self.all.iter().all(|client| client.waiting.is_empty())
    }

    /// What is to be waited for. `hearing` is whether input can be taken.
    pub fn poll_fds(&self, hearing: bool) -> Vec<PollFd<'_>> {
        let each = self.all.iter().map(|client| {
            let hears = hearing || !client.input;
            let write = if client.waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(&client.socket, write | if hears { PollFlags::IN } else { PollFlags::empty() })
        });
        std::iter::once(PollFd::new(&self.listener, PollFlags::IN)).chain(each).collect()
    }

    /// When somebody's patience with us, or ours with somebody, is at its end.
    pub fn deadline(&self) -> Option<Instant> {
        let late = self.all.iter().filter(|client| !client.patient && !client.waiting.is_empty());
        late.map(|client| client.since + PATIENCE).min()
    }

    /// Takes in who comes, sends what waits, and passes on what is said.
    pub fn turn(&mut self, hearing: bool, mut said: impl FnMut(Word) -> Option<Word>) {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        let ready = |fd: &OwnedFd| {
            let mut fds = [PollFd::new(fd, PollFlags::IN)];
            let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
        };
        if ready(&self.listener)
            && let Ok(socket) = rustix::net::accept_with(&self.listener, flags)
        {
            self.all.extend(Client::accepted(socket));
        }
        let now = Instant::now();
        self.all.retain_mut(|client| {
            if !client.flush() {
                return false;
            }
            let late = !client.patient && !client.waiting.is_empty() && now >= client.since + PATIENCE;
            if late {
                return false;
            }
            if (hearing || !client.input) && ready(&client.socket) {
                match Word::receive(&client.socket) {
                    Ok(Some(Word::Hello { streams, input })) => (client.streams, client.input) = (streams, input),
                    Ok(Some(Word::Input(_) | Word::InputEnd)) if !client.input => {}
                    Ok(Some(word)) => {
                        if let Some(answer) = said(word) {
                            client.waiting.push_back(answer.bytes());
                        }
                    }
                    Ok(None) | Err(_) => return false,
                }
            }
            client.flush()
        });
    }

    /// Tells everybody, those who want the streams alone if it is of these.
    pub fn tell(&mut self, word: &Word) {
        let of_streams = matches!(word, Word::Output(_) | Word::ErrorOutput(_));
        let bytes = word.bytes();
        self.all.retain_mut(|client| {
            if of_streams && !client.streams {
                return true;
            }
            if client.waiting.is_empty() {
                client.since = Instant::now();
            }
            client.waiting.push_back(bytes.clone());
            client.flush()
        });
    }

    /// Waits until everybody has been told everything, as long as there is patience.
    pub fn finish(&mut self) {
        loop {
            self.all.retain_mut(|client| {
                client.flush() && !client.waiting.is_empty() && (client.patient || client.since.elapsed() < PATIENCE)
            });
            if self.all.is_empty() {
                return;
            }
            let mut fds: Vec<PollFd<'_>> =
                self.all.iter().map(|client| PollFd::from_borrowed_fd(client.socket.as_fd(), PollFlags::OUT)).collect();
            let second = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
            let _ = rustix::event::poll(&mut fds, Some(&second));
        }
    }
}
