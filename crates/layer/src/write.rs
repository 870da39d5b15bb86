//! The content of files: holes stay holes, and long runs of zeroes become some.

use crate::archive::Archive;
use crate::entry::Entry;
use crate::metadata::Problem;
use crate::sparse::Extent;
use std::fs::File;
use std::io::BufRead;
use std::os::unix::fs::FileExt;

/// Zeroes are looked for in pieces of this size: a tar of 10 GB of zeroes, which compresses to nothing, shall not fill
/// the disk, but a file of ordinary data shall not be cut into many writes.
const PIECE: usize = 64 << 10;
/// The least run of zeroes that is worth a hole: a block of the usual file systems.
const LEAST_HOLE: usize = 4096;

/// Writes the data of `entry`, which come next in the tar.
pub fn content(file: &File, entry: &Entry, tar: &mut Archive<impl BufRead>) -> Result<(), Problem> {
    let whole = [Extent { offset: 0, length: entry.size }];
    let mut written_to = 0;
    for extent in entry.extents.as_deref().unwrap_or(&whole) {
        let mut offset = extent.offset;
        let mut left = extent.length;
        while left > 0 {
            let data = tar.data()?;
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            written_to = written_to.max(write(file, &data[..length], offset)?);
            tar.consume(length);
            offset += length as u64;
            left -= length as u64;
        }
    }
    if written_to < entry.size {
        file.set_len(entry.size).map_err(Problem::Write)?;
    }
    Ok(())
}

/// Writes `data` at `offset` without its long runs of zeroes; returns where the last byte written ends, or 0.
fn write(file: &File, data: &[u8], offset: u64) -> Result<u64, Problem> {
    let mut end = 0;
    let mut start = 0;
    let mut at = 0;
    let mut flush = |from: usize, to: usize| {
        if from < to {
            file.write_all_at(&data[from..to], offset + from as u64).map_err(Problem::Write)?;
            end = offset + to as u64;
        }
        Ok::<(), Problem>(())
    };
    for piece in data.chunks(PIECE) {
        if piece.len() >= LEAST_HOLE && is_zero(piece) {
            flush(start, at)?;
            start = at + piece.len();
        }
        at += piece.len();
    }
    flush(start, at)?;
    Ok(end)
}

/// Whether all bytes are 0. The comparison with itself, one byte on, is memcmp(3), which is fast and ends early.
fn is_zero(piece: &[u8]) -> bool {
    match piece {
        [] => true,
        [first, rest @ ..] => *first == 0 && piece[..rest.len()] == *rest,
    }
}
