//! Whom to ask for names that are no container's: the servers of this machine's resolv.conf(5), or those of the network.

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send, socket_with,
};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How long a server is waited for before the next one is asked, as resolv.conf(5) has it, but for less patience.
const PATIENCE: Duration = Duration::from_secs(2);

/// The servers.
#[derive(Debug, Default, Clone)]
pub struct Servers {
    fixed: bool,
    seen: (i64, i64),
    all: Vec<SocketAddr>,
}

impl Servers {
    /// These, or those of the machine where none are given.
    pub fn new(given: &[IpAddr]) -> Self {
        let all = given.iter().map(|address| SocketAddr::new(*address, 53)).collect();
        Self { fixed: !given.is_empty(), seen: (0, 0), all }
    }

    /// All of them, as they are now.
    pub fn now(&mut self) -> &[SocketAddr] {
        if self.fixed {
            return &self.all;
        }
        let seen = std::fs::metadata(RESOLV_CONF).map_or((0, 0), |meta| (meta.mtime(), meta.mtime_nsec()));
        if seen != self.seen || self.all.is_empty() {
            self.seen = seen;
            let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
            self.all = read(&text);
        }
        &self.all
    }
}

fn read(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split(['#', ';']).next()?.split_whitespace();
        let address: IpAddr = words.next().filter(|word| *word == "nameserver").and(words.next())?.parse().ok()?;
        Some(SocketAddr::new(address, 53))
    };
    let all: Vec<_> = text.lines().filter_map(server).take(3).collect();
    // Without a server the one on this machine is meant (resolv.conf(5)).
    if all.is_empty() { vec![SocketAddr::from(([127, 0, 0, 1], 53))] } else { all }
}

/// A question on its way. Each has a socket of its own: its port is a part of what an answer has to know.
#[derive(Debug)]
pub struct Asked {
    socket: OwnedFd,
    /// As it came.
    pub question: Vec<u8>,
    /// Who has asked.
    pub asker: SocketAddr,
    servers: Vec<SocketAddr>,
    next: usize,
    /// When it is asked elsewhere.
    pub until: Instant,
}

impl Asked {
    /// Asks the first server.
    pub fn new(question: &[u8], asker: SocketAddr, servers: &[SocketAddr]) -> Option<Self> {
        let socket = Self::ask(question, *servers.first()?).or_else(|| Self::ask(question, *servers.get(1)?))?;
        let until = Instant::now() + PATIENCE;
        Some(Self { socket, question: question.to_vec(), asker, servers: servers.to_vec(), next: 1, until })
    }

    fn ask(question: &[u8], server: SocketAddr) -> Option<OwnedFd> {
        let family = if server.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP)).ok()?;
        connect(&socket, &server).ok()?;
        send(&socket, question, SendFlags::empty()).ok()?;
        Some(socket)
    }

    /// The answer, if it is one to this question.
    pub fn answer(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4096];
        let (length, _) = recv(&self.socket, bytes.as_mut_slice(), RecvFlags::empty()).ok()?;
        bytes.truncate(length);
        super::wire::answers(&self.question, &bytes).then_some(bytes)
    }

    /// Asks the next server; whether there was one.
    pub fn go_on(&mut self) -> bool {
        let Some(server) = self.servers.get(self.next) else { return false };
        self.next += 1;
        self.until = Instant::now() + PATIENCE;
        match Self::ask(&self.question, *server) {
            Some(socket) => {
                self.socket = socket;
                true
            }
            None => self.go_on(),
        }
    }
}

impl AsFd for Asked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Asks over TCP, for who asked so, too.
pub fn over_tcp(question: &[u8], servers: &[SocketAddr]) -> Option<Vec<u8>> {
    servers.iter().find_map(|server| {
        let mut stream = TcpStream::connect_timeout(server, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let length = u16::try_from(question.len()).ok()?;
        stream.write_all(&[&length.to_be_bytes(), question].concat()).ok()?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).ok()?;
        super::wire::answers(question, &answer).then_some(answer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_libc_reads_them() {
        let text = "# nameserver 9.9.9.9\nsearch x\nnameserver 192.0.2.1 # one\n nameserver\t::1\nnameserver x\n";
        let shown: Vec<_> = read(text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[::1]:53"]);
        assert_eq!(read("")[0].to_string(), "127.0.0.1:53");
    }
}
