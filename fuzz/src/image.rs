//! A reader of EROFS images, as far as our writer uses the format (fs/erofs/erofs_fs.h), that trusts nothing: every place
//! is in the file, every directory is sorted and ends, every name leads to an inode of the kind that it promises.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

const BLOCK: usize = 4096;
const SLOT: u64 = 32;

struct Inode {
    mode: u16,
    size: u64,
    /// Where its content is: whole blocks, then what stands behind the inode.
    blocks: u64,
    inline_at: Option<usize>,
    links: u32,
}

/// Panics where something is wrong.
pub fn check(file: &mut File, length: u64) {
    let mut image = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("memory");
    file.take(64 << 20).read_to_end(&mut image).expect("memory");
    if image.len() as u64 != length {
        // A file with a hole of many gigabytes; the rest is the same.
        assert!(length > 64 << 20, "{length} bytes, but {} are there", image.len());
        return;
    }
    assert_eq!(length % BLOCK as u64, 0);
    let superblock = &image[1024..1152];
    assert_eq!(u32_at(superblock, 0), 0xe0f5_e1e2);
    assert_eq!(superblock[12], 12, "the size of a block");
    assert!(u64::from(u32_at(superblock, 36)) * BLOCK as u64 <= length, "its number of blocks");
    let mut seen = BTreeSet::new();
    let root = u64::from(u16_at(superblock, 14));
    directory(&image, root, root, &mut seen);
}

fn directory(image: &[u8], nid: u64, parent: u64, seen: &mut BTreeSet<u64>) {
    assert!(seen.insert(nid), "a directory has two names");
    let inode = inode(image, nid);
    assert_eq!(inode.mode & 0o170_000, 0o040_000);
    let content = content(image, &inode);
    let (mut last, mut below) = (Vec::new(), 0);
    for block in content.chunks(BLOCK) {
        let count = usize::from(u16_at(block, 8)) / 12;
        assert!(count > 0 && count * 12 <= block.len());
        for at in 0..count {
            let entry = &block[at * 12..];
            let start = usize::from(u16_at(entry, 8));
            let end = if at + 1 < count { usize::from(u16_at(entry, 20)) } else { block.len() };
            assert!(count * 12 <= start && start < end && end <= block.len(), "a name's place");
            let name = &block[start..end];
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            assert!(!name.is_empty() && !name.contains(&b'/'), "a name");
            assert!(last.is_empty() || last.as_slice() < name, "the order of names");
            last = name.to_vec();
            let (nid_there, kind) = (u64_at(entry, 0), entry[10]);
            match name {
                b"." => assert_eq!(nid_there, nid),
                b".." => assert_eq!(nid_there, parent),
                _ if kind == 2 => {
                    below += 1;
                    directory(image, nid_there, nid, seen);
                }
                _ => other(image, nid_there, kind),
            }
        }
    }
    assert_eq!(inode.links, 2 + below, "the links of a directory");
}

fn other(image: &[u8], nid: u64, kind: u8) {
    let inode = self::inode(image, nid);
    let expected = match inode.mode & 0o170_000 {
        0o100_000 => 1,
        0o020_000 => 3,
        0o060_000 => 4,
        0o010_000 => 5,
        0o140_000 => 6,
        0o120_000 => 7,
        _ => 0,
    };
    assert_eq!(kind, expected, "the kind of an entry");
    assert!(inode.links > 0);
    if matches!(expected, 1 | 7) {
        content(image, &inode);
    }
}

fn inode(image: &[u8], nid: u64) -> Inode {
    let at = usize::try_from(nid * SLOT).expect("a place");
    let bytes = &image[at..at + 64];
    let format = u16_at(bytes, 0);
    assert_eq!(format & 1, 1, "an extended inode");
    let xattrs = match usize::from(u16_at(bytes, 2)) {
        0 => 0,
        count => 12 + (count - 1) * 4,
    };
    let inline = match format >> 1 & 7 {
        0 => false,
        2 => true,
        layout => panic!("layout {layout}"),
    };
    let size = u64_at(bytes, 8);
    let behind = at + 64 + xattrs;
    assert!(behind <= image.len(), "attributes");
    let tail = usize::try_from(size % BLOCK as u64).expect("less than a block");
    if inline {
        assert!(behind % BLOCK + tail <= BLOCK, "what stands behind an inode stays in its block");
    }
    let (place, links) = (u64::from(u32_at(bytes, 16)), u32_at(bytes, 44));
    Inode { mode: u16_at(bytes, 4), size, blocks: place, inline_at: inline.then_some(behind), links }
}

/// A file's content; panics where it is not in the image.
fn content(image: &[u8], inode: &Inode) -> Vec<u8> {
    let size = usize::try_from(inode.size).expect("a size");
    let in_blocks = if inode.inline_at.is_some() { size - size % BLOCK } else { size };
    let mut content = Vec::new();
    if in_blocks > 0 {
        let start = usize::try_from(inode.blocks).expect("a block") * BLOCK;
        content.extend_from_slice(&image[start..start + in_blocks]);
    }
    if let Some(at) = inode.inline_at {
        content.extend_from_slice(&image[at..at + size % BLOCK]);
    }
    content
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
