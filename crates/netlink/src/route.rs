//! What is asked of rtnetlink.

use crate::address::Address;
use crate::error::{Error, Result};
use crate::link::{End, IFF_UP, Link, MacvlanMode, attribute};
use crate::message::{Answer, NLM_F_ACK, NLM_F_CREATE_REPLACE, NLM_F_DUMP, NLM_F_EXCL_CREATE, Request};
use crate::path::Path;
use crate::rule;
use crate::socket::Socket;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

/// A socket of rtnetlink(7).
#[derive(Debug)]
pub struct Route {
    socket: Socket,
}

impl Route {
    /// A socket of this process's network namespace.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::new(sys::netlink::open()?) })
    }

    /// One that somebody has opened, in whichever network namespace.
    pub fn on(socket: OwnedFd) -> Self {
        Self { socket: Socket::new(socket) }
    }

    /// The link of this name.
    pub fn link(&mut self, name: &str) -> Result<Link> {
        let request = Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_ACK, &Link::fixed(0, 0));
        let mut link = None;
        self.socket.ask(request.text(attribute::IFNAME, name), |answer| {
            if answer.kind == RTM_NEWLINK {
                link = link.take().or_else(|| Link::read(answer));
            }
        })?;
        link.ok_or(Error::Malformed { request: "RTM_GETLINK" })
    }

    /// All links.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        self.list(|| Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_DUMP, &Link::fixed(0, 0)), RTM_NEWLINK, Link::read)
    }

    /// The addresses of a link, in the order in which they were given.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>> {
        let all = self.all_addresses()?;
        Ok(all.into_iter().filter(|(link, _)| *link == index).map(|(_, address)| address).collect())
    }

    /// The addresses of all links, each with the number of its own.
    pub fn all_addresses(&mut self) -> Result<Vec<(u32, Address)>> {
        let request = || Request::new("RTM_GETADDR", RTM_GETADDR, NLM_F_DUMP, &[0; crate::address::FIXED]);
        self.list(request, RTM_NEWADDR, Address::read)
    }

    /// Gives a link an address.
    pub fn add_address(&mut self, index: u32, address: &Address) -> Result<()> {
        self.all([Self::address_request(index, address)])
    }

    fn address_request(index: u32, address: &Address) -> Request {
        let flags = NLM_F_ACK | NLM_F_EXCL_CREATE;
        address.describe(Request::new("RTM_NEWADDR", RTM_NEWADDR, flags, &address.fixed(index)))
    }

    fn path_request(path: &Path) -> Request {
        path.describe(Request::new("RTM_NEWROUTE", RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE_REPLACE, &path.fixed()))
    }

    fn new_link(end: &End<'_>, kind: &str, data: impl FnOnce(Request) -> Request) -> Request {
        let flags = NLM_F_ACK | NLM_F_EXCL_CREATE;
        let request = Request::new("RTM_NEWLINK", RTM_NEWLINK, flags, &Link::fixed(0, IFF_UP));
        let info = |request: Request| data(request.text(attribute::INFO_KIND, kind));
        end.describe(request).nest(attribute::LINKINFO, info)
    }

    /// Writes to a device what is to be written to it.
    pub fn settle(&mut self, end: &End<'_>) -> Result<()> {
        self.all(Self::settling(end))
    }

    fn settling(end: &End<'_>) -> Option<Request> {
        end.settle(Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(0, 0)))
    }

    /// Makes a bridge, and sets it up.
    pub fn add_bridge(&mut self, end: &End<'_>) -> Result<()> {
        self.all([Self::new_link(end, "bridge", |request| request)].into_iter().chain(Self::settling(end)))
    }

    /// Makes a pair of devices, each in the namespace that it is to be in, and sets this end up; a peer cannot be while it
    /// is made.
    pub fn add_pair(&mut self, end: &End<'_>, peer: &End<'_>) -> Result<()> {
        let peer = |request: Request| {
            request.nest(attribute::VETH_PEER, |request| peer.describe(request.raw(&Link::fixed(0, 0))))
        };
        let pair = Self::new_link(end, "veth", |request| request.nest(attribute::INFO_DATA, peer));
        self.all([pair].into_iter().chain(Self::settling(end)))
    }

    /// Makes a macvlan over the device with the number `parent`, and sets it up.
    pub fn add_macvlan(&mut self, end: &End<'_>, parent: u32, mode: MacvlanMode) -> Result<()> {
        let data = |request: Request| request.attribute(attribute::MACVLAN_MODE, &mode.number().to_ne_bytes());
        let request = Self::new_link(end, "macvlan", |request| request.nest(attribute::INFO_DATA, data));
        self.all([request.attribute(attribute::LINK, &parent.to_ne_bytes())])
    }

    /// Gives a link its addresses, sets it up, and adds what goes over it, in one message.
    pub fn equip(&mut self, index: u32, addresses: &[Address], paths: &[Path]) -> Result<()> {
        let addresses = addresses.iter().map(|address| Self::address_request(index, address));
        let paths = paths.iter().map(Self::path_request);
        self.all(addresses.chain([Self::up_request(index)]).chain(paths))
    }

    fn up_request(index: u32) -> Request {
        Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(index, IFF_UP))
    }

    /// The routes of the main table.
    pub fn paths(&mut self) -> Result<Vec<Path>> {
        let request = || Request::new("RTM_GETROUTE", RTM_GETROUTE, NLM_F_DUMP, &[0; crate::path::FIXED]);
        self.list(request, RTM_NEWROUTE, Path::read)
    }

    /// Has packets with a mark stay in this network namespace, whoever they are for, where that is not done already.
    pub fn keep_marked(&mut self, mark: u32) -> Result<()> {
        let loopback = self.link("lo")?.index;
        self.set_up(loopback)?;
        for family in [2, 10] {
            for request in rule::stays_here(family, mark, loopback) {
                match self.all([request]) {
                    Err(error) if matches!(error.errno(), Some(sys::Errno::EXIST)) => {}
                    // A kernel may have no IPv6.
                    Err(_) if family == 10 => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// Removes a link; the other end of a pair goes with it. The kernel waits for a grace period of RCU or more: where
    /// a namespace is about to end, its end costs nobody anything.
    pub fn remove_link(&mut self, index: u32) -> Result<()> {
        self.all([Request::new("RTM_DELLINK", RTM_DELLINK, NLM_F_ACK, &Link::fixed(index, 0))])
    }

    /// Moves a link to another network namespace and renames it on the way, so that its name here need not be free
    /// there. A name with `%d` becomes the first free one of its kind. The kernel sets the link down for it and takes
    /// its addresses.
    pub fn move_link(&mut self, index: u32, namespace: BorrowedFd<'_>, name: &str) -> Result<()> {
        let request = Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(index, 0))
            .text(attribute::IFNAME, name)
            .attribute(attribute::NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        self.all([request])
    }

    /// So many packets wait for a link at most, before more are dropped.
    pub fn set_queue(&mut self, index: u32, packets: u32) -> Result<()> {
        let request = Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(index, 0));
        self.all([request.attribute(attribute::TXQLEN, &packets.to_ne_bytes())])
    }

    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        self.all([Self::up_request(index)])
    }

    /// A list that keeps changing is as it was last.
    fn list<T>(
        &mut self,
        request: impl Fn() -> Request,
        kind: u16,
        read: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        self.socket.list(request, kind, read).map(|(list, _)| list)
    }

    /// Sends requests in one message, has each answered, and tells the first failure. The kernel does those behind a
    /// failed one all the same.
    fn all(&mut self, requests: impl IntoIterator<Item = Request>) -> Result<()> {
        let requests: Vec<_> = requests.into_iter().collect();
        let (mut left, mut result) = (requests.len(), Ok(()));
        if left == 0 {
            return Ok(());
        }
        self.socket.perform(requests, |_, told| {
            left -= 1;
            if result.is_ok() {
                result = told;
            }
            left == 0
        })?;
        result
    }
}
