//! The writer: a file, link or device becomes an inode as it comes; the directories come last.

use std::fs::File;

use crate::directory::{self, Child, Directory, Entry};
use crate::error::{Error, Result};
use crate::format::{self, FileType, INODE, Inode, Layout, NO_BLOCK, SUPERBLOCK, SUPERBLOCK_LENGTH};
use crate::output::Output;
use crate::{BLOCK, xattr};

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// What a file has beside name and content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits, with set-id and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, the only one that the format knows.
    pub mtime: Time,
    /// Extended attributes: name, value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A file without content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A character device. Number 0, 0 is a whiteout for overlayfs.
    CharDevice {
        /// 12 bits.
        major: u32,
        /// 20 bits.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// 12 bits.
        major: u32,
        /// 20 bits.
        minor: u32,
    },
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// Something that was written and can be given names in directories, one or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node(usize);

/// What is remembered of a node.
#[derive(Debug, Clone, Copy)]
struct Written {
    inode_at: u64,
    file_type: FileType,
}

/// An image that is being written.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    nodes: Vec<Written>,
}

impl Writer {
    /// Begins an image in an empty file.
    pub fn new(file: File) -> Self {
        Self { output: Output::new(file), nodes: Vec::new() }
    }

    /// A regular file of `size` bytes, which are then written to what this returns.
    pub fn file<'a>(&'a mut self, attributes: &'a Attributes, size: u64) -> Result<FileWriter<'a>> {
        let xattrs = xattr::encode(&attributes.xattrs)?;
        let layout = layout(size, xattrs.len());
        let start = self.output.end();
        Ok(FileWriter { writer: self, attributes, xattrs, layout, size, start, written: 0, tail: Vec::new() })
    }

    /// A symbolic link.
    pub fn symlink(&mut self, attributes: &Attributes, target: &[u8]) -> Result<Node> {
        if !(1..BLOCK as usize).contains(&target.len()) {
            return Err(Error::Target(target.len()));
        }
        let mut content = self.file(attributes, target.len() as u64)?;
        content.write(target)?;
        content.end(FileType::Symlink)
    }

    /// A device, FIFO or socket.
    pub fn special(&mut self, attributes: &Attributes, special: Special) -> Result<Node> {
        let xattrs = xattr::encode(&attributes.xattrs)?;
        self.node(special.into(), Layout::Plain, 0, format::device(special), attributes, &xattrs, &[])
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an inode, from the one place that has them all")]
    fn node(
        &mut self,
        file_type: FileType,
        layout: Layout,
        size: u64,
        place: u32,
        attributes: &Attributes,
        xattrs: &[u8],
        tail: &[u8],
    ) -> Result<Node> {
        let number = self.nodes.len() as u32 + 1;
        let inode = Inode { file_type, layout, size, place, number, links: 1, xattr_count: xattr::count(xattrs) };
        let mut head = format::inode(&inode, attributes).to_vec();
        head.extend_from_slice(xattrs);
        let inode_at = self.output.place(&head, tail)?;
        self.nodes.push(Written { inode_at, file_type });
        Ok(Node(self.nodes.len() - 1))
    }

    /// Writes the directories, of which the first is the root, and ends the image. Returns the file, whose content is not
    /// yet on stable storage, and its length.
    pub fn finish(mut self, directories: &[Directory]) -> Result<(File, u64)> {
        let links = self.links(directories)?;
        for (written, links) in self.nodes.iter().zip(&links).filter(|(_, links)| **links > 1) {
            self.output.patch(written.inode_at + format::LINKS, &links.to_le_bytes())?;
        }
        let places = self.place_directories(directories)?;
        let parents = parents(directories);
        for (at, directory) in directories.iter().enumerate() {
            let inode_of = |child: &Child| match child {
                Child::Node(node) => (self.nodes[node.0].inode_at, self.nodes[node.0].file_type),
                Child::Directory(child) => (places[*child].inode, FileType::Directory),
            };
            let entries: Vec<Entry<'_>> = directory::names(directory)
                .into_iter()
                .map(|name| {
                    let (inode_at, file_type) = match name {
                        b"." => (places[at].inode, FileType::Directory),
                        b".." => (places[parents[at]].inode, FileType::Directory),
                        name => inode_of(&directory.entries[name]),
                    };
                    Entry { name, inode_at, file_type }
                })
                .collect();
            let content = directory::content(&entries);
            let place = &places[at];
            let in_blocks =
                if place.tail.is_some() { content.len() / BLOCK as usize * BLOCK as usize } else { content.len() };
            self.output.patch(place.blocks, &content[..in_blocks])?;
            if let Some(tail_at) = place.tail {
                self.output.patch(tail_at, &content[in_blocks..])?;
            }
        }
        self.end(&places, directories)
    }

    fn end(self, places: &[Placed], directories: &[Directory]) -> Result<(File, u64)> {
        let inodes = (self.nodes.len() + directories.len()) as u64;
        let (file, blocks) = self.output.finish()?;
        let mut first = vec![0; BLOCK as usize];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut first, 0)?;
        let root_at = places.first().map_or(0, |root| root.inode);
        format::superblock(&mut first, root_at, inodes, blocks);
        std::os::unix::fs::FileExt::write_all_at(&file, &first, 0)?;
        Ok((file, u64::from(blocks) * BLOCK))
    }

    /// How many names each node has; refuses names that are none.
    fn links(&self, directories: &[Directory]) -> Result<Vec<u32>> {
        let mut links = vec![0; self.nodes.len()];
        for (name, child) in directories.iter().flat_map(|directory| &directory.entries) {
            directory::check_name(name)?;
            if let Child::Node(node) = child {
                links[node.0] += 1;
            }
        }
        Ok(links)
    }

    fn place_root(&mut self, head: &[u8]) -> Result<u64> {
        if ROOT + head.len() as u64 > BLOCK {
            return Err(Error::Attributes);
        }
        self.output.patch(ROOT, head)?;
        Ok(ROOT)
    }

    /// Sets places aside for all directories, with inodes written and content still zero.
    fn place_directories(&mut self, directories: &[Directory]) -> Result<Vec<Placed>> {
        let mut places = Vec::with_capacity(directories.len());
        for (at, directory) in directories.iter().enumerate() {
            let xattrs = xattr::encode(&directory.attributes.xattrs)?;
            let size = directory::length(directory::names(directory).into_iter());
            let layout = layout(size, xattrs.len() + if at == 0 { ROOT as usize } else { 0 });
            let tail = if layout == Layout::Inline { size % BLOCK } else { 0 };
            let blocks_at = self.output.end();
            self.output.skip(size - tail)?;
            self.output.align()?;
            let place = if size == tail { NO_BLOCK } else { (blocks_at / BLOCK) as u32 };
            let subdirectories =
                directory.entries.values().filter(|child| matches!(child, Child::Directory(_))).count();
            let inode = Inode {
                file_type: FileType::Directory,
                layout,
                size,
                place,
                number: (self.nodes.len() + at) as u32 + 1,
                links: 2 + subdirectories as u32,
                xattr_count: xattr::count(&xattrs),
            };
            let mut head = format::inode(&inode, &directory.attributes).to_vec();
            head.extend_from_slice(&xattrs);
            let inode_at =
                if at == 0 { self.place_root(&head)? } else { self.output.place(&head, &vec![0; tail as usize])? };
            let tail = (tail > 0).then_some(inode_at + head.len() as u64);
            places.push(Placed { inode: inode_at, blocks: blocks_at, tail });
        }
        Ok(places)
    }
}

/// Where the root's inode stands. Its number has 16 bits, so it has to be near the start: the first block is its own.
const ROOT: u64 = SUPERBLOCK + SUPERBLOCK_LENGTH;

/// Where a directory stands.
#[derive(Debug, Clone, Copy)]
struct Placed {
    inode: u64,
    blocks: u64,
    tail: Option<u64>,
}

fn parents(directories: &[Directory]) -> Vec<usize> {
    let mut parents = vec![0; directories.len()];
    for (at, directory) in directories.iter().enumerate() {
        for child in directory.entries.values() {
            if let Child::Directory(child) = child {
                parents[*child] = at;
            }
        }
    }
    parents
}

/// Where the end of a content of `size` bytes goes.
fn layout(size: u64, xattrs: usize) -> Layout {
    let tail = size % BLOCK;
    let inline = tail > 0 && INODE as u64 + xattrs as u64 + tail <= BLOCK;
    if inline { Layout::Inline } else { Layout::Plain }
}

/// A regular file whose content is being written.
#[derive(Debug)]
pub struct FileWriter<'a> {
    writer: &'a mut Writer,
    attributes: &'a Attributes,
    xattrs: Vec<u8>,
    layout: Layout,
    size: u64,
    start: u64,
    written: u64,
    tail: Vec<u8>,
}

impl FileWriter<'_> {
    /// The next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let in_blocks = self.left_for_blocks(bytes.len() as u64)?;
        let (blocks, tail) = bytes.split_at(in_blocks as usize);
        self.tail.extend_from_slice(tail);
        self.writer.output.append(blocks)
    }

    /// A hole: bytes that are zero and take no room in the image's own file.
    pub fn skip(&mut self, length: u64) -> Result<()> {
        let in_blocks = self.left_for_blocks(length)?;
        self.tail.resize(self.tail.len() + (length - in_blocks) as usize, 0);
        self.writer.output.skip(in_blocks)
    }

    /// Takes note of so much more content; returns how much of it goes to blocks.
    fn left_for_blocks(&mut self, length: u64) -> Result<u64> {
        let blocks = if self.layout == Layout::Inline { self.size - self.size % BLOCK } else { self.size };
        let in_blocks = length.min(blocks.saturating_sub(self.written));
        self.written = self.written.saturating_add(length);
        if self.written > self.size { Err(self.wrong_length()) } else { Ok(in_blocks) }
    }

    fn wrong_length(&self) -> Error {
        Error::Length { announced: self.size, found: self.written }
    }

    /// Ends the file, which must be complete.
    pub fn finish(self) -> Result<Node> {
        self.end(FileType::Regular)
    }

    fn end(self, file_type: FileType) -> Result<Node> {
        if self.written != self.size {
            return Err(self.wrong_length());
        }
        let Self { writer, attributes, xattrs, layout, size, start, tail, .. } = self;
        let place = if writer.output.end() == start { NO_BLOCK } else { (start / BLOCK) as u32 };
        writer.output.align()?;
        writer.node(file_type, layout, size, place, attributes, &xattrs, &tail)
    }
}
