//! The mount API of Linux 5.2 and later: file system contexts, detached mounts, their attributes.
//!
//! Everything is built detached and attached last, so that no path is walked twice and nothing half-made is seen.

use crate::call::call;
use crate::fs::{shown, with_path};
use crate::{Error, Result, nr};
use rustix::io::Errno;
use rustix::path::Arg;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Mount attributes, `MOUNT_ATTR_…` (linux/mount.h).
pub mod attr {
    #![allow(missing_docs, reason = "the kernel's names say it")]
    pub const RDONLY: u64 = 0x1;
    pub const NOSUID: u64 = 0x2;
    pub const NODEV: u64 = 0x4;
    pub const NOEXEC: u64 = 0x8;
    pub const ATIME: u64 = 0x70;
    pub const RELATIME: u64 = 0x0;
    pub const NOATIME: u64 = 0x10;
    pub const STRICTATIME: u64 = 0x20;
    pub const NODIRATIME: u64 = 0x80;
    pub const IDMAP: u64 = 0x0010_0000;
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// Propagation types, `MS_…` as mount_setattr(2) takes them.
pub mod propagation {
    #![allow(missing_docs, reason = "the kernel's names say it")]
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
}

/// `AT_RECURSIVE` for [`open_tree`] and [`mount_setattr`].
pub const RECURSIVE: u32 = 0x8000;
/// `AT_EMPTY_PATH`.
pub const EMPTY_PATH: u32 = 0x1000;
/// `AT_SYMLINK_NOFOLLOW`.
pub const NOFOLLOW: u32 = 0x100;
/// `OPEN_TREE_CLONE`.
pub const CLONE: u32 = 1;
/// `OPEN_TREE_CLOEXEC`, always added.
const CLOEXEC: u32 = 0o2_000_000;

/// The kernel's `struct mount_attr`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct MountAttr {
    /// Attributes to set, see [`attr`].
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// Propagation type, or 0.
    pub propagation: u64,
    /// User namespace of [`attr::IDMAP`].
    pub userns_fd: u64,
}

fn raw(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as isize as usize
}

fn owned(result: std::result::Result<usize, Errno>) -> std::result::Result<OwnedFd, Errno> {
    // SAFETY: the kernel just made this fd for us.
    result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A file system that is being configured, fsopen(2).
#[derive(Debug)]
pub struct FsContext {
    fd: OwnedFd,
    kind: String,
}

const SET_FLAG: usize = 0;
const SET_STRING: usize = 1;
const SET_FD: usize = 5;
const CMD_CREATE: usize = 6;

impl FsContext {
    /// fsopen(2) of a file system type.
    pub fn open(kind: &str) -> Result<Self> {
        let fd = with_path(
            "fsopen",
            kind,
            // SAFETY: the kernel only reads the name.
            |name| owned(unsafe { call(nr::fsopen, [name.as_ptr() as usize, 1, 0, 0, 0, 0]) }),
            str::to_owned,
        )?;
        Ok(Self { fd, kind: kind.to_owned() })
    }

    /// Sets `key` to `value`.
    pub fn set(&self, key: &str, value: impl Arg) -> Result<&Self> {
        self.config(SET_STRING, key, Some(value), 0)?;
        Ok(self)
    }

    /// Sets a key that has no value.
    pub fn flag(&self, key: &str) -> Result<&Self> {
        self.config(SET_FLAG, key, None::<&str>, 0)?;
        Ok(self)
    }

    /// Sets `key` to an fd.
    pub fn set_fd(&self, key: &str, fd: impl AsFd) -> Result<&Self> {
        self.config(SET_FD, key, None::<&str>, raw(fd.as_fd()))?;
        Ok(self)
    }

    fn config(&self, command: usize, key: &str, value: Option<impl Arg>, aux: usize) -> Result<()> {
        let run = |key: usize, value: usize| {
            // SAFETY: the kernel only reads key and value, which the callers below keep alive.
            unsafe { call(nr::fsconfig, [raw(self.fd.as_fd()), command, key, value, aux, 0]) }.map(drop)
        };
        let mut shown = String::new();
        let result = key.into_with_c_str(|key| match value {
            Some(value) => value.into_with_c_str(|value| {
                let result = run(key.as_ptr() as usize, value.as_ptr() as usize);
                if result.is_err() {
                    shown = format!("={}", value.to_string_lossy());
                }
                result
            }),
            None => run(key.as_ptr() as usize, 0),
        });
        result.map_err(|errno| self.explained(Error::new("fsconfig", format!("{}, {key}{shown}", self.kind), errno)))
    }

    /// Makes the superblock, and a detached mount of it with attributes [`attr`].
    pub fn mount(self, attributes: u64) -> Result<OwnedFd> {
        // SAFETY: no pointers.
        unsafe { call(nr::fsconfig, [raw(self.fd.as_fd()), CMD_CREATE, 0, 0, 0, 0]) }
            .map_err(|errno| self.explained(Error::new("fsconfig", format!("{}, CREATE", self.kind), errno)))?;
        // SAFETY: no pointers.
        owned(unsafe { call(nr::fsmount, [raw(self.fd.as_fd()), 1, attributes as usize, 0, 0, 0]) })
            .map_err(|errno| Error::new("fsmount", format!("{}, {attributes:#x}", self.kind), errno))
    }

    /// Adds what the kernel itself says of the failure: reading the context's fd yields its messages, `e text`.
    fn explained(&self, mut error: Error) -> Error {
        let mut buffer = [0; 512];
        if let Ok(length) = rustix::io::read(&self.fd, &mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]);
            error.detail = format!("{}: {}", error.detail, message.trim_start_matches("e ").trim_end()).into();
        }
        error
    }
}

/// open_tree(2); with [`CLONE`] a detached copy of the mount, with [`RECURSIVE`] of the tree.
pub fn open_tree(dir: impl AsFd, path: impl Arg, flags: u32) -> Result<OwnedFd> {
    let dir = dir.as_fd();
    with_path(
        "open_tree",
        path,
        // SAFETY: the kernel only reads the path.
        |p| owned(unsafe { call(nr::open_tree, [raw(dir), p.as_ptr() as usize, (flags | CLOEXEC) as usize, 0, 0, 0]) }),
        |p| format!("{} {p}, {flags:#x}", shown(dir)),
    )
}

/// mount_setattr(2) on a mount fd, or on the mount at `path` below it. Linux 5.12.
pub fn mount_setattr(dir: impl AsFd, path: impl Arg, flags: u32, attributes: &MountAttr) -> Result<()> {
    let dir = dir.as_fd();
    with_path(
        "mount_setattr",
        path,
        |p| {
            let attributes = std::ptr::from_ref(attributes) as usize;
            let args = [raw(dir), p.as_ptr() as usize, flags as usize, attributes, size_of::<MountAttr>(), 0];
            // SAFETY: the kernel only reads path and attributes.
            unsafe { call(nr::mount_setattr, args) }.map(drop)
        },
        |p| format!("{} {p}, {flags:#x}, {attributes:x?}", shown(dir)),
    )
}

/// move_mount(2) of the mount behind `from` onto the very object behind `to`.
pub fn move_mount(from: impl AsFd, to: impl AsFd) -> Result<()> {
    const BOTH_EMPTY: usize = 0x4 | 0x40;
    let (from, to) = (from.as_fd(), to.as_fd());
    let empty = c"".as_ptr() as usize;
    // SAFETY: the kernel only reads the empty paths.
    unsafe { call(nr::move_mount, [raw(from), empty, raw(to), empty, BOTH_EMPTY, 0]) }
        .map(drop)
        .map_err(|errno| Error::new("move_mount", format!("{}, {}", shown(from), shown(to)), errno))
}

/// umount2(2) with `MNT_DETACH`.
pub fn detach(path: impl Arg) -> Result<()> {
    with_path(
        "umount2",
        path,
        // SAFETY: the kernel only reads the path.
        |p| unsafe { call(nr::umount2, [p.as_ptr() as usize, 2, 0, 0, 0, 0]) }.map(drop),
        |p| format!("{p}, MNT_DETACH"),
    )
}
