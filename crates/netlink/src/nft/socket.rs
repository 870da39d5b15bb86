//! The socket of the packet filter.

use super::batch::{Batch, Family, header, kind};
use crate::error::{Error, Result};
use crate::message::{Answer, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, Request, answers, attributes, refusal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Errno;

/// A socket of the packet filter of the network namespace that it was opened in.
#[derive(Debug)]
pub struct Nft {
    socket: OwnedFd,
    sequence: u32,
}

impl AsFd for Nft {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Nft {
    /// Opens one.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: sys::netlink::open_netfilter()?, sequence: 0 })
    }

    /// The note that was left with a table; `None` where it is not there.
    pub fn note(&mut self, family: Family, table: &str) -> Result<Option<Vec<u8>>> {
        const NAME: &str = "NFT_MSG_GETTABLE";
        const GETTABLE: u16 = 1;
        const TABLE: u16 = 1;
        const USERDATA: u16 = 6;
        let request = Request::new(NAME, kind(GETTABLE), NLM_F_ACK, &header(family.number(), 0)).text(TABLE, table);
        let mut note = None;
        let asked = self.ask(request, |answer| {
            let found = attributes(answer.payload, 4).find(|(kind, _)| *kind == USERDATA);
            note = Some(found.map(|(_, value)| value.to_vec()).unwrap_or_default());
        });
        match asked {
            Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
            other => other.map(|()| note),
        }
    }

    /// Sends a request and hands on what comes for it, up to its end.
    pub(super) fn ask(&mut self, request: Request, mut each: impl FnMut(&Answer<'_>)) -> Result<()> {
        let name = request.name;
        self.sequence = self.sequence.wrapping_add(1);
        sys::netlink::send(&self.socket, &request.finish(self.sequence))?;
        loop {
            let bytes = sys::netlink::receive(&self.socket)?;
            let mut seen = 0;
            for answer in answers(&bytes) {
                seen += 1;
                if answer.sequence != self.sequence {
                    continue;
                }
                match answer.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        return match refusal(&answer) {
                            Some(Ok(())) => Ok(()),
                            Some(Err((errno, reason))) => Err(Error::Refused { request: name, errno, reason }),
                            None => Err(Error::Malformed { request: name }),
                        };
                    }
                    _ => each(&answer),
                }
            }
            if seen == 0 {
                return Err(Error::Malformed { request: name });
            }
        }
    }

    /// Has the kernel do a batch, whole or not at all. Of several refusals the first is told.
    pub fn commit(&mut self, batch: Batch<'_>) -> Result<()> {
        /// What a socket takes at once without being asked to.
        const SMALL: usize = 64 << 10;
        let (mut bytes, mut names) = (Vec::with_capacity(1024), Vec::new());
        let first = self.sequence.wrapping_add(1);
        for request in batch.finish() {
            self.sequence = self.sequence.wrapping_add(1);
            names.push(request.name);
            bytes.extend_from_slice(&request.finish(self.sequence));
        }
        if bytes.len() > SMALL {
            sys::netlink::allow(&self.socket, bytes.len() * 2);
        }
        sys::netlink::send(&self.socket, &bytes)?;
        // Before the message that ends it.
        let last = names.len() - 2;
        let (mut result, mut done) = (Ok(()), last == 0);
        while !done {
            let bytes = sys::netlink::receive(&self.socket)?;
            let mut seen = 0;
            for answer in answers(&bytes) {
                seen += 1;
                let number = answer.sequence.wrapping_sub(first) as usize;
                let Some(request) = names.get(number).copied().filter(|_| answer.kind == NLMSG_ERROR) else { continue };
                let told = match refusal(&answer) {
                    Some(Ok(())) => Ok(()),
                    Some(Err((errno, reason))) => Err(Error::Refused { request, errno, reason }),
                    None => Err(Error::Malformed { request }),
                };
                // One that is refused as a whole (no such family, not permitted) is answered once.
                if number == 0 && told.is_err() {
                    return told;
                }
                done |= number == last;
                result = result.and(told);
            }
            if seen == 0 {
                return Err(Error::Malformed { request: "NFNL_MSG_BATCH_BEGIN" });
            }
        }
        result
    }
}
