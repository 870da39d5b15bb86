//! The file that becomes the image: content is appended; inodes go to regions that are set aside in between, since an inode
//! is known only when its content has passed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use sys::direct::Direct;

use crate::BLOCK;
use crate::error::{Error, Result};
use crate::format::{INODE, SLOT};

/// A region for inodes, in bytes.
const REGION: usize = 256 << 10;

/// The file, and what of it is not written yet.
#[derive(Debug)]
pub struct Output {
    file: File,
    content: Direct,
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
        Self { file, content: Direct::new(BLOCK), region: Region::default() }
    }

    /// Where the next content will stand.
    pub fn end(&self) -> u64 {
        self.content.end()
    }

    /// Appends content.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.room(bytes.len() as u64)?;
        Ok(self.content.append(&self.file, bytes)?)
    }

    /// Leaves `length` bytes unwritten: they read as zeroes.
    pub fn skip(&mut self, length: u64) -> Result<()> {
        if length <= BLOCK {
            return self.append(&[0; BLOCK as usize][..length as usize]);
        }
        let end = self.room(length)?;
        Ok(self.content.go_on_at(&self.file, end)?)
    }

    /// Fills up the last block.
    pub fn align(&mut self) -> Result<()> {
        self.skip(self.end().next_multiple_of(BLOCK) - self.end())
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
        if at + bytes.len() as u64 > self.content.written() {
            self.content.flush(&self.file)?;
        }
        Ok(self.file.write_all_at(bytes, at)?)
    }

    /// Writes what waits; the file then is as long as all its blocks. Returns it and their number.
    pub fn finish(mut self) -> Result<(File, u32)> {
        self.align()?;
        self.content.flush(&self.file)?;
        self.close_region()?;
        let end = self.end();
        self.file.set_len(end)?;
        let blocks = u32::try_from(end / BLOCK).map_err(|_| Error::TooLarge)?;
        Ok((self.file, blocks))
    }

    fn next_region(&mut self, least: usize) -> Result<()> {
        self.close_region()?;
        let length = REGION.max(least.next_multiple_of(BLOCK as usize));
        self.region = Region { at: self.end(), bytes: Vec::with_capacity(length), length };
        let end = self.room(length as u64)?;
        Ok(self.content.go_on_at(&self.file, end)?)
    }

    /// Through the page cache, since a start reads these first. They have to be on disk in the end, so it is set to work.
    fn close_region(&mut self) -> Result<()> {
        let Region { at, bytes, .. } = &self.region;
        self.file.write_all_at(bytes, *at)?;
        sys::fs::begin_write_back(&self.file, *at, bytes.len() as u64);
        Ok(())
    }

    /// The end after so many more bytes.
    fn room(&self, length: u64) -> Result<u64> {
        self.end().checked_add(length).filter(|end| *end <= u64::from(u32::MAX) * BLOCK).ok_or(Error::TooLarge)
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
