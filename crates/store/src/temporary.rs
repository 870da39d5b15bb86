//! Directories under `tmp/` in which something is being made.
//!
//! Its maker holds a lock on it. Whoever can take that lock knows that the maker is gone, and may remove it.

use crate::file::open_dir;
use crate::lease::Flock;
use crate::name::random_hex;
use crate::{Result, Store};
use rustix::fs::{AtFlags, Mode, RenameFlags};
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A directory of our own under `tmp/`; removed when dropped, unless it was moved to its place.
#[derive(Debug)]
pub(crate) struct Temporary {
    parent: OwnedFd,
    name: String,
    dir: OwnedFd,
    files: Cell<u64>,
    _lock: Flock,
}

impl Temporary {
    pub(crate) fn make(store: &Store) -> Result<Self> {
        let parent = store.dir("tmp")?;
        loop {
            let name = random_hex::<8>()?;
            sys::fs::mkdirat(&parent, &*name, Mode::RWXU)?;
            // Between mkdir and the lock a sweep may take the directory for an abandoned one; then it is gone.
            let Some((dir, lock)) = lock(parent.as_fd(), &name)? else { continue };
            return Ok(Self { parent, name, dir, files: Cell::new(0), _lock: lock });
        }
    }

    /// A name for a file in it that no other file has.
    pub(crate) fn next_name(&self) -> String {
        self.files.set(self.files.get() + 1);
        format!("file-{}", self.files.get())
    }

    /// Renames the directory to its final place; an `EEXIST` of the target is the caller's to judge.
    pub(crate) fn move_to(&self, dir: BorrowedFd<'_>, name: &str) -> sys::Result<()> {
        sys::fs::renameat(&self.parent, &*self.name, dir, name, RenameFlags::NOREPLACE)
    }
}

impl Store {
    /// Moves `name` out of sight; whoever sweeps removes it.
    pub(crate) fn throw_away(&self, parent: BorrowedFd<'_>, name: &str) -> Result<String> {
        let rubbish = random_hex::<8>()?;
        sys::fs::renameat(parent, name, self.dir("trash")?, &*rubbish, RenameFlags::NOREPLACE)?;
        Ok(rubbish)
    }
}

impl AsFd for Temporary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What fails here is left to the next sweep.
        let _ = layer::remove_tree(&self.parent, &*self.name);
    }
}

/// Opens and locks `name`; `None` when it is no longer the directory of that name.
pub(crate) fn lock(parent: BorrowedFd<'_>, name: &str) -> Result<Option<(OwnedFd, Flock)>> {
    let absent = |error: &crate::Error| error.is_absent();
    let dir = match open_dir(parent, name) {
        Err(error) if absent(&error) => return Ok(None),
        other => other?,
    };
    let lock = Flock::exclusive(open_dir(&dir, ".")?)?;
    Ok(still_named(parent, name, &dir).then_some((dir, lock)))
}

/// Whether `name` in `parent` is the very directory behind `dir`.
pub(crate) fn still_named(parent: BorrowedFd<'_>, name: &str, dir: &OwnedFd) -> bool {
    let named = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    let opened = rustix::fs::fstat(dir);
    matches!((named, opened), (Ok(named), Ok(opened))
        if (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino))
}
