//! Owners, modes, attributes and times of what was made.
//!
//! The order matters to the kernel: a change of owner clears set-id bits and capabilities, so it comes first; an ACL
//! changes the mode, so the mode comes after; every change sets a time, so the times come last.

use crate::entry::{Entry, Time};
use crate::error::{Error, Refusal};
use crate::ownership::Ownership;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid};
use std::os::fd::{AsFd, BorrowedFd};
use sys::Errno;

/// Why an entry failed, before it is said which.
#[derive(Debug)]
pub enum Problem {
    Refusal(Refusal),
    Sys(sys::Error),
    Write(std::io::Error),
    Image(erofs::Error),
    /// Reading the tar itself.
    Other(Error),
}

impl Problem {
    /// The error of the entry `name` at `offset`.
    pub fn of(self, name: &[u8], offset: u64) -> Error {
        let name = crate::entry::shown(name);
        match self {
            Self::Refusal(reason) => Error::Refused { name, offset, reason },
            Self::Sys(source) => Error::Entry { name, offset, source },
            Self::Write(source) | Self::Image(erofs::Error::Write(source)) => Error::Write { name, offset, source },
            Self::Image(source) => Error::Image { name, offset, source },
            Self::Other(error) => error,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<sys::Error> for Problem {
    fn from(error: sys::Error) -> Self {
        Self::Sys(error)
    }
}

impl From<erofs::Error> for Problem {
    fn from(error: erofs::Error) -> Self {
        Self::Image(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// What an entry has beside name and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    pub atime: Time,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads the metadata of entries, and counts what an image may not bring.
#[derive(Debug)]
pub struct Reader<'a> {
    ownership: Ownership<'a>,
    own: (u32, u32),
    pub dropped_xattrs: u64,
}

impl<'a> Reader<'a> {
    pub fn new(ownership: Ownership<'a>) -> Self {
        Self { ownership, own: own(), dropped_xattrs: 0 }
    }

    /// The metadata of an entry, with attributes that an image may not have taken away.
    pub fn of_entry(&mut self, entry: &mut Entry) -> Result<Metadata, Refusal> {
        let xattrs = std::mem::take(&mut entry.xattrs);
        let count = xattrs.len();
        let kept = xattrs.into_iter().filter(|(name, _)| may_have(name));
        let attribute = |(name, value): (Vec<u8>, Vec<u8>)| {
            let value = self.ownership.attribute(&name, value);
            (name, value)
        };
        let xattrs: Vec<_> = kept.map(attribute).collect();
        self.dropped_xattrs += (count - xattrs.len()) as u64;
        let (uid, gid) = self.recorded(entry)?;
        let (uid, gid) = self.ownership.on_disk(uid, gid, self.own)?;
        let (mtime, atime) = (entry.mtime, entry.atime.unwrap_or(entry.mtime));
        Ok(Metadata { mode: entry.mode, uid, gid, mtime, atime, xattrs })
    }

    /// The owner that the tar names, or the only one there is.
    pub fn recorded(&self, entry: &Entry) -> Result<(u32, u32), Refusal> {
        match self.ownership {
            Ownership::Squash => Ok(self.own),
            _ => Ok((id("user id", entry.uid)?, id("group id", entry.gid)?)),
        }
    }
}

/// Owner on disk of a directory that nothing describes: it is root's.
pub fn undescribed(ownership: Ownership<'_>) -> Result<(u32, u32), Refusal> {
    ownership.on_disk(0, 0, own())
}

fn own() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Sets metadata, and counts what could not be kept.
#[derive(Debug)]
pub struct Setter<'a> {
    ownership: Ownership<'a>,
    own: (u32, u32),
    umask: Option<u32>,
    pub dropped_xattrs: u64,
}

impl<'a> Setter<'a> {
    pub fn new(ownership: Ownership<'a>) -> Self {
        Self { ownership, own: own(), umask: umask(), dropped_xattrs: 0 }
    }

    /// For a directory that nothing describes: it is root's, with the usual mode.
    pub fn set_undescribed(&self, dir: BorrowedFd<'_>) -> Result<(), Problem> {
        if let Ownership::Mapped { .. } = self.ownership {
            let (uid, gid) = undescribed(self.ownership)?;
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            sys::fs::fchownat(dir, "", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        Ok(sys::fs::fchmod(dir, Mode::from_raw_mode(0o755))?)
    }

    /// The mode to make a file with, and whether it is then right already.
    pub fn creation_mode(&self, meta: &Metadata) -> (Mode, bool) {
        let right = self.umask.is_some_and(|umask| meta.mode & umask == 0) && meta.mode & !0o777 == 0;
        let right = right && meta.xattrs.is_empty() && !self.changes_owner(meta);
        (if right { Mode::from_raw_mode(meta.mode) } else { Mode::RUSR | Mode::WUSR }, right)
    }

    /// For an open file or directory; `mode_is_right` as of [`Self::creation_mode`].
    pub fn set(&mut self, fd: BorrowedFd<'_>, meta: &Metadata, mode_is_right: bool) -> Result<(), Problem> {
        if self.changes_owner(meta) {
            chowned(meta, sys::fs::fchownat(fd, "", Some(uid(meta)), Some(gid(meta)), AtFlags::EMPTY_PATH))?;
        }
        for (name, value) in &meta.xattrs {
            let result = sys::xattr::fsetxattr(fd, &**name, value);
            self.tolerate(name, result)?;
        }
        if !mode_is_right {
            sys::fs::fchmod(fd, Mode::from_raw_mode(meta.mode))?;
        }
        Ok(sys::time::futimens(fd, &times(meta))?)
    }

    /// For what cannot be opened: links, devices, FIFOs.
    pub fn set_at(&mut self, dir: BorrowedFd<'_>, name: &[u8], meta: &Metadata, link: bool) -> Result<(), Problem> {
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        if self.changes_owner(meta) {
            chowned(meta, sys::fs::fchownat(dir, name, Some(uid(meta)), Some(gid(meta)), nofollow))?;
        }
        for (xattr, value) in &meta.xattrs {
            if xattr.starts_with(b"user.") {
                // The kernel has these on files and directories only (xattr(7)).
                self.dropped_xattrs += 1;
                continue;
            }
            let result = sys::xattr::lsetxattr(dir, name, &**xattr, value);
            self.tolerate(xattr, result)?;
        }
        if !link {
            // We just made this name, in a directory that nobody else enters: it is no link.
            sys::fs::fchmodat(dir, name, Mode::from_raw_mode(meta.mode))?;
        }
        Ok(sys::time::utimensat(dir, name, &times(meta), nofollow)?)
    }

    /// What is made belongs to us already: no directory has its set-group-id bit before the end.
    fn changes_owner(&self, meta: &Metadata) -> bool {
        self.ownership != Ownership::Squash && (meta.uid, meta.gid) != self.own
    }

    /// A file system without attributes, or an id that may not set this one, must not keep an image from being used.
    fn tolerate(&mut self, name: &[u8], result: sys::Result<()>) -> Result<(), Problem> {
        match result {
            Err(error) if error.errno == Errno::OPNOTSUPP => self.dropped_xattrs += 1,
            Err(error)
                if error.errno == Errno::PERM && (self.ownership == Ownership::Squash || name == b"security.ima") =>
            {
                self.dropped_xattrs += 1;
            }
            other => other?,
        }
        Ok(())
    }
}

/// Whether an image may bring this attribute. Overlayfs's own would let it forge opaque directories, redirects and
/// metadata-only files (`trusted.overlay.*`, `user.overlay.*`); labels belong to the machine's policy.
pub fn may_have(name: &[u8]) -> bool {
    const KEPT: [&[u8]; 4] =
        [b"security.capability", b"security.ima", b"system.posix_acl_access", b"system.posix_acl_default"];
    let user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
    (user || KEPT.contains(&name)) && !name.contains(&0)
}

/// Those of these attributes that an archive may bring.
pub fn keepable(xattrs: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    xattrs.iter().filter(|(name, _)| may_have(name)).map(|(name, value)| (name.as_slice(), value.as_slice()))
}

fn id(what: &'static str, id: i64) -> Result<u32, Refusal> {
    // The highest number means "leave it" to chown(2).
    u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Refusal::Id { what, id })
}

fn uid(meta: &Metadata) -> Uid {
    Uid::from_raw(meta.uid)
}

fn gid(meta: &Metadata) -> Gid {
    Gid::from_raw(meta.gid)
}

fn chowned(meta: &Metadata, result: sys::Result<()>) -> Result<(), Problem> {
    match result {
        // An id that the user namespace has no number for (chown(2)).
        Err(error) if error.errno == Errno::INVAL => Err(Refusal::Unmapped { uid: meta.uid, gid: meta.gid }.into()),
        other => Ok(other?),
    }
}

fn times(meta: &Metadata) -> Timestamps {
    let time = |time: Time| Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time(meta.atime), last_modification: time(meta.mtime) }
}

/// Our umask, without changing it (Linux 4.7); it belongs to all threads.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// Reads an attribute list or value, whose length may change between asking and reading.
pub fn grown(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Err(errno) => return Err(errno),
        }
    }
}

/// The attributes of an open file that an image may have.
pub fn xattrs_of(fd: impl AsFd) -> sys::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let fd = fd.as_fd();
    let failed = |call, errno| sys::Error::new(call, sys::fs::shown(fd), errno);
    let names = match grown(|buffer| rustix::fs::flistxattr(fd, buffer)) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other.map_err(|errno| failed("flistxattr", errno))?,
    };
    let mut xattrs = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty() && may_have(name)) {
        match grown(|buffer| rustix::fs::fgetxattr(fd, name, buffer)) {
            Ok(value) => xattrs.push((name.to_vec(), value)),
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(failed("fgetxattr", errno)),
        }
    }
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_overlayfs_and_labels_are_not_an_images_to_bring() {
        for kept in ["user.x", "security.capability", "system.posix_acl_access"] {
            assert!(may_have(kept.as_bytes()), "{kept}");
        }
        for dropped in [
            "trusted.overlay.opaque",
            "trusted.overlay.redirect",
            "user.overlay.opaque",
            "user.overlay.metacopy",
            "user.overlay.overlay.opaque",
            "trusted.x",
            "security.selinux",
            "system.nfs4_acl",
            "",
            "user.a\0b",
        ] {
            assert!(!may_have(dropped.as_bytes()), "{dropped}");
        }
    }

    #[test]
    fn the_id_that_means_leave_it_is_refused() {
        assert!(id("user id", i64::from(u32::MAX)).is_err());
        assert!(id("user id", -1).is_err());
        assert!(id("user id", 1 << 32).is_err());
        assert_eq!(id("user id", 65534), Ok(65534));
    }
}
