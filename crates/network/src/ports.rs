//! Ports of this machine that lead to containers: taken by binding them, so that whoever else wants one learns that it is
//! in use, and held by a small process that ends with the container.

mod datagrams;
mod relay;
mod stream;

pub use relay::{ANSWERED, SENT, Target};

use crate::error::{Error, Result};
use crate::networks::Networks;
use crate::published::{Port, Protocol};
use relay::Relay;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A port that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The machine's address; none is every one of both families.
    pub at: Option<IpAddr>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The first free one of these, first and last; none is any.
    pub host: Option<(u16, u16)>,
    /// The container's.
    pub inside: u16,
    /// What comes is passed on by the process that holds it, so that the machine's own rules for what comes in count.
    pub passed: bool,
}

/// Ports that were taken, and the sockets that hold them.
#[derive(Debug, Default)]
pub struct Taken {
    /// Which lead where.
    pub ports: Vec<Port>,
    sockets: Vec<Held>,
}

/// A socket that holds a port.
#[derive(Debug)]
struct Held {
    socket: OwnedFd,
    ipv6: bool,
    streams: bool,
    /// The container's port, where what comes to this socket is passed on: what is for ::1, or all of it.
    inside: Option<u16>,
}

/// `RLIMIT_NOFILE` (getrlimit(2)).
const NOFILE: u64 = 7;

/// Who has held a port for a container that has just ended may take a moment to go: how often, and after which time, it
/// is asked for again.
const TRIES: usize = 4;
const GOING: Duration = Duration::from_millis(10);

/// Takes ports. Those of SCTP are only looked up in the packet filter: a kernel without it has no sockets for them.
pub fn take(networks: &Networks, wanted: &[Wanted]) -> Result<Taken> {
    let mut taken = Taken::default();
    for wish in wanted {
        let (first, last) = wish.host.unwrap_or((0, 0));
        let mut refused = None;
        let mut free = || {
            (first..=last).find_map(|port| match hold(wish.at, wish.protocol, port) {
                Ok(held) => Some(held),
                Err(error) => {
                    refused = Some(error);
                    None
                }
            })
        };
        let mut found = free();
        for _ in 0..TRIES {
            if found.is_some() {
                break;
            }
            std::thread::sleep(GOING);
            found = free();
        }
        let Some((port, sockets)) = found else {
            let source = refused.unwrap_or_else(|| sys::Error::new("bind", "", sys::Errno::ADDRINUSE));
            let in_use = source.errno == sys::Errno::ADDRINUSE;
            let owner = || networks.publisher(wish.protocol, first).or_else(|| owner(wish.protocol, first));
            let owner = in_use.then(owner).flatten();
            return Err(Error::Port { port: name(wish), owner, source });
        };
        let Wanted { at, protocol, inside, passed, .. } = *wish;
        taken.ports.push(Port { at, protocol, port, inside, passed });
        let streams = wish.protocol == Protocol::Tcp;
        taken.sockets.extend(sockets.into_iter().map(|(ipv6, socket)| {
            let passes = passed || (ipv6 && at.is_none_or(|at| at.is_loopback()));
            Held { socket, ipv6, streams, inside: passes.then_some(inside) }
        }));
    }
    Ok(taken)
}

fn name(wish: &Wanted) -> String {
    let at = wish.at.map(|at| if at.is_ipv6() { format!("[{at}]:") } else { format!("{at}:") }).unwrap_or_default();
    match wish.host {
        Some((first, last)) if first != last => format!("{at}{first}-{last}/{}", wish.protocol),
        Some((port, _)) => format!("{at}{port}/{}", wish.protocol),
        None => format!("{at}any/{}", wish.protocol),
    }
}

/// Binds a port at an address, or at every one of both families; port 0 is any that is free.
fn hold(at: Option<IpAddr>, protocol: Protocol, port: u16) -> sys::Result<(u16, Vec<(bool, OwnedFd)>)> {
    if protocol == Protocol::Sctp {
        return Ok((port, Vec::new()));
    }
    if let Some(at) = at {
        let (port, socket) = one(at, protocol, port)?;
        return Ok((port, vec![(at.is_ipv6(), socket)]));
    }
    let (port, first) = one(Ipv4Addr::UNSPECIFIED.into(), protocol, port)?;
    match one(Ipv6Addr::UNSPECIFIED.into(), protocol, port) {
        Ok((_, second)) => Ok((port, vec![(false, first), (true, second)])),
        Err(error) if matches!(error.errno, sys::Errno::AFNOSUPPORT | sys::Errno::ADDRNOTAVAIL) => {
            Ok((port, vec![(false, first)]))
        }
        Err(error) => Err(error),
    }
}

fn one(at: IpAddr, protocol: Protocol, port: u16) -> sys::Result<(u16, OwnedFd)> {
    let address = SocketAddr::new(at, port);
    let failed = |call| move |errno| sys::Error::new(call, address.to_string(), errno);
    let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let (kind, protocol) = match protocol {
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        _ => (SocketType::STREAM, ipproto::TCP),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol)).map_err(failed("socket"))?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true).map_err(failed("setsockopt"))?;
    }
    // What a server that is gone has left of its connections is no obstacle; but the next who wants this port shall find
    // one in us, whatever he allows.
    let streams = kind == SocketType::STREAM;
    if streams {
        sockopt::set_socket_reuseaddr(&socket, true).map_err(failed("setsockopt"))?;
    }
    bind(&socket, &address).map_err(failed("bind"))?;
    if streams {
        sockopt::set_socket_reuseaddr(&socket, false).map_err(failed("setsockopt"))?;
    }
    let port = match getsockname(&socket).map_err(failed("getsockname")).map(SocketAddr::try_from)? {
        Ok(bound) => bound.port(),
        Err(_) => port,
    };
    Ok((port, socket))
}

impl Taken {
    /// Leaves the ports to a process of their own, until the container's first process ends. Who starts it goes on. It
    /// passes on to the container what the packet filter does not: what comes for ::1, which that can lead nowhere else,
    /// and all that is to be passed on. Comes back with its number.
    pub fn guard(self, pidfd: &OwnedFd, target: Target) -> Result<Option<i32>> {
        if self.sockets.is_empty() {
            return Ok(None);
        }
        let sockets = self.sockets;
        let guard = || {
            let kept: Vec<_> = sockets.iter().map(|held| &held.socket).chain([pidfd]).map(AsFd::as_fd).collect();
            if sys::detached::apart(&kept).is_err() {
                return 1;
            }
            // Each that speaks to it costs two.
            let _ = sys::process::prlimit(NOFILE, None)
                .and_then(|(_, most)| sys::process::prlimit(NOFILE, Some((most, most))));
            sys::memory::let_go();
            match Relay::new(pidfd, &sockets, target) {
                Ok(mut relay) => relay.run(),
                Err(_) => drop(poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None)),
            }
            0
        };
        sys::process::fork(guard).map(|child| Some(child.pid)).map_err(Error::system("hold the published ports"))
    }
}

/// As much of a command as fits a message.
const LONGEST: usize = 80;

/// The program that has a port, as far as /proc tells us.
fn owner(protocol: Protocol, port: u16) -> Option<String> {
    let table = match protocol {
        Protocol::Udp => "udp",
        _ => "tcp",
    };
    let (inode, user) = ["", "6"].iter().find_map(|family| {
        let table = std::fs::read_to_string(format!("/proc/net/{table}{family}")).ok()?;
        table.lines().skip(1).find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let bound = u16::from_str_radix(words.get(1)?.rsplit_once(':')?.1, 16).ok()?;
            // A connection has the port of who accepted it, and one that is over has no process (proc_pid_net(5)).
            let listens = protocol == Protocol::Udp || words.get(3) == Some(&"0A");
            (bound == port && listens)
                .then(|| Some((format!("socket:[{}]", words.get(9)?), words.get(7)?.to_string())))?
        })
    })?;
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let fds = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target.as_os_str() == inode.as_str()) {
            let read = |file| std::fs::read_to_string(process.path().join(file)).unwrap_or_default();
            let (name, command) = (read("comm"), read("cmdline").trim_end_matches('\0').replace('\0', " "));
            let command: String = command.chars().take(LONGEST).collect();
            let who = if command.is_empty() { name.trim() } else { command.as_str() };
            return Some(format!("{who} (process {pid})"));
        }
    }
    // Only root may see which process of somebody else's it is.
    Some(format!("a process of user {user}"))
}
