//! A tree on disk, looked at name by name: each directory before what is in it, names in the order of their bytes.
//!
//! What a container left may be deeper than fds can be held, and full of links. The walk follows none of them, leaves no
//! file system, and opens directories that lie deep anew by their path.

use crate::error::{Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Errno;

/// How many directories are held open.
const HELD: usize = 64;

/// Something in the tree.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its path below the root, without a slash at either end.
    pub path: &'a [u8],
    /// The directory that it is in.
    pub dir: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a [u8],
    /// What it is.
    pub stat: &'a Stat,
}

impl Seen<'_> {
    /// What it is.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Opens it, unless it has become something else meanwhile.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        let opened = sys::fs::open_beneath(self.dir, self.name, flags | OFlags::NONBLOCK, Mode::empty());
        opened.map_err(|source| unreadable(self.path, source))
    }

    /// Where it leads, if it is a link.
    pub fn link(&self) -> Result<Vec<u8>> {
        let read = rustix::fs::readlinkat(self.dir, self.name, Vec::new());
        let failed = |errno| unreadable(self.path, sys::Error::new("readlinkat", "", errno));
        Ok(read.map_err(failed)?.into_bytes())
    }
}

pub fn unreadable(path: &[u8], source: sys::Error) -> Error {
    Error::Unreadable { name: crate::entry::shown(path), source }
}

/// Shows `visit` all that is below `root`, the root itself not.
pub fn walk(root: BorrowedFd<'_>, visit: &mut dyn FnMut(&Seen<'_>) -> Result<()>) -> Result<()> {
    let mut entered = vec![Entered::new(root, Vec::new())?];
    while let Some(here) = entered.last_mut() {
        let Some(name) = here.names.next() else {
            entered.pop();
            continue;
        };
        let dir = match here.dir.take() {
            Some(dir) => dir,
            None => open(root, &here.path)?,
        };
        let separator: &[u8] = if here.path.is_empty() { b"" } else { b"/" };
        let path = [&here.path, separator, name.to_bytes()].concat();
        let stat = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW);
        let dir = here.dir.insert(dir);
        let stat = match stat {
            // Whoever still runs in it has taken it away.
            Err(Errno::NOENT) => continue,
            other => other.map_err(|errno| unreadable(&path, sys::Error::new("newfstatat", "", errno)))?,
        };
        visit(&Seen { path: &path, dir: dir.as_fd(), name: name.to_bytes(), stat: &stat })?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let inner = Entered::new(root, path)?;
            if entered.len() > HELD
                && let Some(here) = entered.last_mut()
            {
                here.dir = None;
            }
            entered.push(inner);
        }
    }
    Ok(())
}

/// A directory that is being looked through.
struct Entered {
    path: Vec<u8>,
    /// Absent where it lies deep and something in it is looked through.
    dir: Option<OwnedFd>,
    names: std::vec::IntoIter<CString>,
}

impl Entered {
    fn new(root: BorrowedFd<'_>, path: Vec<u8>) -> Result<Self> {
        let dir = open(root, &path)?;
        let failed = |errno| unreadable(&path, sys::Error::new("getdents64", "", errno));
        let names = sys::fs::sorted_names(&dir).map_err(failed)?.into_iter();
        Ok(Self { path, dir: Some(dir), names })
    }
}

fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let walk = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    sys::fs::openat2(root, path, flags, Mode::empty(), walk).map_err(|source| unreadable(path, source))
}
