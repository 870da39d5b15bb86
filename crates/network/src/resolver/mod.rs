//! The resolver of a network: a small process that tells its containers each other's names, and asks on for all others.
//!
//! It is started with the first container that comes, and ends some time after the last has left. To them it is
//! [`RESOLVER`], in every network that has IPv4, and else [`RESOLVER6`]. It listens in a network namespace of its own on the network's bridge, so that no firewall
//! of the machine stands between, no port of the machine is taken, and an internal network has its names as well. Whom it
//! asks on it reaches from the machine's own namespace; the resolver of an internal network asks nobody.

mod names;
mod upstream;
mod wire;

use crate::endpoint::{OUTSIDE, RESOLVER, RESOLVER6, mac_of};
use crate::error::{Error, Result};
use crate::files;
use crate::inside;
use crate::networks::Networks;
use crate::record::Network;
use names::Names;
use netlink::{Address, End, Path as Way, Route};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, accept_with, bind, ipproto, listen, recvfrom, sendto,
    socket_with,
};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use upstream::{Asked, Servers};
use wire::{NXDOMAIN, PTR, Query, SERVFAIL};

const PORT: u16 = 53;

/// How long a network may have no container before its resolver ends.
const IDLE: Duration = Duration::from_secs(10);

/// How many questions are on their way at once; a question more is not heard.
const MOST_ASKED: usize = 512;
/// How many askers come over TCP at once.
const MOST_STREAMS: usize = 64;
/// How long one of them may take.
const STREAM: Duration = Duration::from_secs(5);

/// In a network's directory: held by its resolver.
const LOCK: &str = "resolver";

/// Sees to it that a network has its resolver, at this address and on this bridge. Its directory is held by the caller, together with others.
pub fn ensure(networks: &Networks, network: &Network, dir: &Path, at: IpAddr, bridge: u32) -> Result<()> {
    let path = dir.join(LOCK);
    let lock = files::open_lock(&path)?;
    match files::lock(&lock, FlockOperation::NonBlockingLockExclusive, &path) {
        Err(Error::File { source, .. }) if source.errno == sys::Errno::WOULDBLOCK => return Ok(()),
        other => other?,
    }
    let child = |ready: OwnedFd| {
        if sys::detached::apart(&[lock.as_fd(), ready.as_fd()]).is_err() {
            return 1;
        }
        let Ok(mut resolver) = Resolver::new(networks, network, dir, at, bridge) else { return 1 };
        let _ = sys::socket::release(&ready);
        drop(ready);
        resolver.serve();
        0
    };
    let (ready, _child) = sys::process::fork_connected(child).map_err(Error::system("start the resolver"))?;
    match sys::socket::receive::<1>(&ready) {
        Ok(Some(_)) => Ok(()),
        _ => Err(Error::Resolver(network.name.clone())),
    }
}

/// A network has its resolver: it is in this directory.
pub fn lives(dir: &Path) -> bool {
    let Ok(file) = sys::fs::open(dir.join(LOCK), OFlags::RDWR, Mode::empty()) else { return false };
    rustix::fs::flock(file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Where the containers of a network find its resolver, if it has one.
pub fn address(network: &Network) -> Option<IpAddr> {
    network.bridge().filter(|_| network.names)?;
    let has = |ipv6| network.range(ipv6).is_some();
    if has(false) { Some(RESOLVER.into()) } else { has(true).then_some(RESOLVER6.into()) }
}

/// The way of a container to it.
pub fn way(resolver: IpAddr, link: u32) -> Way {
    Way { to: (resolver, whole(resolver)), gateway: None, link, metric: 0 }
}

/// As many bits as an address has.
fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[derive(Debug)]
struct Resolver {
    network: Network,
    dir: OwnedFd,
    datagrams: OwnedFd,
    streams: OwnedFd,
    names: Arc<Mutex<Names>>,
    servers: Servers,
    asked: Vec<Asked>,
    open: Arc<Mutex<usize>>,
}

/// What becomes of a question.
enum Told {
    /// This is the answer.
    Here(Vec<u8>),
    /// Others are asked.
    Elsewhere,
}

impl Resolver {
    fn new(networks: &Networks, network: &Network, path: &Path, at: IpAddr, bridge: u32) -> Result<Self> {
        let failed = |what| Error::kernel(&network.name, what);
        let own = inside::own().map_err(Error::system("find the machine's network namespace"))?;
        sys::process::unshare(sys::process::namespace::NET)
            .map_err(Error::system("make the resolver's network namespace"))?;
        let there = inside::own().map_err(Error::system("find the resolver's network namespace"))?;
        sys::process::setns(&own, sys::process::namespace::NET).map_err(Error::system("leave it"))?;
        let mut inner = inside::route(&network.name, &there, at.is_ipv6())?;
        let name = format!("{OUTSIDE}{}resolver", network.id.get(..4).unwrap_or_default());
        let alias = Some("coracle resolver");
        let end = End { name: &name, mtu: network.mtu, master: Some(bridge), plain: true, alias, ..End::default() };
        let mac = Some(mac_of(at));
        let peer = End { name: "eth0", mac, mtu: network.mtu, namespace: Some(there.as_fd()), ..End::default() };
        let mut outer = Route::open().map_err(failed("ask for devices"))?;
        // One whose namespace is about to go may be there yet.
        let start = Instant::now();
        loop {
            match outer.add_pair(&end, &peer) {
                Err(error) if error.errno() == Some(sys::Errno::EXIST) && start.elapsed() < Duration::from_secs(1) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                made => break made.map_err(failed("make the resolver's device"))?,
            }
        }
        let link = inner.link("eth0").map_err(failed("find the resolver's device"))?.index;
        let subnets = network.ranges.iter().map(|range| range.subnet).filter(|subnet| subnet.is_ipv6() == at.is_ipv6());
        let on_link = |subnet: crate::subnet::Subnet| Way {
            to: (subnet.address(), subnet.prefix()),
            gateway: None,
            link,
            metric: 0,
        };
        let ways: Vec<_> = subnets.map(on_link).collect();
        let address = Address::new(at, whole(at));
        inner.equip(link, &[address], &ways).map_err(failed("give the resolver its address"))?;
        let (datagrams, streams) = {
            let _there = inside::Inside::enter(&there)?;
            (socket(at, SocketType::DGRAM)?, socket(at, SocketType::STREAM)?)
        };
        let dir = sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        Ok(Self {
            network: network.clone(),
            dir: dir.map_err(Error::file("open", path))?,
            datagrams,
            streams,
            names: Arc::new(Mutex::new(Names::of(networks.clone(), &network.name))),
            servers: match networks.server() {
                Some(server) if network.servers.is_empty() => Servers::new(&[server]),
                _ => Servers::new(&network.servers),
            },
            asked: Vec::new(),
            open: Arc::new(Mutex::new(0)),
        })
    }

    /// Answers, until nobody has been there for a while.
    fn serve(&mut self) {
        let mut alone = None;
        loop {
            self.wait();
            self.hear();
            self.meet();
            self.look();
            let empty = self.names.lock().is_ok_and(|mut names| names.is_empty());
            if !empty || !self.asked.is_empty() {
                alone = None;
                continue;
            }
            let since = *alone.get_or_insert_with(Instant::now);
            // Who comes meanwhile holds the network's directory, and starts the next one when this is gone.
            if since.elapsed() >= IDLE && rustix::fs::flock(&self.dir, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                if self.names.lock().is_ok_and(|mut names| names.is_empty()) {
                    return;
                }
                let _ = rustix::fs::flock(&self.dir, FlockOperation::Unlock);
            }
        }
    }

    fn wait(&self) {
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.datagrams.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.streams.as_fd(), PollFlags::IN),
        ];
        fds.extend(self.asked.iter().map(|asked| PollFd::from_borrowed_fd(asked.as_fd(), PollFlags::IN)));
        let next = self.asked.iter().map(|asked| asked.until).min();
        let left = next.map_or(IDLE / 2, |next| next.saturating_duration_since(Instant::now()).min(IDLE / 2));
        let left = rustix::time::Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let _ = poll(&mut fds, Some(&left));
    }

    /// Questions in datagrams, as many as have come.
    fn hear(&mut self) {
        let mut bytes = [0; 4096];
        for _ in 0..256 {
            let Ok((length, _, Some(from))) = recvfrom(&self.datagrams, bytes.as_mut_slice(), RecvFlags::empty())
            else {
                return;
            };
            let (Some(question), Ok(asker)) = (bytes.get(..length), SocketAddr::try_from(from)) else { continue };
            let Some(query) = Query::read(question) else { continue };
            let told = self
                .names
                .lock()
                .map(|mut names| tell(&self.network, &mut names, &query, question, asker.ip(), query.limit));
            match told {
                Ok(Told::Here(answer)) => self.say(&answer, asker),
                Ok(Told::Elsewhere) if self.asked.len() < MOST_ASKED => {
                    match Asked::new(question, asker, self.servers.now()) {
                        Some(asked) => self.asked.push(asked),
                        None => self.say(&query.fails(question, SERVFAIL), asker),
                    }
                }
                _ => {}
            }
        }
    }

    fn say(&self, answer: &[u8], to: SocketAddr) {
        let _ = sendto(&self.datagrams, answer, SendFlags::DONTWAIT, &to);
    }

    /// Answers of others; a server that says nothing is not waited for.
    fn look(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.retain_mut(|asked| {
            if let Some(answer) = asked.answer() {
                self.say(&answer, asked.asker);
                return false;
            }
            if asked.until > Instant::now() || asked.go_on() {
                return true;
            }
            if let Some(query) = Query::read(&asked.question) {
                self.say(&query.fails(&asked.question, SERVFAIL), asked.asker);
            }
            false
        });
        self.asked = asked;
    }

    /// Askers over TCP: a thread each, for few are, and they may be slow.
    fn meet(&mut self) {
        let flags = SocketFlags::CLOEXEC;
        while let Ok(stream) = accept_with(&self.streams, flags) {
            let free = self.open.lock().is_ok_and(|mut open| {
                *open += 1;
                *open <= MOST_STREAMS
            });
            let (open, names, network) = (self.open.clone(), self.names.clone(), self.network.clone());
            let servers = self.servers.now().to_vec();
            let done = move || {
                if free {
                    converse(&network, &names, &servers, TcpStream::from(stream));
                }
                if let Ok(mut open) = open.lock() {
                    *open -= 1;
                }
            };
            let _ = std::thread::Builder::new().stack_size(128 << 10).spawn(done);
        }
    }
}

fn socket(at: IpAddr, kind: SocketType) -> Result<OwnedFd> {
    let failed = |call| move |errno| Error::system("listen for questions")(sys::Error::new(call, "", errno));
    let protocol = if kind == SocketType::DGRAM { ipproto::UDP } else { ipproto::TCP };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, kind, flags, Some(protocol)).map_err(failed("socket"))?;
    bind(&socket, &SocketAddr::new(at, PORT)).map_err(failed("bind"))?;
    if kind == SocketType::STREAM {
        listen(&socket, 64).map_err(failed("listen"))?;
    }
    Ok(socket)
}

/// What we know ourselves.
fn tell(network: &Network, names: &mut Names, query: &Query, question: &[u8], asker: IpAddr, limit: usize) -> Told {
    if query.kind == PTR
        && let Some(address) = wire::reversed(&query.name)
    {
        let ours = network.ranges.iter().any(|range| range.subnet.contains(address));
        return match names.name(address, asker) {
            Some(name) => Told::Here(query.named(question, &name)),
            None if ours || network.internal => Told::Here(query.fails(question, NXDOMAIN)),
            None => Told::Elsewhere,
        };
    }
    let found = names.addresses(&query.name, asker);
    if !found.is_empty() {
        return Told::Here(query.addresses(question, &found, limit));
    }
    // A name of one word is a container's or nobody's: the world outside need not hear of it.
    if network.internal || !query.name.contains('.') {
        return Told::Here(query.fails(question, NXDOMAIN));
    }
    Told::Elsewhere
}

/// Questions over TCP, one after the other (RFC 7766).
fn converse(network: &Network, names: &Mutex<Names>, servers: &[SocketAddr], mut stream: TcpStream) {
    let Ok(asker) = stream.peer_addr() else { return };
    let _ = stream.set_read_timeout(Some(STREAM)).and_then(|()| stream.set_write_timeout(Some(STREAM)));
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        if stream.read_exact(&mut question).is_err() {
            return;
        }
        let Some(query) = Query::read(&question) else { return };
        let limit = usize::from(u16::MAX);
        let told = names.lock().map(|mut names| tell(network, &mut names, &query, &question, asker.ip(), limit));
        let answer = match told {
            Ok(Told::Here(answer)) => answer,
            Ok(Told::Elsewhere) => {
                upstream::over_tcp(&question, servers).unwrap_or_else(|| query.fails(&question, SERVFAIL))
            }
            Err(_) => return,
        };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        if stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).is_err() {
            return;
        }
    }
}
