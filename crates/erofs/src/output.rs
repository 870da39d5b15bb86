//! The file that becomes the image: content is appended; inodes go to regions that are set aside in between, since an inode
//! is known only when its content has passed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::BLOCK;
use crate::error::{Error, Result};
use crate::format::{INODE, SLOT};

/// What is gathered before it is written.
const BUFFER: usize = 1 << 20;
/// How much is written before the disk is set to work: an image has to be on it in the end, and waiting for all of it then
/// takes longer than the writing.
const WRITE_BACK: u64 = 8 << 20;
/// A region for inodes, in bytes.
const REGION: usize = 256 << 10;

/// The file, and what of it is not written yet.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// The end of all that has a place, written or not.
    end: u64,
    /// Content, not yet written, that ends at `end`.
    pending: Vec<u8>,
    /// Up to where the disk was set to work.
    begun: u64,
    region: Region,
}

/// A stretch for inodes: it is full before the next one is set aside.
#[derive(Debug, Default)]
struct Region {
    at: u64,
    bytes: Vec<u8>,
    /// Its length in the file.
    length: usize,
}

impl Output {
    /// An empty file, whose first block is left alone.
    pub fn new(file: File) -> Self {
        Self { file, end: BLOCK, pending: Vec::with_capacity(BUFFER), begun: 0, region: Region::default() }
    }

    /// Where the next content will stand.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends content.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.pending.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() >= BUFFER {
            self.file.write_all_at(bytes, self.end)?;
        } else {
            self.pending.extend_from_slice(bytes);
        }
        self.advance(bytes.len() as u64)
    }

    /// Leaves `length` bytes unwritten: they read as zeroes.
    pub fn skip(&mut self, length: u64) -> Result<()> {
        if length <= BLOCK {
            return self.append(&[0; BLOCK as usize][..length as usize]);
        }
        self.flush()?;
        self.advance(length)
    }

    /// Fills up the last block.
    pub fn align(&mut self) -> Result<()> {
        self.skip(self.end.next_multiple_of(BLOCK) - self.end)
    }

    /// Finds a place for an inode with its attributes, `head`, and the end of its content, `tail`. Both must fit in one block
    /// together if there is a tail; what was appended before must be aligned. Returns the place.
    pub fn place(&mut self, head: &[u8], tail: &[u8]) -> Result<u64> {
        let at = if let Some(at) = self.region.fit(head.len(), tail.len()) {
            at
        } else {
            self.next_region(head.len() + tail.len())?;
            0
        };
        self.region.bytes.resize(at, 0);
        self.region.bytes.extend_from_slice(head);
        self.region.bytes.extend_from_slice(tail);
        Ok(self.region.at + at as u64)
    }

    /// Changes what stands at `at`.
    pub fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let in_region = at.checked_sub(self.region.at).map(|at| at as usize);
        if let Some(at) = in_region.filter(|at| at + bytes.len() <= self.region.bytes.len()) {
            self.region.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        }
        // Content that still waits would go over it.
        if at + bytes.len() as u64 > self.end - self.pending.len() as u64 {
            self.flush()?;
        }
        Ok(self.file.write_all_at(bytes, at)?)
    }

    /// Writes what waits; the file then is as long as all its blocks. Returns it and their number.
    pub fn finish(mut self) -> Result<(File, u32)> {
        self.align()?;
        self.flush()?;
        self.close_region()?;
        self.file.set_len(self.end)?;
        let blocks = u32::try_from(self.end / BLOCK).map_err(|_| Error::TooLarge)?;
        Ok((self.file, blocks))
    }

    fn next_region(&mut self, least: usize) -> Result<()> {
        self.close_region()?;
        let length = REGION.max(least.next_multiple_of(BLOCK as usize));
        self.flush()?;
        self.region = Region { at: self.end, bytes: Vec::with_capacity(length), length };
        self.advance(length as u64)
    }

    fn close_region(&mut self) -> Result<()> {
        Ok(self.file.write_all_at(&self.region.bytes, self.region.at)?)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.pending, self.end - self.pending.len() as u64)?;
        self.pending.clear();
        // A region that is still open is written later; its pages are not there yet.
        if self.end >= self.begun + WRITE_BACK {
            sys::fs::begin_write_back(&self.file, self.begun, self.end - self.begun);
            self.begun = self.end;
        }
        Ok(())
    }

    fn advance(&mut self, length: u64) -> Result<()> {
        self.end =
            self.end.checked_add(length).filter(|end| *end <= u64::from(u32::MAX) * BLOCK).ok_or(Error::TooLarge)?;
        Ok(())
    }
}

impl Region {
    /// Where an inode with so much behind it can stand, from the region's start.
    fn fit(&self, head: usize, tail: usize) -> Option<usize> {
        let block = BLOCK as usize;
        let at = self.bytes.len().next_multiple_of(SLOT as usize);
        let together = if tail > 0 { head + tail } else { INODE };
        let at = if at % block + together > block { at.next_multiple_of(block) } else { at };
        (at + head + tail <= self.length).then_some(at)
    }
}
