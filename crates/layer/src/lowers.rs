//! The layers below, looked at as overlayfs will show them: the topmost that has a name wins, a whiteout ends the
//! search, and so does an opaque directory for what is in it.

use crate::apply::OverlayXattrs;
use crate::entry::Time;
use crate::metadata::{Metadata, xattrs_of};
use crate::name::components;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::{Errno, Error, Result};

/// What is at a path.
#[derive(Debug)]
pub enum Found {
    /// A directory that the layer's own would be merged with.
    Directory(Metadata),
    /// A symbolic link, with its target.
    Symlink(Vec<u8>, Metadata),
    /// Anything else: the directory that it lies in, and what it is.
    Other(OwnedFd, Stat),
}

/// The layers below.
#[derive(Debug)]
pub struct Lowers<'a> {
    top_first: Vec<BorrowedFd<'a>>,
    style: OverlayXattrs,
}

impl<'a> Lowers<'a> {
    pub fn new(lowest_first: &[BorrowedFd<'a>], style: OverlayXattrs) -> Self {
        Self { top_first: lowest_first.iter().rev().copied().collect(), style }
    }

    /// What is at `path`, which is followed through directories only.
    pub fn find(&self, path: &[u8]) -> Result<Option<Found>> {
        let mut parts = components(path).peekable();
        let mut merged = Vec::new();
        for layer in &self.top_first {
            merged.push(open_dir(*layer, b".")?);
        }
        while let Some(part) = parts.next() {
            let mut inner = Vec::new();
            let mut first = None;
            for dir in merged {
                let stat = match rustix::fs::statat(&dir, part, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => continue,
                    other => other.map_err(|errno| Error::new("newfstatat", shown(&dir, part), errno))?,
                };
                if is_whiteout(&stat) {
                    break;
                }
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    // Below a directory of a layer above, this is hidden by it.
                    if first.is_none() && parts.peek().is_none() {
                        return other(dir, part, stat).map(Some);
                    }
                    break;
                }
                let below = open_dir(dir.as_fd(), part)?;
                let opaque = is_opaque(&below, self.style)?;
                first = first.or(Some(stat));
                inner.push(below);
                if opaque {
                    break;
                }
            }
            match (inner.first(), first) {
                (Some(dir), Some(stat)) if parts.peek().is_none() => {
                    return Ok(Some(Found::Directory(metadata(&stat, xattrs_of(dir)?))));
                }
                (None, _) => return Ok(None),
                _ => merged = inner,
            }
        }
        Ok(None)
    }
}

/// Whether a directory hides what is below it.
pub fn is_opaque(dir: &OwnedFd, style: OverlayXattrs) -> Result<bool> {
    let mut value = [0; 1];
    match rustix::fs::fgetxattr(dir, style.opaque(), &mut value) {
        Ok(_) => Ok(value == *b"y"),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(Error::new("fgetxattr", sys::fs::shown(dir.as_fd()), errno)),
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    sys::fs::open_beneath(dir, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

fn shown(dir: &OwnedFd, name: &[u8]) -> String {
    format!("{}/{}", sys::fs::shown(dir.as_fd()), String::from_utf8_lossy(name))
}

fn other(dir: OwnedFd, name: &[u8], stat: Stat) -> Result<Found> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(Found::Other(dir, stat));
    }
    let target = rustix::fs::readlinkat(&dir, name, Vec::new());
    let target = target.map_err(|errno| Error::new("readlinkat", shown(&dir, name), errno))?;
    Ok(Found::Symlink(target.into_bytes(), metadata(&stat, Vec::new())))
}

/// How overlayfs says that a name is gone: a character device with number 0:0.
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// The metadata of something that exists.
pub fn metadata(stat: &Stat, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Metadata {
    Metadata {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() },
        atime: Time { seconds: stat.st_atime, nanoseconds: u32::try_from(stat.st_atime_nsec).unwrap_or_default() },
        xattrs,
    }
}
