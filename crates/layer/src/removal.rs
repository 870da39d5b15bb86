//! Removal of whole trees, whatever is in them.
//!
//! What a container or a tar left may be deeper than paths can be long, and unreadable to its owner. So the walk goes
//! by fds, one name at a time, follows nothing, and never enters another mount; a directory that lies too deep for
//! the fds that we want to hold is first moved up to where it does not.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::path::Arg;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::{Errno, Error, Result};

/// How deep the walk goes before it moves directories up.
const DEEPEST: usize = 64;
/// How often a directory is emptied into which others write meanwhile.
const TRIES: usize = 10;

/// Removes `name` in `dir` with everything below it; content if there is no such name, or somebody else is at it, too.
/// Cut short, it may leave parts of the tree beside it, under names that start with `.deep-`.
pub fn remove_tree(dir: impl AsFd, name: impl Arg) -> Result<()> {
    let dir = dir.as_fd();
    let name = name.into_c_str().map_err(|errno| Error::new("unlinkat", sys::fs::shown(dir), errno))?;
    match sys::fs::unlinkat(dir, &*name, AtFlags::empty()) {
        Ok(()) => return Ok(()),
        Err(error) if error.errno == Errno::NOENT => return Ok(()),
        // POSIX wants EPERM for a directory, Linux says EISDIR.
        Err(error) if matches!(error.errno, Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let mut walk = Walk { top: dir, moved_up: Vec::new(), moves: 0 };
    walk.moved_up.push(name.into_owned());
    while let Some(name) = walk.moved_up.pop() {
        unless_gone(walk.remove_directory(dir, &name, 0))?;
    }
    Ok(())
}

/// Whatever somebody else has removed meanwhile.
fn unless_gone(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.errno == Errno::NOENT { Ok(()) } else { Err(error) })
}

fn open(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let walk = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match sys::fs::openat2(dir, name, flags, Mode::empty(), walk) {
        Err(error) if error.errno == Errno::ACCESS => {
            sys::fs::fchmodat(dir, name, Mode::RWXU)?;
            sys::fs::openat2(dir, name, flags, Mode::empty(), walk)
        }
        other => other,
    }
}

struct Walk<'a> {
    top: BorrowedFd<'a>,
    /// Directories moved up to `top`, still to be removed.
    moved_up: Vec<CString>,
    moves: u64,
}

impl Walk<'_> {
    fn empty(&mut self, dir: &OwnedFd, depth: usize) -> Result<()> {
        let failed = |errno| Error::new("getdents64", sys::fs::shown(dir.as_fd()), errno);
        // Names are gathered first: removing while reading may skip entries on some file systems.
        let mut entries = Vec::new();
        for entry in Dir::read_from(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                entries.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        let mut opened_up = false;
        for (name, kind) in entries {
            let mut result = unless_gone(self.remove(dir, &name, kind, depth));
            if !opened_up && result.as_ref().is_err_and(|error| error.errno == Errno::ACCESS) {
                // Not writable, but ours: an ordinary user's directory without its write bit.
                sys::fs::fchmod(dir, Mode::RWXU)?;
                opened_up = true;
                result = unless_gone(self.remove(dir, &name, kind, depth));
            }
            result?;
        }
        Ok(())
    }

    fn remove(&mut self, dir: &OwnedFd, name: &CStr, kind: FileType, depth: usize) -> Result<()> {
        if kind != FileType::Directory {
            match sys::fs::unlinkat(dir, name, AtFlags::empty()) {
                Err(error) if kind == FileType::Unknown && error.errno == Errno::ISDIR => {}
                other => return other,
            }
        }
        if depth < DEEPEST {
            return self.remove_directory(dir.as_fd(), name, depth);
        }
        // One that is ours and closed is opened up: only what may be written to can be moved elsewhere.
        open(dir.as_fd(), name)?;
        self.move_up(dir, name)
    }

    fn remove_directory(&mut self, dir: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let mut tries = 0;
        loop {
            self.empty(&open(dir, name)?, depth + 1)?;
            tries += 1;
            match sys::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
                // Somebody who had it open has made something in it.
                Err(error) if error.errno == Errno::NOTEMPTY && tries < TRIES => {}
                other => return other,
            }
        }
    }

    fn move_up(&mut self, dir: &OwnedFd, name: &CStr) -> Result<()> {
        loop {
            let up = CString::new(format!(".deep-{}", self.moves)).unwrap_or_default();
            self.moves += 1;
            match sys::fs::renameat(dir, name, self.top, &*up, RenameFlags::NOREPLACE) {
                Err(error) if error.errno == Errno::EXIST => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.moved_up.push(up);
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn opened(path: &std::path::Path) -> OwnedFd {
        sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).expect("a directory")
    }

    #[test]
    fn a_tree_deeper_than_paths_can_be_long_is_removed() {
        let temp = tempfile::tempdir().expect("a directory");
        let mut dir = opened(temp.path());
        for _ in 0..3000 {
            sys::fs::mkdirat(&dir, "abcdefgh", Mode::RWXU).expect("mkdir");
            dir = open(dir.as_fd(), c"abcdefgh").expect("open");
        }
        drop(dir);
        remove_tree(opened(temp.path()), "abcdefgh").expect("removal");
        assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 0);
    }

    #[test]
    fn several_at_once_remove_one_tree() {
        let temp = tempfile::tempdir().expect("a directory");
        for number in 0..500 {
            fs::create_dir_all(temp.path().join(format!("tree/{}/{number}/in/it", number % 7))).expect("mkdir");
        }
        let dir = opened(temp.path());
        std::thread::scope(|scope| {
            let removing: Vec<_> = (0..4).map(|_| scope.spawn(|| remove_tree(&dir, "tree"))).collect();
            for removed in removing {
                removed.join().expect("no panic").expect("removal");
            }
        });
        assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 0);
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let temp = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(temp.path().join("keep/me")).expect("mkdir");
        fs::create_dir(temp.path().join("tree")).expect("mkdir");
        std::os::unix::fs::symlink("../keep", temp.path().join("tree/link")).expect("symlink");
        remove_tree(opened(temp.path()), "tree").expect("removal");
        assert!(temp.path().join("keep/me").exists());
        assert!(!temp.path().join("tree").exists());
    }

    #[test]
    fn unreadable_directories_are_removed() {
        let temp = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(temp.path().join("tree/a/b")).expect("mkdir");
        fs::write(temp.path().join("tree/a/f"), "x").expect("write");
        fs::set_permissions(temp.path().join("tree/a"), fs::Permissions::from_mode(0o000)).expect("chmod");
        remove_tree(opened(temp.path()), "tree").expect("removal");
        assert!(!temp.path().join("tree").exists());
    }
}
