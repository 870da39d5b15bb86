//! Whether two layers are the same: two images by their bytes, two trees name by name.

use crate::file::{open_dir, open_file};
use crate::{Error, Result};
use rustix::fs::{AtFlags, FileType, Stat};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

/// How deep a tree is looked at; each level holds two fds, and what lies deeper is taken on trust.
const DEEPEST: usize = 200;

/// Whether owners count: in a copy for other ids they are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    Count,
    Differ,
}

/// The path of the first thing that differs, below the roots; `None` where all is the same. Names, types, modes, owners,
/// sizes, links, devices, content and the times of files count; attributes do not.
pub(crate) fn first_difference(a: BorrowedFd<'_>, b: BorrowedFd<'_>, owners: Owners) -> Result<Option<String>> {
    differing(a, b, owners, 0)
}

fn differing(a: BorrowedFd<'_>, b: BorrowedFd<'_>, owners: Owners, depth: usize) -> Result<Option<String>> {
    let (in_a, in_b) = (entries(a)?, entries(b)?);
    for (name, other) in in_a.iter().zip(&in_b) {
        if name != other {
            return Ok(Some(shown(name.min(other))));
        }
        if let Some(below) = differing_entry(a, b, name, owners, depth)? {
            return Ok(Some(if below.is_empty() { shown(name) } else { format!("{}/{below}", shown(name)) }));
        }
    }
    let (shorter, longer) = if in_a.len() < in_b.len() { (in_a, in_b) } else { (in_b, in_a) };
    Ok(longer.get(shorter.len()).map(|name| shown(name)))
}

/// What differs below an entry; nothing where it is the entry itself.
fn differing_entry(
    a: BorrowedFd<'_>,
    b: BorrowedFd<'_>,
    name: &CStr,
    owners: Owners,
    depth: usize,
) -> Result<Option<String>> {
    let unreadable = |errno| Error::errno(format!("cannot read {}", shown(name)))(errno);
    let stat = |dir| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unreadable);
    let (in_a, in_b) = (stat(a)?, stat(b)?);
    let same = same_stat(&in_a, &in_b, owners)
        && match FileType::from_raw_mode(in_a.st_mode) {
            FileType::Directory if depth < DEEPEST => {
                let (a, b) = (open_dir(a, name)?, open_dir(b, name)?);
                return differing(a.as_fd(), b.as_fd(), owners, depth + 1);
            }
            FileType::Symlink => {
                let link = |dir| rustix::fs::readlinkat(dir, name, Vec::new()).map_err(unreadable);
                link(a)? == link(b)?
            }
            FileType::RegularFile => same_bytes(open_file(a, name)?, open_file(b, name)?)?,
            _ => true,
        };
    Ok((!same).then(String::new))
}

fn same_stat(a: &Stat, b: &Stat, owners: Owners) -> bool {
    let kind = FileType::from_raw_mode(a.st_mode);
    let owner = |stat: &Stat| (owners == Owners::Count).then_some((stat.st_uid, stat.st_gid));
    // A directory's size is the file system's own business, and of one that the tar only implies, or of a whiteout, it
    // says no time.
    let whiteout = kind == FileType::CharacterDevice && a.st_rdev == 0;
    let told = |stat: &Stat| (stat.st_size, stat.st_nlink, stat.st_mtime, stat.st_mtime_nsec);
    let told = |stat: &Stat| (kind != FileType::Directory && !whiteout).then(|| told(stat));
    (a.st_mode, a.st_rdev) == (b.st_mode, b.st_rdev) && owner(a) == owner(b) && told(a) == told(b)
}

/// Whether two files have the same content.
pub(crate) fn same_bytes(mut a: File, mut b: File) -> Result<bool> {
    const PIECE: u64 = 256 << 10;
    let unreadable = |source| Error::io("cannot read a layer")(source);
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    loop {
        of_a.clear();
        of_b.clear();
        (&mut a).take(PIECE).read_to_end(&mut of_a).map_err(unreadable)?;
        (&mut b).take(PIECE).read_to_end(&mut of_b).map_err(unreadable)?;
        if of_a != of_b {
            return Ok(false);
        }
        if of_a.is_empty() {
            return Ok(true);
        }
    }
}

fn entries(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let failed = |errno| Error::errno(format!("cannot list {}", sys::fs::shown(dir)))(errno);
    sys::fs::sorted_names(dir).map_err(failed)
}

fn shown(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
