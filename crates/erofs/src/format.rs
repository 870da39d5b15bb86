//! The structures on disk, little-endian: superblock, inode, directory entry (`fs/erofs/erofs_fs.h`).

use crate::writer::{Attributes, Special};

/// Where the superblock starts, in bytes.
pub const SUPERBLOCK: u64 = 1024;
/// Its length.
pub const SUPERBLOCK_LENGTH: u64 = 128;
/// An inode with owners of 32 bits and a time of its own.
pub const INODE: usize = 64;
/// Inodes are found by their place, counted in slots.
pub const SLOT: u64 = 32;
/// An entry of a directory, without its name.
pub const DIRENT: usize = 12;
/// Where the number of names stands in an inode.
pub const LINKS: u64 = 44;

const MAGIC: u32 = 0xe0f5_e1e2;
/// The checksum counts.
const COMPAT_CHECKSUM: u32 = 1;
const BLOCK_BITS: u8 = 12;

/// Where a file's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In blocks.
    Plain,
    /// What does not fill a block stands behind the inode, the rest in blocks.
    Inline,
}

/// The kind of a file, as directories name it and as the mode does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    Regular,
    Directory,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
    Symlink,
}

impl FileType {
    /// The byte in a directory entry.
    pub fn in_directory(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    fn in_mode(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
            Self::Symlink => 0o120_000,
        }
    }
}

impl From<Special> for FileType {
    fn from(special: Special) -> Self {
        match special {
            Special::CharDevice { .. } => Self::CharDevice,
            Special::BlockDevice { .. } => Self::BlockDevice,
            Special::Fifo => Self::Fifo,
            Special::Socket => Self::Socket,
        }
    }
}

/// What an inode says beside attributes.
#[derive(Debug, Clone, Copy)]
pub struct Inode {
    pub file_type: FileType,
    pub layout: Layout,
    /// Length of the content, in bytes.
    pub size: u64,
    /// The first block, or the device's number.
    pub place: u32,
    /// Counts inodes; only 32-bit programs see it.
    pub number: u32,
    pub links: u32,
    /// As [`crate::xattr::count`] has it.
    pub xattr_count: u16,
}

/// For what has no blocks at all.
pub const NO_BLOCK: u32 = u32::MAX;

/// A device's number as the kernel packs it.
pub fn device(special: Special) -> u32 {
    match special {
        Special::CharDevice { major, minor } | Special::BlockDevice { major, minor } => {
            (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12)
        }
        Special::Fifo | Special::Socket => 0,
    }
}

/// An inode in its extended form.
pub fn inode(inode: &Inode, attributes: &Attributes) -> [u8; INODE] {
    let mut bytes = [0; INODE];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    let layout: u16 = match inode.layout {
        Layout::Plain => 0,
        Layout::Inline => 2,
    };
    put(0, &(1 | layout << 1).to_le_bytes());
    put(2, &inode.xattr_count.to_le_bytes());
    put(4, &(inode.file_type.in_mode() | attributes.mode & 0o7777).to_le_bytes());
    put(8, &inode.size.to_le_bytes());
    put(16, &inode.place.to_le_bytes());
    put(20, &inode.number.to_le_bytes());
    put(24, &attributes.uid.to_le_bytes());
    put(28, &attributes.gid.to_le_bytes());
    put(32, &attributes.mtime.seconds.to_le_bytes());
    put(40, &attributes.mtime.nanoseconds.to_le_bytes());
    put(LINKS as usize, &inode.links.to_le_bytes());
    bytes
}

/// An entry of a directory; `name_at` is where its name starts in the block.
pub fn dirent(inode_at: u64, name_at: u16, file_type: FileType) -> [u8; DIRENT] {
    let mut bytes = [0; DIRENT];
    bytes[..8].copy_from_slice(&(inode_at / SLOT).to_le_bytes());
    bytes[8..10].copy_from_slice(&name_at.to_le_bytes());
    bytes[10] = file_type.in_directory();
    bytes
}

/// Writes the superblock into the first block, which already holds the root's inode.
pub fn superblock(first_block: &mut [u8], root_at: u64, inodes: u64, blocks: u32) {
    let block = &mut first_block[SUPERBLOCK as usize..];
    let mut put = |at: usize, field: &[u8]| block[at..at + field.len()].copy_from_slice(field);
    put(0, &MAGIC.to_le_bytes());
    put(8, &COMPAT_CHECKSUM.to_le_bytes());
    put(12, &[BLOCK_BITS]);
    put(14, &((root_at / SLOT) as u16).to_le_bytes());
    put(16, &inodes.to_le_bytes());
    put(36, &blocks.to_le_bytes());
    // Inodes are counted from the start of the image and attributes are never shared, so both areas start at block 0.
    let sum = checksum(block);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// CRC-32C without the final inversion, as the kernel keeps it. Three kilobytes need no table.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli_s() {
        // RFC 3720, B.4: 32 bytes of zeroes.
        assert_eq!(!checksum(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn device_numbers_are_packed_as_the_kernel_packs_them() {
        assert_eq!(device(Special::CharDevice { major: 1, minor: 3 }), 0x103);
        assert_eq!(device(Special::BlockDevice { major: 0xfff, minor: 0x12345 }), 0x123f_ff45);
    }
}
