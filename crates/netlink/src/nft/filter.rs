//! What is asked of the packet filter, and the batches that it does.

use super::batch::{Batch, Family, header, kind};
use crate::error::Result;
use crate::message::{NLM_F_ACK, Request, attributes};
use crate::socket::Socket;
use std::os::fd::{AsFd, BorrowedFd};
use sys::Errno;

/// A socket of the packet filter of the network namespace that it was opened in.
#[derive(Debug)]
pub struct Nft {
    pub(super) socket: Socket,
}

impl AsFd for Nft {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Nft {
    /// Opens one.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::new(sys::netlink::open_netfilter()?) })
    }

    /// The note that was left with a table; `None` where it is not there.
    pub fn note(&mut self, family: Family, table: &str) -> Result<Option<Vec<u8>>> {
        const NAME: &str = "NFT_MSG_GETTABLE";
        const GETTABLE: u16 = 1;
        const TABLE: u16 = 1;
        const USERDATA: u16 = 6;
        let request = Request::new(NAME, kind(GETTABLE), NLM_F_ACK, &header(family.number(), 0)).text(TABLE, table);
        let mut note = None;
        let asked = self.socket.ask(request, |answer| {
            let found = attributes(answer.payload, 4).find(|(kind, _)| *kind == USERDATA);
            note = Some(found.map(|(_, value)| value.to_vec()).unwrap_or_default());
        });
        match asked {
            Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
            other => other.map(|()| note),
        }
    }

    /// Has the kernel do a batch, whole or not at all. Of several refusals the first is told.
    pub fn commit(&mut self, batch: Batch<'_>) -> Result<()> {
        let requests = batch.finish();
        // Before the message that ends it; the first one begins it.
        let last = requests.len() - 2;
        if last == 0 {
            return Ok(());
        }
        let mut result = Ok(());
        self.socket.perform(requests, |number, told| {
            // One that is refused as a whole (no such family, not permitted) is answered once.
            let whole = number == 0 && told.is_err();
            if whole || result.is_ok() {
                result = told;
            }
            whole || number == last
        })?;
        result
    }
}
