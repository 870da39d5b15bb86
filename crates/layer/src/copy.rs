//! A tree on disk, copied with all that belongs to it: owners, modes, times, attributes, holes, and the names that files
//! share.
//!
//! What is copied may be hostile, and change meanwhile: it is walked by fd, and no link is followed. What is written is a
//! directory of our own.

use crate::error::{Error, Result};
use crate::lowers::metadata;
use crate::metadata::{Metadata, Problem, Setter, xattrs_of};
use crate::ownership::Ownership;
use crate::pack::extents;
use crate::walk::{Mounts, Seen, walk};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Copies all that is in the directory `from` into the empty directory `to`, which becomes like it. `ownership` maps the
/// ids that the files have to those that they get.
pub fn copy_tree(from: impl AsFd, to: impl AsFd, ownership: Ownership<'_>) -> Result<()> {
    let open = |dir: BorrowedFd<'_>| sys::fs::open_beneath(dir, ".", DIRECTORY, Mode::empty());
    let (from, to) = (open(from.as_fd())?, open(to.as_fd())?);
    let top = top(&from, ownership)?;
    let mut copier = Copier {
        // What was mapped by `described` is not to be mapped once more.
        setter: Setter::new(Ownership::AsRecorded),
        ownership,
        links: HashMap::new(),
        directories: vec![(Vec::new(), top)],
        parent: (Vec::new(), to.as_fd().try_clone_to_owned().map_err(Error::Output)?),
        to,
    };
    walk(from.as_fd(), Mounts::Refused, &mut |seen| copier.visit(seen).map_err(|problem| failed(problem, seen.path)))?;
    copier.finish()
}

/// Makes the directory `to` like the directory `from`, but for what is in it.
pub fn copy_directory(from: impl AsFd, to: impl AsFd, ownership: Ownership<'_>) -> Result<()> {
    let from = sys::fs::open_beneath(from.as_fd(), ".", DIRECTORY, Mode::empty())?;
    let meta = top(&from, ownership)?;
    Setter::new(Ownership::AsRecorded).set(to.as_fd(), &meta, false).map_err(|problem| failed(problem, b"."))
}

fn top(dir: &OwnedFd, ownership: Ownership<'_>) -> Result<Metadata> {
    let stat = rustix::fs::fstat(dir).map_err(|errno| sys::Error::new("fstat", "", errno))?;
    described(&stat, xattrs_of(dir)?, ownership).map_err(|problem| failed(problem, b"."))
}

struct Copier<'a> {
    setter: Setter<'a>,
    ownership: Ownership<'a>,
    to: OwnedFd,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Described when nothing is made in them any more.
    directories: Vec<(Vec<u8>, Metadata)>,
    /// The directory in which something was made last.
    parent: (Vec<u8>, OwnedFd),
}

impl Copier<'_> {
    fn visit(&mut self, seen: &Seen<'_>) -> Result<(), Problem> {
        self.enter(seen)?;
        let (dir, name) = (&self.parent.1, seen.name);
        match seen.kind() {
            FileType::Directory => {
                let opened = seen.open(DIRECTORY)?;
                let meta = described(seen.stat, xattrs_of(&opened)?, self.ownership)?;
                sys::fs::mkdirat(dir, name, Mode::RWXU)?;
                self.directories.push((seen.path.to_vec(), meta));
                return Ok(());
            }
            _ if seen.stat.st_nlink > 1 => {
                let file = (seen.stat.st_dev, seen.stat.st_ino);
                if let Some(first) = self.links.get(&file) {
                    return Ok(sys::fs::linkat(&self.to, &**first, dir, name, AtFlags::empty())?);
                }
                self.links.insert(file, seen.path.to_vec());
            }
            _ => {}
        }
        let meta = |xattrs| described(seen.stat, xattrs, self.ownership);
        match seen.kind() {
            FileType::Directory => Ok(()),
            FileType::RegularFile => {
                let from = File::from(seen.open(OFlags::RDONLY)?);
                let meta = meta(xattrs_of(&from)?)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let to = File::from(sys::fs::open_beneath(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
                content(&from, &to).map_err(Problem::Write)?;
                self.setter.set(to.as_fd(), &meta, false)
            }
            FileType::Symlink => {
                sys::fs::symlinkat(&*seen.link()?, dir, name)?;
                self.setter.set_at(dir.as_fd(), name, &meta(Vec::new())?, true)
            }
            kind => match sys::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, seen.stat.st_rdev) {
                // In a user namespace nobody can make a device.
                Err(error) if error.errno == Errno::PERM => Ok(()),
                made => {
                    made?;
                    self.setter.set_at(dir.as_fd(), name, &meta(Vec::new())?, false)
                }
            },
        }
    }

    fn enter(&mut self, seen: &Seen<'_>) -> sys::Result<()> {
        let above = seen.path.len() - seen.name.len();
        let path = seen.path.get(..above).unwrap_or_default().strip_suffix(b"/").unwrap_or_default();
        if self.parent.0 != path {
            self.parent = (path.to_vec(), self.open(path)?);
        }
        Ok(())
    }

    fn open(&self, path: &[u8]) -> sys::Result<OwnedFd> {
        sys::fs::open_beneath(&self.to, if path.is_empty() { b"." } else { path }, DIRECTORY, Mode::empty())
    }

    fn finish(mut self) -> Result<()> {
        for (path, meta) in std::mem::take(&mut self.directories).into_iter().rev() {
            let dir = self.open(&path)?;
            self.setter.set(dir.as_fd(), &meta, false).map_err(|problem| failed(problem, &path))?;
        }
        Ok(())
    }
}

fn described(stat: &Stat, xattrs: Vec<(Vec<u8>, Vec<u8>)>, ownership: Ownership<'_>) -> Result<Metadata, Problem> {
    let mapped = |(name, value): (Vec<u8>, Vec<u8>)| {
        let value = ownership.attribute(&name, value);
        (name, value)
    };
    let meta = metadata(stat, xattrs.into_iter().map(mapped).collect());
    let (uid, gid) = ownership.on_disk(meta.uid, meta.gid, (0, 0))?;
    Ok(Metadata { uid, gid, ..meta })
}

/// The bytes of a file, with its holes.
fn content(mut from: &File, mut to: &File) -> std::io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    let Some(extents) = extents(from, &stat) else {
        return std::io::copy(&mut from, &mut to).map(drop);
    };
    for extent in extents {
        from.seek(SeekFrom::Start(extent.offset))?;
        to.seek(SeekFrom::Start(extent.offset))?;
        std::io::copy(&mut from.take(extent.length), &mut to)?;
    }
    to.set_len(stat.st_size as u64)
}

fn failed(problem: Problem, path: &[u8]) -> Error {
    let source = match problem {
        Problem::Other(error) => return error,
        Problem::Refusal(refusal) => refusal.to_string().into(),
        Problem::Sys(error) => error.into(),
        Problem::Write(error) => error.into(),
        Problem::Image(error) => error.into(),
    };
    Error::Copy { name: crate::entry::shown(path), source }
}
