//! The socket: a request goes out, its answers come in.

use crate::address::Address;
use crate::error::{Error, Result};
use crate::link::{IFF_UP, Link, attribute};
use crate::message::{
    Answer, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL_CREATE, NLMSG_DONE, NLMSG_ERROR, Request, answers,
    refusal,
};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;

/// How often a list is read anew that changed under the reader.
const TRIES: u32 = 16;

/// A socket of rtnetlink(7).
#[derive(Debug)]
pub struct Route {
    socket: OwnedFd,
    sequence: u32,
}

impl Route {
    /// A socket of this process's network namespace.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: sys::netlink::open()?, sequence: 0 })
    }

    /// The link of this name.
    pub fn link(&mut self, name: &str) -> Result<Link> {
        let request = Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_ACK, &Link::fixed(0, 0));
        let links = self.ask(request.text(attribute::IFNAME, name), RTM_NEWLINK, Link::read)?;
        links.into_iter().next().ok_or(Error::Malformed { request: "RTM_GETLINK" })
    }

    /// All links.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        self.list(|| Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_DUMP, &Link::fixed(0, 0)), RTM_NEWLINK, Link::read)
    }

    /// The addresses of a link, in the order in which they were given.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>> {
        let request = || Request::new("RTM_GETADDR", RTM_GETADDR, NLM_F_DUMP, &[0; crate::address::FIXED]);
        let all = self.list(request, RTM_NEWADDR, Address::read)?;
        Ok(all.into_iter().filter(|(link, _)| *link == index).map(|(_, address)| address).collect())
    }

    /// Gives a link an address.
    pub fn add_address(&mut self, index: u32, address: &Address) -> Result<()> {
        let flags = NLM_F_ACK | NLM_F_EXCL_CREATE;
        let request = Request::new("RTM_NEWADDR", RTM_NEWADDR, flags, &address.fixed(index));
        self.ask(address.describe(request), RTM_NEWADDR, |_| Some(())).map(drop)
    }

    /// Moves a link to another network namespace and renames it on the way, so that its name here need not be free
    /// there. A name with `%d` becomes the first free one of its kind. The kernel sets the link down for it and takes
    /// its addresses.
    pub fn move_link(&mut self, index: u32, namespace: BorrowedFd<'_>, name: &str) -> Result<()> {
        let request = Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(index, 0))
            .text(attribute::IFNAME, name)
            .attribute(attribute::NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        self.ask(request, RTM_NEWLINK, |_| Some(())).map(drop)
    }

    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        let request = Request::new("RTM_NEWLINK", RTM_NEWLINK, NLM_F_ACK, &Link::fixed(index, IFF_UP));
        self.ask(request, RTM_NEWLINK, |_| Some(())).map(drop)
    }

    /// Asks for a list until it is one of a single moment.
    fn list<T>(
        &mut self,
        request: impl Fn() -> Request,
        kind: u16,
        read: impl Fn(&Answer<'_>) -> Option<T> + Copy,
    ) -> Result<Vec<T>> {
        for _ in 1..TRIES {
            if let (list, false) = self.exchange(request(), kind, read)? {
                return Ok(list);
            }
        }
        self.exchange(request(), kind, read).map(|(list, _)| list)
    }

    fn ask<T>(&mut self, request: Request, kind: u16, read: impl Fn(&Answer<'_>) -> Option<T>) -> Result<Vec<T>> {
        self.exchange(request, kind, read).map(|(list, _)| list)
    }

    /// Sends a request and reads what comes for it up to its end: the answers of one kind, and whether they changed
    /// meanwhile (`NLM_F_DUMP_INTR`).
    fn exchange<T>(
        &mut self,
        request: Request,
        kind: u16,
        read: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<(Vec<T>, bool)> {
        let name = request.name;
        self.sequence = self.sequence.wrapping_add(1);
        sys::netlink::send(&self.socket, &request.finish(self.sequence))?;
        let (mut list, mut interrupted) = (Vec::new(), false);
        loop {
            let bytes = sys::netlink::receive(&self.socket)?;
            let mut seen = 0;
            for answer in answers(&bytes) {
                seen += 1;
                if answer.sequence != self.sequence {
                    continue;
                }
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.kind {
                    NLMSG_DONE => return Ok((list, interrupted)),
                    NLMSG_ERROR => match refusal(&answer) {
                        Some(Ok(())) => return Ok((list, interrupted)),
                        Some(Err((errno, reason))) => return Err(Error::Refused { request: name, errno, reason }),
                        None => return Err(Error::Malformed { request: name }),
                    },
                    other if other == kind => list.extend(read(&answer)),
                    _ => {}
                }
            }
            if seen == 0 {
                return Err(Error::Malformed { request: name });
            }
        }
    }
}
