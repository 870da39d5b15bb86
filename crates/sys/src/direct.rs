//! Large files that are written front to back and not read soon: past the page cache (O_DIRECT).
//!
//! Such a file has to be on disk in the end. Through the page cache it would be copied, wait there, be written by the
//! kernel at a time of its own, and then keep memory from others until the file is removed, which has to free it. File
//! systems that cannot do without take the same calls through it.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What places, lengths and memory are multiples of: no disk has larger blocks.
const BLOCK: usize = 4096;
/// How much is written at once.
const PIECE: usize = 1 << 20;

/// Bytes on their way into a file, with the place where they will stand.
#[derive(Debug)]
pub struct Direct {
    bytes: Vec<u8>,
    /// Where in `bytes` they begin, so that the first one is aligned in memory.
    start: usize,
    at: u64,
}

impl Direct {
    /// Begins at this place in a file.
    pub fn new(at: u64) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(PIECE + BLOCK);
        // Can fail by its contract only; the bytes then go through the page cache.
        let start = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        bytes.resize(start, 0);
        Self { bytes, start, at }
    }

    /// Where the next byte will stand.
    pub fn end(&self) -> u64 {
        self.at + self.waiting().len() as u64
    }

    /// Where the first byte that is not written yet will stand.
    pub fn written(&self) -> u64 {
        self.at
    }

    /// Appends bytes.
    pub fn append(&mut self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // After one that ended amid a block the next ends with a block again.
            let room = PIECE - self.at as usize % BLOCK - self.waiting().len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.flush(file)?;
            }
        }
        Ok(())
    }

    /// Writes all that waits.
    pub fn flush(&mut self, file: &File) -> io::Result<()> {
        let whole = if self.at.is_multiple_of(BLOCK as u64) { self.waiting().len() / BLOCK * BLOCK } else { 0 };
        let (direct, rest) = self.waiting().split_at(whole);
        write(file, direct, self.at)?;
        file.write_all_at(rest, self.at + whole as u64)?;
        self.at = self.end();
        self.bytes.truncate(self.start);
        Ok(())
    }

    /// Writes all that waits, and goes on at another place.
    pub fn go_on_at(&mut self, file: &File, at: u64) -> io::Result<()> {
        self.flush(file)?;
        self.at = at;
        Ok(())
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let flags = fcntl_getfl(file)?;
    // Where the file system cannot do it, one of these says so.
    let direct = fcntl_setfl(file, flags | OFlags::DIRECT).map_err(io::Error::from).and_then(|()| {
        let written = file.write_all_at(bytes, at);
        fcntl_setfl(file, flags)?;
        written
    });
    match direct {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => file.write_all_at(bytes, at),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_in_any_pieces_stands_in_the_file_as_it_came() {
        let content: Vec<u8> =
            (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        // In memory and, where it is another file system, on disk.
        for dir in ["/dev/shm", env!("CARGO_MANIFEST_DIR")] {
            for first in [0, 1, 4095, 4096, 1 << 20, (1 << 20) + 7] {
                let file = tempfile::tempfile_in(dir).unwrap();
                let (before, after) = content.split_at(first);
                let mut direct = Direct::new(0);
                direct.append(&file, before).unwrap();
                direct.flush(&file).unwrap();
                assert_eq!(direct.written(), first as u64);
                for piece in after.chunks(70_001) {
                    direct.append(&file, piece).unwrap();
                }
                let end = direct.end();
                direct.go_on_at(&file, end + 10_000).unwrap();
                direct.append(&file, b"end").unwrap();
                direct.flush(&file).unwrap();
                let mut found = vec![1; content.len() + 10_003];
                file.read_exact_at(&mut found, 0).unwrap();
                let (found, more) = found.split_at(content.len());
                assert!(found == content, "{dir} {first}");
                assert_eq!(more, [&[0; 10_000][..], b"end"].concat());
            }
        }
    }
}
