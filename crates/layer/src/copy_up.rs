//! A file of a lower layer brought into this one, because a hard link of the tar leads to it.
//!
//! A link cannot cross layers. Overlayfs itself copies a file up before it links it, and a layer that docker made of
//! such a link holds the file too; one made otherwise may hold the link alone.

use crate::error::Refusal;
use crate::lowers::{Found, metadata};
use crate::metadata::{Problem, Setter, xattrs_of};
use crate::tree::{Directory, Tree};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::os::fd::AsFd;

/// Copies what the lower layers have under this name to the same place in this layer.
pub fn copy_up(tree: &mut Tree<'_>, setter: &mut Setter<'_>, dir: &Directory, name: &[u8]) -> Result<(), Problem> {
    let path = || crate::entry::shown(&dir.join(name));
    match tree.below(dir, name)? {
        None => Err(Refusal::NoLinkTarget(path()).into()),
        Some(Found::Directory(_)) => Err(Refusal::LinkToDirectory(path()).into()),
        Some(Found::Symlink(target, meta)) => {
            sys::fs::symlinkat(&*target, dir, name)?;
            setter.set_at(dir.fd.as_fd(), name, &meta, true)
        }
        Some(Found::Other(lower, stat)) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind != FileType::RegularFile {
                sys::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?;
                return setter.set_at(dir.fd.as_fd(), name, &metadata(&stat, Vec::new()), false);
            }
            let read = OFlags::RDONLY | OFlags::NONBLOCK;
            let mut from = File::from(sys::fs::open_beneath(&lower, name, read, Mode::empty())?);
            let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let mut to = File::from(sys::fs::open_beneath(dir, name, write, Mode::RUSR | Mode::WUSR)?);
            std::io::copy(&mut from, &mut to).map_err(Problem::Write)?;
            let meta = metadata(&stat, xattrs_of(&from)?);
            setter.set(to.as_fd(), &meta, false)
        }
    }
}
