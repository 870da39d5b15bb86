//! Words for somebody who takes them in his own time: whoever has to hear as well as to speak must not wait for that.

use crate::word::Word;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What is still to be said, and since when nothing of it could be.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    since: Instant,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), since: Instant::now() }
    }
}

impl Outbox {
    /// Nothing is still to be said.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When whoever is to hear will have taken nothing for so long; never, if nothing is to be said.
    pub fn late(&self, patience: Duration) -> Option<Instant> {
        (!self.is_empty()).then(|| self.since + patience)
    }

    /// Adds a word.
    pub fn push(&mut self, word: &Word) {
        self.push_bytes(word.bytes());
    }

    /// Adds one by its bytes.
    pub(crate) fn push_bytes(&mut self, bytes: Vec<u8>) {
        if self.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push_back(bytes);
    }

    /// Says what can be said at once; false when the other side is gone.
    pub fn flush(&mut self, socket: impl AsFd) -> bool {
        while let Some(bytes) = self.waiting.front() {
            match rustix::net::send(&socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => {
                    self.waiting.pop_front();
                    self.since = Instant::now();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Drops what nobody is there to hear.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}
