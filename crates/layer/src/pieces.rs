//! A stream that another thread fills, piece by piece.

use std::io::{BufRead, Read, Result};
use std::sync::mpsc::Receiver;

/// The reading end. The stream ends with the channel, or with an error in it.
#[derive(Debug)]
pub struct Pieces {
    filled: Receiver<Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Pieces {
    /// What comes out of a channel.
    pub fn new(filled: Receiver<Result<Vec<u8>>>) -> Self {
        Self { filled, piece: Vec::new(), at: 0 }
    }

    /// What has come and was not read yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.piece[self.at..]
    }

    /// Takes the next piece, and returns the one before it; nothing at the end of the stream.
    pub(crate) fn turn(&mut self) -> Result<Option<Vec<u8>>> {
        let Ok(piece) = self.filled.recv() else { return Ok(None) };
        self.at = 0;
        Ok(Some(std::mem::replace(&mut self.piece, piece?)))
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        while self.rest().is_empty() && self.turn()?.is_some() {}
        Ok(self.rest())
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
