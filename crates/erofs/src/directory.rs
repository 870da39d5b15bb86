//! Directories: held until all is known, then laid out and written.
//!
//! A directory's content is blocks of sorted entries: first their fixed parts, then the names. It names the places of other
//! inodes, and these name it as `..`; so all directories get their places first, and their content after.

use std::collections::BTreeMap;

use crate::BLOCK;
use crate::error::{Error, Result};
use crate::format::{self, DIRENT, FileType};
use crate::writer::{Attributes, Node};

/// A directory. All of an image stand in one list, the root first: a tree of boxes could be too deep for the stack.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Owner, mode and the like.
    pub attributes: Attributes,
    /// What it holds, by name; `.` and `..` are added.
    pub entries: BTreeMap<Vec<u8>, Child>,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// Anything but a directory.
    Node(Node),
    /// The directory of this index in the list.
    Directory(usize),
}

/// An entry as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub inode_at: u64,
    pub file_type: FileType,
}

/// The length of the content of a directory with these names, in their order, `.` and `..` among them.
pub fn length<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let (mut blocks, mut used) = (0, 0);
    for name in names {
        let more = DIRENT + name.len();
        if used + more > BLOCK as usize {
            blocks += 1;
            used = 0;
        }
        used += more;
    }
    blocks * BLOCK + used as u64
}

/// The content itself; as long as [`length()`] said.
pub fn content(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut used = 0;
        let fits = |entry: &&Entry<'_>| {
            used += DIRENT + entry.name.len();
            used <= BLOCK as usize
        };
        let (block, others) = rest.split_at(rest.iter().take_while(fits).count());
        content.resize(content.len().next_multiple_of(BLOCK as usize), 0);
        let mut name_at = block.len() * DIRENT;
        for entry in block {
            content.extend(format::dirent(entry.inode_at, name_at as u16, entry.file_type));
            name_at += entry.name.len();
        }
        for entry in block {
            content.extend(entry.name);
        }
        rest = others;
    }
    content
}

/// The names in the order in which they are written.
pub fn names(directory: &Directory) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = directory.entries.keys().map(Vec::as_slice).chain([&b"."[..], b".."]).collect();
    names.sort_unstable();
    names
}

/// Refuses what is no name.
pub fn check_name(name: &[u8]) -> Result<()> {
    let fits = (1..=255).contains(&name.len()) && name != b"." && name != b"..";
    if fits && !name.iter().any(|byte| matches!(byte, 0 | b'/')) { Ok(()) } else { Err(Error::Name(name.len())) }
}
