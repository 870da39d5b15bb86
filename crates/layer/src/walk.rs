//! A tree on disk, looked at name by name: each directory before what is in it, names in the order of their bytes.
//!
//! What a container left may be deeper than fds can be held, and full of links. The walk follows none of them, leaves no
//! file system unless it is asked to, and opens directories that lie deep anew by their path.

use crate::error::{Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Errno;

/// How many directories are held open.
const HELD: usize = 64;

/// What is mounted in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Nothing can be, or it is a failure.
    Refused,
    /// Belongs to it; but what the kernel shows of itself is an empty directory.
    Entered,
}

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
pub fn walk(root: BorrowedFd<'_>, mounts: Mounts, visit: &mut dyn FnMut(&Seen<'_>) -> Result<()>) -> Result<()> {
    walk_while(root, mounts, &mut |seen| visit(seen).map(|()| true))
}

/// The same up to where `visit` has seen enough, and says `false`.
pub fn walk_while(
    root: BorrowedFd<'_>,
    mounts: Mounts,
    visit: &mut dyn FnMut(&Seen<'_>) -> Result<bool>,
) -> Result<()> {
    let mut entered = vec![Entered::new(root, Vec::new(), mounts)?];
    while let Some(here) = entered.last_mut() {
        let Some(name) = here.names.next() else {
            entered.pop();
            continue;
        };
        let dir = match here.dir.take() {
            Some(dir) => dir,
            None => open(root, &here.path, mounts)?,
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
        if !visit(&Seen { path: &path, dir: dir.as_fd(), name: name.to_bytes(), stat: &stat })? {
            return Ok(());
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let inner = Entered::new(root, path, mounts)?;
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
    fn new(root: BorrowedFd<'_>, path: Vec<u8>, mounts: Mounts) -> Result<Self> {
        let dir = open(root, &path, mounts)?;
        if mounts == Mounts::Entered && is_of_the_kernel(&dir) {
            return Ok(Self { path, dir: Some(dir), names: Vec::new().into_iter() });
        }
        let failed = |errno| unreadable(&path, sys::Error::new("getdents64", "", errno));
        let names = sys::fs::sorted_names(&dir).map_err(failed)?.into_iter();
        Ok(Self { path, dir: Some(dir), names })
    }
}

fn open(root: BorrowedFd<'_>, path: &[u8], mounts: Mounts) -> Result<OwnedFd> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let mut walk = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    if mounts == Mounts::Refused {
        walk |= ResolveFlags::NO_XDEV;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    sys::fs::openat2(root, path, flags, Mode::empty(), walk).map_err(|source| unreadable(path, source))
}

/// Whether what is in a directory is not stored anywhere (linux/magic.h).
fn is_of_the_kernel(dir: &OwnedFd) -> bool {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    const CGROUP: i64 = 0x27_e0eb;
    const CGROUP2: i64 = 0x6367_7270;
    const DEVPTS: i64 = 0x1cd1;
    const MQUEUE: i64 = 0x1980_0202;
    const DEBUGFS: i64 = 0x6462_6720;
    const TRACEFS: i64 = 0x7472_6163;
    const SECURITYFS: i64 = 0x7363_6673;
    const BPF: i64 = 0xcafe_4a11;
    const ALL: [i64; 10] = [PROC, SYSFS, CGROUP, CGROUP2, DEVPTS, MQUEUE, DEBUGFS, TRACEFS, SECURITYFS, BPF];
    rustix::fs::fstatfs(dir).is_ok_and(|stat| ALL.contains(&stat.f_type))
}
