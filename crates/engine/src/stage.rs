//! A place to attach mounts for as long as an overlay is put together of them.
//!
//! Before Linux 6.15 an overlay takes only directories on mounts of the caller's own mount namespace, so neither a
//! tmpfs that is not attached anywhere nor an idmapped copy of a layer. The stage is a mount namespace for nobody else
//! to see, entered and left again: what the overlay has taken, it holds by itself. The caller does not stay there,
//! because binds that are to be shared with the machine must come from the machine's own mounts.

use crate::error::{Error, Result};
use rustix::fs::{CWD, Mode, OFlags};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use sys::mount::{FsContext, MountAttr, RECURSIVE, attr, mount_setattr, move_mount, propagation};
use sys::process::{namespace, setns, unshare};

/// The stage, on which this process is until it is dropped. Directories opened before are of the other namespace.
#[derive(Debug)]
pub struct Stage {
    tmpfs: OwnedFd,
    attached: Cell<u32>,
    _left: Left,
}

/// Where we were before we entered another mount namespace; we are back when it is dropped.
#[derive(Debug)]
pub(crate) struct Left {
    namespace: OwnedFd,
    cwd: OwnedFd,
}

impl Left {
    /// Here, before it is left.
    pub fn here() -> sys::Result<Self> {
        let namespace = sys::fs::open("/proc/self/ns/mnt", OFlags::RDONLY, Mode::empty())?;
        Ok(Self { namespace, cwd: sys::fs::open(".", DIRECTORY, Mode::empty())? })
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // It worked on the way here; and what comes next needs paths that mean the same in both namespaces.
        let _ = setns(&self.namespace, namespace::MOUNT).and_then(|()| sys::cwd::fchdir(&self.cwd));
    }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

impl Stage {
    /// Enters one, built over the directory `at`, which nobody needs meanwhile.
    pub fn enter(at: &Path) -> Result<Self> {
        let open = || {
            let left = Left::here()?;
            unshare(namespace::MOUNT)?;
            let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
            mount_setattr(CWD, "/", RECURSIVE, &private)?;
            let context = FsContext::open("tmpfs")?;
            context.set("mode", "755")?.set("source", "coracle")?;
            let tmpfs = context.mount(attr::NODEV)?;
            move_mount(&tmpfs, sys::fs::open(at, DIRECTORY, Mode::empty())?)?;
            Ok(Self { tmpfs, attached: Cell::new(0), _left: left })
        };
        open().map_err(Error::system("enter a mount namespace for putting together the root"))
    }

    /// A tmpfs that is attached, for uppers.
    pub fn tmpfs(&self) -> &OwnedFd {
        &self.tmpfs
    }

    /// Attaches a detached mount.
    pub fn attach(&self, mount: OwnedFd) -> sys::Result<OwnedFd> {
        let number = self.attached.replace(self.attached.get() + 1);
        let name = format!("mount-{number}");
        sys::fs::mkdirat(&self.tmpfs, name.as_str(), Mode::RWXU)?;
        let place = sys::fs::open_beneath(&self.tmpfs, name.as_str(), DIRECTORY, Mode::empty())?;
        move_mount(&mount, place)?;
        Ok(mount)
    }

    /// The directory behind an fd of another namespace, opened in that of the stage.
    pub fn reopen(dir: impl AsFd) -> sys::Result<OwnedFd> {
        let fd = dir.as_fd().as_raw_fd();
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        let path = path.map_err(|error| {
            let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
            sys::Error::new("readlink", format!("/proc/self/fd/{fd}"), errno)
        })?;
        sys::fs::open(path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
    }
}
