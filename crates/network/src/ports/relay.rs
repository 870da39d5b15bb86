//! What comes to ports that the packet filter does not lead to the container is passed on here: by one thread, for all of
//! a container's ports, however many speak to it.

use super::Held;
use super::datagrams::{Flow, Flows};
use super::stream::{Next, Stream};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, acceptfrom_with, bind, connect, listen, socket_with, sockopt,
};
use rustix::time::Timespec;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// Where a container is, as who passes on to it has it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// It sees who speaks to it, and not who passes on: that one stands in for him. Where [`crate::furnish`] was called,
    /// and the packet filter leads the answers back.
    pub sees_clients: bool,
}

/// The mark of packets of whom we stand in for.
pub const SENT: u32 = 0x00c0_4ac1;
/// That of the answers to them, by which they are led back to us.
pub const ANSWERED: u32 = 0x00c0_4ac2;

impl Target {
    /// A socket on its way to the container's port, for this client.
    pub(super) fn reach(&self, kind: SocketType, port: u16, client: SocketAddr) -> rustix::io::Result<OwnedFd> {
        let same = self.addresses.iter().find(|address| address.is_ipv6() == client.is_ipv6());
        let stands_in = self.sees_clients && same.is_some() && !client.ip().is_loopback();
        let to = same.or(self.addresses.first()).ok_or(rustix::io::Errno::HOSTUNREACH)?;
        let family = if to.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let open = || socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None);
        let mut socket = open()?;
        if stands_in && !stand_in(&socket, client) {
            socket = open()?;
        }
        match connect(&socket, &SocketAddr::new(*to, port)) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
            Err(errno) => Err(errno),
        }
    }
}

/// Whether a socket sends from a client's address, and from his port if that is free.
fn stand_in(socket: &OwnedFd, client: SocketAddr) -> bool {
    let _ = sockopt::set_socket_reuseaddr(socket, true);
    sys::inet::stand_in(socket, client.is_ipv6(), SENT).is_ok()
        && (bind(socket, &client).is_ok() || bind(socket, &SocketAddr::new(client.ip(), 0)).is_ok())
}

/// The event that says that the container has ended.
const END: u64 = 0;

/// That of a port that passes on, by its place among all.
fn event_of(door: usize) -> EventData {
    EventData::new_u64(2 * (door as u64 + 1))
}

/// The number of a new stream or flow; the one behind it is its, too.
fn next(last: &mut u64) -> u64 {
    *last += 2;
    *last
}

/// Who passes on.
pub struct Relay<'a> {
    epoll: OwnedFd,
    doors: &'a [Held],
    target: Target,
    streams: BTreeMap<u64, Stream>,
    flows: Flows,
    /// Each stream and each flow has two numbers of its own, for its two sockets.
    next: u64,
    /// Streams that have more to do than was done at once.
    busy: BTreeSet<u64>,
    /// There was no fd for one more: nobody is let in until one has gone.
    full: bool,
    /// For the server of a client who took the last one.
    spare: Option<OwnedFd>,
    buffer: Vec<u8>,
}

/// How long nobody is let in where there was no fd for one more.
const FULL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Bytes that are passed on at once.
const AT_ONCE: usize = 128 << 10;

impl<'a> Relay<'a> {
    /// For these ports, until there is something to read from `end`.
    pub fn new(end: &OwnedFd, doors: &'a [Held], target: Target) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, end, EventData::new_u64(END), EventFlags::IN)?;
        let next = 2 * (doors.len() as u64 + 1);
        let relay = Self {
            epoll,
            doors,
            target,
            streams: BTreeMap::new(),
            flows: Flows::default(),
            next,
            busy: BTreeSet::new(),
            full: false,
            spare: None,
            buffer: Vec::new(),
        };
        for (number, door) in doors.iter().enumerate().filter(|(_, door)| door.inside.is_some()) {
            rustix::io::ioctl_fionbio(&door.socket, true)?;
            if door.streams {
                // What is left of connections to it is no obstacle here either; and who listens is one to everybody.
                sockopt::set_socket_reuseaddr(&door.socket, true)?;
                listen(&door.socket, 1024)?;
            } else {
                let _ = sys::inet::tell_target(&door.socket, door.ipv6);
            }
            epoll::add(&relay.epoll, &door.socket, event_of(number), EventFlags::IN)?;
        }
        Ok(relay)
    }

    /// Passes on what comes.
    pub fn run(&mut self) {
        let mut events = Vec::with_capacity(64);
        loop {
            let patience = match (self.busy.is_empty(), self.full) {
                (false, _) => Some(Timespec::default()),
                (true, true) => Some(FULL),
                (true, false) => self.flows.patience(),
            };
            events.clear();
            let waited = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), patience.as_ref());
            if waited.is_err_and(|errno| errno != rustix::io::Errno::INTR) {
                return;
            }
            if self.buffer.is_empty() && !events.is_empty() {
                self.buffer = vec![0; AT_ONCE];
            }
            if events.is_empty() {
                // Others may have let go of what there was none of.
                self.open_doors(true);
            }
            for event in &events {
                let (number, side, flags) = (event.data.u64() & !1, event.data.u64() & 1, event.flags);
                if number == END {
                    return;
                }
                let door = usize::try_from(number / 2 - 1).unwrap_or(usize::MAX);
                if let Some(held) = self.doors.get(door) {
                    if held.streams { self.let_in(held) } else { self.take(door, held) }
                } else if let Some(stream) = self.streams.get_mut(&number) {
                    stream.tell(side == 1, flags);
                    self.busy.insert(number);
                } else {
                    self.flows.answer(number, self.doors, &mut self.buffer);
                }
            }
            self.work();
            self.flows.forget(Instant::now());
        }
    }

    /// Clients that wait at a door.
    fn let_in(&mut self, door: &Held) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            if self.spare.is_none() {
                self.spare = rustix::io::dup(&self.epoll).ok();
            }
            if self.spare.is_none() {
                return self.open_doors(false);
            }
            let client = match acceptfrom_with(&door.socket, flags) {
                Ok((socket, from)) => from.and_then(|from| SocketAddr::try_from(from).ok()).map(|from| (socket, from)),
                Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => return self.open_doors(false),
                Err(rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            let (Some((client, from)), Some(port)) = (client, door.inside) else { continue };
            // What is left of it when we are gone is no obstacle for who takes the port next.
            let _ = sockopt::set_socket_reuseaddr(&client, true);
            let mut server = self.target.reach(SocketType::STREAM, port, from);
            if server.as_ref().is_err_and(|errno| *errno == rustix::io::Errno::MFILE) {
                self.spare = None;
                server = self.target.reach(SocketType::STREAM, port, from);
            }
            // Who cannot be led on learns it as he would from a port that nobody listens at.
            let Ok(server) = server else {
                super::stream::reset(&client);
                continue;
            };
            let number = next(&mut self.next);
            let stream = Stream::new(client, server);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let watch = |socket: &OwnedFd, side| {
                epoll::add(&self.epoll, socket, EventData::new_u64(number | side), flags).is_ok()
            };
            if stream.sockets().zip(0..).all(|(socket, side)| watch(socket, side)) {
                self.streams.insert(number, stream);
            }
        }
    }

    /// Hears who comes, or lets him wait.
    fn open_doors(&mut self, open: bool) {
        if self.full != open {
            return;
        }
        self.full = !open;
        let flags = if open { EventFlags::IN } else { EventFlags::empty() };
        for (number, door) in self.doors.iter().enumerate().filter(|(_, door)| door.inside.is_some() && door.streams) {
            let _ = epoll::modify(&self.epoll, &door.socket, event_of(number), flags);
        }
    }

    /// Datagrams that have come.
    fn take(&mut self, number: usize, door: &Held) {
        for _ in 0..256 {
            let Ok(Some(datagram)) = sys::inet::receive(&door.socket, &mut self.buffer) else { return };
            let client = (number, datagram.from, datagram.to);
            let bytes = self.buffer.get(..datagram.length).unwrap_or_default();
            if self.flows.send(client, bytes) {
                continue;
            }
            let Some(port) = door.inside else { return };
            let Ok(socket) = self.target.reach(SocketType::DGRAM, port, datagram.from) else { continue };
            let flow = next(&mut self.next);
            if epoll::add(&self.epoll, &socket, EventData::new_u64(flow), EventFlags::IN).is_ok() {
                self.flows.insert(flow, Flow::new(client, socket));
                self.flows.send(client, bytes);
            }
        }
    }

    /// A bit for everybody who has something to do.
    fn work(&mut self) {
        for number in std::mem::take(&mut self.busy) {
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            match stream.pass_on(&mut self.buffer) {
                Next::More => {
                    self.busy.insert(number);
                }
                Next::Wait => {}
                Next::Over => {
                    self.streams.remove(&number);
                    self.open_doors(true);
                }
            }
        }
    }
}
