//! One connection that is passed on: both ways, each to its end.

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A client and a server.
pub struct Stream {
    ends: [End; 2],
}

struct End {
    socket: OwnedFd,
    /// As far as we know.
    readable: bool,
    writable: bool,
    /// It has said all that it is going to.
    silent: bool,
    /// It was told that the other has.
    told: bool,
    /// What it has not taken yet; nothing more is read for it meanwhile.
    rest: Vec<u8>,
}

/// What is to be done with a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Others first, then it again.
    More,
    /// Nothing until something happens.
    Wait,
    /// It has ended.
    Over,
}

/// How often it is read from in turn, before others are.
const TURNS: usize = 8;

impl Stream {
    /// Between these, of which neither blocks.
    pub fn new(client: OwnedFd, server: OwnedFd) -> Self {
        let end = |socket| {
            let _ = sockopt::set_tcp_nodelay(&socket, true);
            End { socket, readable: false, writable: false, silent: false, told: false, rest: Vec::new() }
        };
        Self { ends: [end(client), end(server)] }
    }

    /// Both, the client first.
    pub fn sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        self.ends.iter().map(|end| &end.socket)
    }

    /// Something happened at one of them.
    pub fn tell(&mut self, server: bool, flags: EventFlags) {
        let end = &mut self.ends[usize::from(server)];
        let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        end.readable |= failed || flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        end.writable |= failed || flags.contains(EventFlags::OUT);
    }

    /// Passes on what there is, a part of it if it is much.
    pub fn pass_on(&mut self, buffer: &mut [u8]) -> Next {
        let [client, server] = &mut self.ends;
        let (Ok(forth), Ok(back)) = (one_way(client, server, buffer), one_way(server, client, buffer)) else {
            // The server is not there, or one of both has gone without a word: the other learns it in the same way.
            reset(&client.socket);
            reset(&server.socket);
            return Next::Over;
        };
        if self.ends.iter().all(|end| end.told) {
            Next::Over
        } else if [forth, back].contains(&Next::More) {
            Next::More
        } else {
            Next::Wait
        }
    }
}

fn one_way(from: &mut End, to: &mut End, buffer: &mut [u8]) -> Result<Next, Errno> {
    for _ in 0..TURNS {
        if !to.writable {
            return Ok(Next::Wait);
        }
        if !to.rest.is_empty() {
            let sent = say(to, None)?;
            to.rest.drain(..sent);
            continue;
        }
        if from.silent {
            if !to.told {
                to.told = true;
                shutdown(&to.socket, Shutdown::Write)?;
            }
            return Ok(Next::Wait);
        }
        if !from.readable {
            return Ok(Next::Wait);
        }
        match recv(&from.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => from.silent = true,
            Ok((length, _)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let sent = say(to, Some(bytes))?;
                to.rest.extend_from_slice(bytes.get(sent..).unwrap_or_default());
            }
            Err(Errno::AGAIN) => from.readable = false,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(Next::More)
}

/// Says something to an end, or what it has not taken yet; comes back with how much it took.
fn say(to: &mut End, bytes: Option<&[u8]>) -> Result<usize, Errno> {
    match send(&to.socket, bytes.unwrap_or(&to.rest), SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN) => {
            to.writable = false;
            Ok(0)
        }
        Err(Errno::INTR) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// When it is closed, the other side is told that this was no orderly end.
pub fn reset(socket: impl AsFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
