//! Inflating on one thread, hashing and whatever is done with the bytes on the other: inflating alone takes as long as
//! all the rest.
//!
//! The thread is scoped: when this returns it has ended, so that a process that clones a container afterwards has one
//! thread again.

use crate::compression::{Compression, Decoder};
use crate::pieces::Pieces;
use crate::{Error, Result};
use oci::digest::{DiffId, Hasher};
use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const PIECE: usize = 256 << 10;
/// How many pieces may wait. Together with the decoder's own state this bounds the memory.
const WAITING: usize = 6;

/// What the whole stream was.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// Its length in bytes.
    pub size: u64,
    /// How it was compressed.
    pub compression: Compression,
}

/// Runs `f` on the uncompressed stream of `source`, to which it must read to the end.
pub fn inflated<T>(source: impl Read + Send, f: impl FnOnce(&mut Inflated) -> Result<T>) -> Result<(T, Stream)> {
    let (filled, pieces) = sync_channel(WAITING);
    let (empty, returned) = sync_channel(WAITING + 2);
    std::thread::scope(|scope| {
        let decoding = scope.spawn(move || decode(source, &filled, &returned));
        let mut inflated = Inflated { pieces: Pieces::new(pieces), empty, hasher: Hasher::default() };
        let result = f(&mut inflated);
        let hasher = std::mem::take(&mut inflated.hasher);
        // Before waiting: the other thread may wait for us.
        drop(inflated);
        // A panic over there is a bug here, and panics are not caught.
        let compression = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // The error of the consumer comes first: the other thread only noticed that nobody listens.
        let value = result?;
        let compression = compression?;
        let size = hasher.length();
        Ok((value, Stream { diff_id: DiffId(hasher.finish()), size, compression }))
    })
}

type Piece = std::io::Result<Vec<u8>>;

fn decode(source: impl Read, filled: &SyncSender<Piece>, returned: &Receiver<Vec<u8>>) -> Result<Compression> {
    let mut decoder = match Decoder::new(source) {
        Ok(decoder) => decoder,
        Err(error) => {
            // The consumer sees an empty tar, and its result is replaced by this error unless it fails itself.
            return Err(error);
        }
    };
    let mut offset = 0;
    loop {
        let mut piece = returned.try_recv().unwrap_or_else(|_| vec![0; PIECE]);
        piece.resize(PIECE, 0);
        let mut length = 0;
        while length < PIECE {
            match decoder.read(&mut piece[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    piece.truncate(length);
                    let copy = std::io::Error::new(error.kind(), error.to_string());
                    let _ = filled.send(Ok(piece)).and_then(|()| filled.send(Err(copy)));
                    return Err(Error::Read { offset: offset + length as u64, source: error });
                }
            }
        }
        piece.truncate(length);
        offset += length as u64;
        if length == 0 || filled.send(Ok(piece)).is_err() {
            return Ok(decoder.compression());
        }
    }
}

/// The uncompressed stream, hashed as it is read.
#[derive(Debug)]
pub struct Inflated {
    pieces: Pieces,
    /// Where pieces that were read go back to be filled again.
    empty: SyncSender<Vec<u8>>,
    hasher: Hasher,
}

impl BufRead for Inflated {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        while self.pieces.rest().is_empty()
            && let Some(used) = self.pieces.turn()?
        {
            self.hasher.update(self.pieces.rest());
            // It may be full of pieces that nobody wants back.
            let _ = self.empty.try_send(used);
        }
        Ok(self.pieces.rest())
    }

    fn consume(&mut self, length: usize) {
        self.pieces.consume(length);
    }
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
