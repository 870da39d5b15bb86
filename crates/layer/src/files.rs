//! A layer as a directory of files, ready to be a lower directory of an overlay.

use crate::apply::OverlayXattrs;
use crate::lowers::is_whiteout;
use crate::metadata::{Metadata, Problem, Setter};
use crate::removal::remove_tree;
use crate::target::{Existing, Pending, Sink, Source, Target};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use sys::Errno;

/// The directory that a layer is applied in.
#[derive(Debug)]
pub struct Files<'a> {
    root: Rc<OwnedFd>,
    setter: Setter<'a>,
    style: OverlayXattrs,
}

impl<'a> Files<'a> {
    pub fn new(root: OwnedFd, setter: Setter<'a>, style: OverlayXattrs) -> Self {
        Self { root: Rc::new(root), setter, style }
    }
}

impl Target for Files<'_> {
    type Handle = Rc<OwnedFd>;

    fn root(&self) -> Self::Handle {
        Rc::clone(&self.root)
    }

    fn enter(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Self::Handle> {
        Ok(Rc::new(sys::fs::open_beneath(&**dir, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?))
    }

    fn look(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Option<Existing>> {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => Ok(Some(Existing::Whiteout)),
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Existing::Directory,
                FileType::Symlink => Existing::Symlink,
                _ => Existing::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("newfstatat", dir.as_fd(), name, errno)),
        }
    }

    fn read_link(&self, dir: &Self::Handle, name: &[u8]) -> sys::Result<Vec<u8>> {
        let to = rustix::fs::readlinkat(dir, name, Vec::new());
        Ok(to.map_err(|errno| failed("readlinkat", dir.as_fd(), name, errno))?.into_bytes())
    }

    fn make_directory(&mut self, dir: &Self::Handle, name: &[u8]) -> sys::Result<()> {
        sys::fs::mkdirat(&**dir, name, Mode::RWXU)
    }

    fn make_whiteout(&mut self, dir: &Self::Handle, name: &[u8]) -> Result<(), Problem> {
        // Since Linux 5.8 this device needs no privilege: it is none.
        Ok(sys::fs::mknodat(&**dir, name, FileType::CharacterDevice, Mode::empty(), 0)?)
    }

    fn make_opaque(&mut self, dir: &Self::Handle) -> sys::Result<()> {
        // An O_PATH fd cannot have attributes set.
        let opened = sys::fs::open_beneath(&**dir, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        sys::xattr::fsetxattr(&opened, self.style.opaque(), b"y")
    }

    fn make_file(
        &mut self,
        dir: &Self::Handle,
        name: &[u8],
        meta: &Metadata,
        content: &mut dyn Source,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (mode, is_right) = self.setter.creation_mode(meta);
        let file = File::from(sys::fs::open_beneath(&**dir, name, flags, mode)?);
        let mut written = Written { file: &file, at: 0, end: 0 };
        content.pour(&mut written)?;
        let Written { at, end, .. } = written;
        if end < at {
            file.set_len(at).map_err(Problem::Write)?;
        }
        self.setter.set(file.as_fd(), meta, is_right)
    }

    fn make_symlink(&mut self, dir: &Self::Handle, name: &[u8], to: &[u8], meta: &Metadata) -> Result<(), Problem> {
        sys::fs::symlinkat(to, &**dir, name)?;
        self.setter.set_at(dir.as_fd(), name, meta, true)
    }

    fn make_special(
        &mut self,
        dir: &Self::Handle,
        name: &[u8],
        kind: FileType,
        device: (u32, u32),
        meta: &Metadata,
    ) -> Result<(), Problem> {
        let device = rustix::fs::makedev(device.0, device.1);
        sys::fs::mknodat(&**dir, name, kind, Mode::RUSR | Mode::WUSR, device)?;
        self.setter.set_at(dir.as_fd(), name, meta, false)
    }

    fn link(&mut self, old_dir: &Self::Handle, old: &[u8], dir: &Self::Handle, name: &[u8]) -> sys::Result<()> {
        // Without AT_SYMLINK_FOLLOW a link to a symbolic link is one more name of that link.
        sys::fs::linkat(&**old_dir, old, &**dir, name, AtFlags::empty())
    }

    fn remove(&mut self, dir: &Self::Handle, name: &[u8]) -> sys::Result<()> {
        remove_tree(dir, name)
    }

    fn describe(&mut self, path: &[u8], pending: &Pending) -> Result<(), Problem> {
        let name: &[u8] = if path.is_empty() { b"." } else { path };
        let opened = sys::fs::open_beneath(&*self.root, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        match &pending.meta {
            Some(meta) => self.setter.set(opened.as_fd(), meta, false),
            None if path.is_empty() => Ok(()),
            None => self.setter.set_undescribed(opened.as_fd()),
        }
    }

    fn weight(&self) -> usize {
        0
    }

    fn dropped_xattrs(&self) -> u64 {
        self.setter.dropped_xattrs
    }
}

fn failed(call: &'static str, dir: BorrowedFd<'_>, name: &[u8], errno: Errno) -> sys::Error {
    sys::Error::new(call, format!("{}/{}", sys::fs::shown(dir), crate::entry::shown(name)), errno)
}

/// A file that is being written.
struct Written<'a> {
    file: &'a File,
    at: u64,
    /// Where the last data end.
    end: u64,
}

impl Sink for Written<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if !bytes.is_empty() {
            self.file.write_all_at(bytes, self.at).map_err(Problem::Write)?;
            self.at += bytes.len() as u64;
            self.end = self.at;
        }
        Ok(())
    }

    fn hole(&mut self, length: u64) -> Result<(), Problem> {
        self.at += length;
        Ok(())
    }
}
