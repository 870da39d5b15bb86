//! A file of a lower layer brought into this one, because a hard link of the tar leads to it.
//!
//! A link cannot cross layers. Overlayfs itself copies a file up before it links it, and a layer that docker made of
//! such a link holds the file too; one made otherwise may hold the link alone.

use crate::error::Refusal;
use crate::lowers::{Found, metadata};
use crate::metadata::{Problem, xattrs_of};
use crate::target::{Sink, Source, Target};
use crate::tree::{Directory, Tree};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::Read;

/// Copies what the lower layers have under this name to the same place in this layer.
pub fn copy_up<T: Target>(tree: &mut Tree<'_, T>, dir: &Directory<T::Handle>, name: &[u8]) -> Result<(), Problem> {
    let path = || crate::entry::shown(&dir.join(name));
    match tree.below(dir, name)? {
        None => Err(Refusal::NoLinkTarget(path()).into()),
        Some(Found::Directory(_)) => Err(Refusal::LinkToDirectory(path()).into()),
        Some(Found::Symlink(to, meta)) => tree.target.make_symlink(&dir.handle, name, &to, &meta),
        Some(Found::Other(lower, stat)) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind != FileType::RegularFile {
                let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                return tree.target.make_special(&dir.handle, name, kind, device, &metadata(&stat, Vec::new()));
            }
            let read = OFlags::RDONLY | OFlags::NONBLOCK;
            let file = File::from(sys::fs::open_beneath(&lower, name, read, Mode::empty())?);
            let meta = metadata(&stat, xattrs_of(&file)?);
            tree.target.make_file(&dir.handle, name, &meta, &mut Lower { file, size: stat.st_size as u64 })
        }
    }
}

/// The content of a file of a lower layer, which does not change.
struct Lower {
    file: File,
    size: u64,
}

impl Source for Lower {
    fn size(&self) -> u64 {
        self.size
    }

    fn pour(&mut self, sink: &mut dyn Sink) -> Result<(), Problem> {
        let mut buffer = vec![0; 128 << 10];
        loop {
            match self.file.read(&mut buffer).map_err(Problem::Write)? {
                0 => return Ok(()),
                length => sink.data(&buffer[..length])?,
            }
        }
    }
}
