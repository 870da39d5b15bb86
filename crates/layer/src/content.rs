//! The content of files out of a tar: holes stay holes, and long runs of zeroes become some.

use crate::archive::Archive;
use crate::entry::Entry;
use crate::metadata::Problem;
use crate::sparse::Extent;
use crate::target::{Sink, Source};
use std::io::BufRead;

/// Zeroes are looked for in pieces of this size: a tar of 10 GB of zeroes, which compresses to nothing, shall not fill
/// the disk, but a file of ordinary data shall not be cut into many writes.
const PIECE: usize = 64 << 10;
/// The least run of zeroes that is worth a hole: a block of the usual file systems.
const LEAST_HOLE: usize = 4096;

/// The data of `entry`, which come next in the tar.
#[derive(Debug)]
pub struct Content<'a, R> {
    pub entry: &'a Entry,
    pub tar: &'a mut Archive<R>,
}

impl<R: BufRead> Source for Content<'_, R> {
    fn size(&self) -> u64 {
        self.entry.size
    }

    fn pour(&mut self, sink: &mut dyn Sink) -> Result<(), Problem> {
        let whole = [Extent { offset: 0, length: self.entry.size }];
        let mut at = 0;
        for extent in self.entry.extents.as_deref().unwrap_or(&whole) {
            // The map was checked: extents follow each other.
            sink.hole(extent.offset - at)?;
            at = extent.offset;
            let mut left = extent.length;
            while left > 0 {
                let data = self.tar.data()?;
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                without_zeroes(&data[..length], sink)?;
                self.tar.consume(length);
                at += length as u64;
                left -= length as u64;
            }
        }
        sink.hole(self.entry.size - at)
    }
}

/// Gives `data` away with its long runs of zeroes as holes.
fn without_zeroes(data: &[u8], sink: &mut dyn Sink) -> Result<(), Problem> {
    let (mut start, mut at) = (0, 0);
    for piece in data.chunks(PIECE) {
        if piece.len() >= LEAST_HOLE && is_zero(piece) {
            sink.data(&data[start..at])?;
            sink.hole(piece.len() as u64)?;
            start = at + piece.len();
        }
        at += piece.len();
    }
    sink.data(&data[start..])
}

/// Whether all bytes are 0. The comparison with itself, one byte on, is memcmp(3), which is fast and ends early.
fn is_zero(piece: &[u8]) -> bool {
    match piece {
        [] => true,
        [first, rest @ ..] => *first == 0 && piece[..rest.len()] == *rest,
    }
}
