//! `-v …:U`: the files of a bind mount are given to the container's user.

use crate::spec::Chown;
use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Uid};
use std::os::fd::{AsFd, BorrowedFd};
use sys::Result;

/// Changes the owner of a tree. No link is followed, and no other file system entered: what somebody puts into the
/// tree meanwhile cannot lead out of it.
pub fn tree(chown: &Chown) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(chown.uid), Gid::from_raw(chown.gid));
    let top = sys::fs::open(&chown.path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
    give(top.as_fd(), c"", uid, gid)?;
    match rustix::fs::fstat(&top) {
        Ok(stat) if is_directory(stat.st_mode) => below(top.as_fd(), stat.st_dev, uid, gid),
        _ => Ok(()),
    }
}

fn give(dir: BorrowedFd<'_>, name: &std::ffi::CStr, uid: Uid, gid: Gid) -> Result<()> {
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    sys::fs::fchownat(dir, name, Some(uid), Some(gid), flags)
}

fn is_directory(mode: u32) -> bool {
    rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Directory
}

fn below(dir: BorrowedFd<'_>, device: u64, uid: Uid, gid: Gid) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let listed = sys::fs::open_beneath(dir, ".", flags, Mode::empty())?;
    let failed = |errno| sys::Error::new("getdents64", sys::fs::shown(dir), errno);
    for entry in Dir::read_from(&listed).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        give(listed.as_fd(), name, uid, gid)?;
        let Ok(stat) = rustix::fs::statat(&listed, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if is_directory(stat.st_mode) && stat.st_dev == device {
            let inner = sys::fs::open_beneath(&listed, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            below(inner.as_fd(), device, uid, gid)?;
        }
    }
    Ok(())
}
