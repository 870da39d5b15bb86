//! Who is attached to a container: the command that started it, `attach`, `wait`.
//!
//! Whoever takes what is written slowly slows the container down, as a pipe does. So that nobody stops it for ever, one
//! who takes nothing at all is let go after a while; only the command that started the container may take its time,
//! for it may stand in front of a pager.

use crate::error::Result;
use crate::outbox::Outbox;
use crate::rundir::RunDir;
use crate::word::Word;
use rustix::event::{PollFd, PollFlags};
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
    outbox: Outbox,
}

/// The socket's name in a run directory.
pub const SOCKET: &str = "attach";

impl Client {
    /// The command that started the container.
    pub fn starter(socket: OwnedFd, streams: bool, input: bool) -> Self {
        Self { socket, streams, input, patient: true, outbox: Outbox::default() }
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
        allowed.then(|| Self { socket, streams: false, input: false, patient: false, outbox: Outbox::default() })
    }

    /// Sends what waits; false when the other side is gone.
    fn flush(&mut self) -> bool {
        self.outbox.flush(&self.socket)
    }

    /// When our patience with it is at its end.
    fn late(&self) -> Option<Instant> {
        self.outbox.late(PATIENCE).filter(|_| !self.patient)
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
        self.all.iter().all(|client| client.outbox.is_empty())
    }

    /// What is to be waited for. `hearing` is whether input can be taken.
    pub fn poll_fds(&self, hearing: bool) -> Vec<PollFd<'_>> {
        let each = self.all.iter().map(|client| {
            let hears = hearing || !client.input;
            let write = if client.outbox.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(&client.socket, write | if hears { PollFlags::IN } else { PollFlags::empty() })
        });
        std::iter::once(PollFd::new(&self.listener, PollFlags::IN)).chain(each).collect()
    }

    /// When somebody's patience with us, or ours with somebody, is at its end.
    pub fn deadline(&self) -> Option<Instant> {
        self.all.iter().filter_map(Client::late).min()
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
            if client.late().is_some_and(|late| now >= late) {
                return false;
            }
            if (hearing || !client.input) && ready(&client.socket) {
                match Word::receive(&client.socket) {
                    Ok(Some(Word::Hello { streams, input })) => (client.streams, client.input) = (streams, input),
                    Ok(Some(Word::Input(_) | Word::InputEnd)) if !client.input => {}
                    Ok(Some(word)) => {
                        if let Some(answer) = said(word) {
                            client.outbox.push(&answer);
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
            client.outbox.push_bytes(bytes.clone());
            client.flush()
        });
    }

    /// Waits until everybody has been told everything, as long as there is patience.
    pub fn finish(&mut self) {
        loop {
            self.all.retain_mut(|client| {
                client.flush() && !client.outbox.is_empty() && client.late().is_none_or(|late| Instant::now() < late)
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
