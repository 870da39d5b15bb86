//! Removal of whole trees, whatever is in them.
//!
//! What a container left may be deeper than paths can be long, and unreadable to its owner. So the walk goes by fds,
//! one name at a time, follows nothing, and never enters another mount; a directory that lies too deep for the fds
//! that we want to hold is first moved up to where it does not.

use crate::{Result, name::random_hex};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Errno;

/// How deep the walk goes before it moves directories up.
const DEEPEST: usize = 64;

/// Removes `name` in `dir` with everything below it; content if there is no such name.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match sys::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => return Ok(()),
        Err(error) if error.errno == Errno::NOENT => return Ok(()),
        // POSIX wants EPERM for a directory, Linux says EISDIR.
        Err(error) if matches!(error.errno, Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut pending = vec![name.to_owned()];
    while let Some(name) = pending.pop() {
        empty(&open(dir, &name)?, dir, 1, &mut pending)?;
        sys::fs::unlinkat(dir, &*name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

fn open(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<OwnedFd> {
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

fn empty(dir: &OwnedFd, top: BorrowedFd<'_>, depth: usize, pending: &mut Vec<CString>) -> Result<()> {
    let what = || crate::Error::errno(format!("cannot list {}", sys::fs::shown(dir.as_fd())));
    // Names are gathered first: removing while reading may skip entries on some file systems.
    let mut entries = Vec::new();
    for entry in Dir::read_from(dir).map_err(what())? {
        let entry = entry.map_err(what())?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    let mut writable = false;
    for (name, kind) in entries {
        let mut result = remove_entry(dir, &name, kind, top, depth, pending);
        if let Err(crate::Error::Sys(error)) = &result
            && error.errno == Errno::ACCESS
            && !writable
        {
            // Not ours to write, but ours: an ordinary user's directory without its write bit.
            sys::fs::fchmod(dir, Mode::RWXU)?;
            writable = true;
            result = remove_entry(dir, &name, kind, top, depth, pending);
        }
        result?;
    }
    Ok(())
}

fn remove_entry(
    dir: &OwnedFd,
    name: &CStr,
    kind: FileType,
    top: BorrowedFd<'_>,
    depth: usize,
    pending: &mut Vec<CString>,
) -> Result<()> {
    if kind != FileType::Directory {
        match sys::fs::unlinkat(dir, name, AtFlags::empty()) {
            Err(error) if kind == FileType::Unknown && error.errno == Errno::ISDIR => {}
            Err(error) if error.errno == Errno::NOENT => return Ok(()),
            other => return Ok(other?),
        }
    } else if sys::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(());
    }
    if depth >= DEEPEST {
        let up = CString::new(format!(".deep-{}", random_hex::<8>()?)).unwrap_or_default();
        // A directory can only be moved by who may write it: its `..` changes.
        drop(open(dir.as_fd(), name)?);
        sys::fs::renameat(dir, name, top, &*up, RenameFlags::NOREPLACE)?;
        pending.push(up);
        return Ok(());
    }
    empty(&open(dir.as_fd(), name)?, top, depth + 1, pending)?;
    Ok(sys::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        remove(opened(temp.path()).as_fd(), c"abcdefgh").expect("removal");
        assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 0);
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let temp = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(temp.path().join("keep/me")).expect("mkdir");
        fs::create_dir(temp.path().join("tree")).expect("mkdir");
        std::os::unix::fs::symlink("../keep", temp.path().join("tree/link")).expect("symlink");
        remove(opened(temp.path()).as_fd(), c"tree").expect("removal");
        assert!(temp.path().join("keep/me").exists());
        assert!(!temp.path().join("tree").exists());
    }

    #[test]
    fn unreadable_directories_are_removed() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(temp.path().join("tree/a/b")).expect("mkdir");
        fs::write(temp.path().join("tree/a/f"), "x").expect("write");
        fs::set_permissions(temp.path().join("tree/a"), fs::Permissions::from_mode(0o0)).expect("chmod");
        remove(opened(temp.path()).as_fd(), c"tree").expect("removal");
        assert!(!temp.path().join("tree").exists());
    }
}
