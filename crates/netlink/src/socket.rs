//! A netlink socket: requests go out, and what comes for them comes in (netlink(7)).

use crate::error::{Error, Result};
use crate::message::{Answer, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, Request, answers, refusal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How often a list is read anew that changed under the reader.
const TRIES: u32 = 16;

/// A socket, and the number of the last request.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// One that nothing was asked on yet.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd, sequence: 0 }
    }

    /// Sends a request and hands on what comes for it, up to its end.
    pub fn ask(&mut self, request: Request, mut each: impl FnMut(&Answer<'_>)) -> Result<()> {
        let name = request.name;
        self.sequence = self.sequence.wrapping_add(1);
        sys::netlink::send(&self.fd, &request.finish(self.sequence))?;
        loop {
            let bytes = self.receive(name)?;
            for answer in answers(&bytes).filter(|answer| answer.sequence == self.sequence) {
                match answer.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return told(&answer, name),
                    _ => each(&answer),
                }
            }
        }
    }

    /// Asks for a list until it is one of a single moment: the answers of one kind, and whether even the last try was
    /// none (`NLM_F_DUMP_INTR`).
    pub fn list<T>(
        &mut self,
        request: impl Fn() -> Request,
        kind: u16,
        read: impl Fn(&Answer<'_>) -> Option<T>,
    ) -> Result<(Vec<T>, bool)> {
        let mut tries = 0;
        loop {
            let (mut list, mut interrupted) = (Vec::new(), false);
            self.ask(request(), |answer| {
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                if answer.kind == kind {
                    list.extend(read(answer));
                }
            })?;
            tries += 1;
            if !interrupted || tries == TRIES {
                return Ok((list, interrupted));
            }
        }
    }

    /// Sends requests in one message and hands on what is said of each, by its number, until `done` says that this was
    /// the last.
    pub fn perform(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        mut done: impl FnMut(usize, Result<()>) -> bool,
    ) -> Result<()> {
        /// What a socket takes at once without being asked to.
        const SMALL: usize = 64 << 10;
        let (mut bytes, mut names) = (Vec::with_capacity(1024), Vec::new());
        let first = self.sequence.wrapping_add(1);
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            names.push(request.name);
            bytes.extend_from_slice(&request.finish(self.sequence));
        }
        if bytes.len() > SMALL {
            sys::netlink::allow(&self.fd, bytes.len() * 2);
        }
        sys::netlink::send(&self.fd, &bytes)?;
        loop {
            let bytes = self.receive(names[0])?;
            for answer in answers(&bytes).filter(|answer| answer.kind == NLMSG_ERROR) {
                let number = answer.sequence.wrapping_sub(first) as usize;
                let Some(name) = names.get(number) else { continue };
                if done(number, told(&answer, name)) {
                    return Ok(());
                }
            }
        }
    }

    /// What has come. What is no message at all is not waited on for another.
    fn receive(&self, request: &'static str) -> Result<Vec<u8>> {
        let bytes = sys::netlink::receive(&self.fd)?;
        if answers(&bytes).next().is_none() {
            return Err(Error::Malformed { request });
        }
        Ok(bytes)
    }
}

/// What an `NLMSG_ERROR` says of a request.
fn told(answer: &Answer<'_>, request: &'static str) -> Result<()> {
    match refusal(answer) {
        Some(Ok(())) => Ok(()),
        Some(Err((errno, reason))) => Err(Error::Refused { request, errno, reason }),
        None => Err(Error::Malformed { request }),
    }
}
