//! A layer as one EROFS image: files go into it as they come, directories are held until the end.

use crate::apply::OverlayXattrs;
use crate::entry::Time;
use crate::metadata::{Metadata, Problem};
use crate::name::components;
use crate::target::{Existing, Pending, Sink, Source, Target};
use erofs::{Attributes, Child, Node, Special, Writer};
use rustix::fs::FileType;
use std::collections::BTreeMap;
use std::fs::File;
use sys::Errno;

/// As long as a name can be (NAME_MAX).
const LONGEST_NAME: usize = 255;
/// What an entry costs in memory beside its name.
const ENTRY: usize = 96;

/// The image that a layer is applied to.
#[derive(Debug)]
pub struct Image {
    writer: Writer,
    /// The first is the root. Those that were removed again stay here, without a name.
    directories: Vec<Held>,
    style: OverlayXattrs,
    /// Owner of a directory that nothing describes.
    undescribed: (u32, u32),
    /// One node under many names.
    whiteout: Option<Node>,
    weight: usize,
    dropped_xattrs: u64,
}

#[derive(Debug, Default)]
struct Held {
    attributes: Attributes,
    opaque: bool,
    entries: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Directory(usize),
    Symlink(Node, Vec<u8>),
    Whiteout(Node),
    Other(Node),
}

impl Image {
    pub fn new(file: File, style: OverlayXattrs, undescribed: (u32, u32)) -> Self {
        let directories = vec![Held::default()];
        let writer = Writer::new(file);
        Self { writer, directories, style, undescribed, whiteout: None, weight: 0, dropped_xattrs: 0 }
    }

    /// Writes the directories. Returns the file and the image's length in bytes.
    pub fn finish(self) -> erofs::Result<(File, u64)> {
        // What was removed has no name any more and is left out, so the numbers change: `order` has the old ones.
        let mut held: Vec<_> = self.directories.into_iter().map(Some).collect();
        let mut order = vec![0];
        let mut directories = Vec::new();
        while let Some(Held { mut attributes, opaque, entries }) =
            order.get(directories.len()).and_then(|old: &usize| held[*old].take())
        {
            if opaque {
                attributes.xattrs.push((self.style.opaque().as_bytes().to_vec(), b"y".to_vec()));
            }
            let mut child = |entry| match entry {
                Entry::Directory(old) => {
                    order.push(old);
                    Child::Directory(order.len() - 1)
                }
                Entry::Symlink(node, _) | Entry::Whiteout(node) | Entry::Other(node) => Child::Node(node),
            };
            let entries = entries.into_iter().map(|(name, entry)| (name, child(entry))).collect();
            directories.push(erofs::Directory { attributes, entries });
        }
        self.writer.finish(&directories)
    }

    fn entry(&self, dir: usize, name: &[u8]) -> Option<&Entry> {
        self.directories[dir].entries.get(name)
    }

    fn vacant(&self, call: &'static str, dir: usize, name: &[u8]) -> sys::Result<()> {
        let errno = match self.entry(dir, name) {
            _ if name.len() > LONGEST_NAME => Errno::NAMETOOLONG,
            Some(_) => Errno::EXIST,
            None => return Ok(()),
        };
        Err(sys::Error::new(call, crate::entry::shown(name), errno))
    }

    fn insert(&mut self, dir: usize, name: &[u8], entry: Entry) {
        self.weight += ENTRY + name.len();
        self.directories[dir].entries.insert(name.to_vec(), entry);
    }

    /// The attributes of a file that is no directory; `link` for a symbolic one.
    fn attributes(&mut self, meta: &Metadata, may_have_user: bool) -> Attributes {
        let kept = |(name, _): &&(Vec<u8>, Vec<u8>)| {
            // The kernel has user attributes on files and directories only (xattr(7)).
            erofs::has_class(name) && (may_have_user || !name.starts_with(b"user."))
        };
        let xattrs: Vec<_> = meta.xattrs.iter().filter(kept).cloned().collect();
        self.dropped_xattrs += (meta.xattrs.len() - xattrs.len()) as u64;
        let Time { seconds, nanoseconds } = meta.mtime;
        let mtime = erofs::Time { seconds, nanoseconds };
        Attributes { mode: meta.mode as u16, uid: meta.uid, gid: meta.gid, mtime, xattrs }
    }
}

impl Target for Image {
    type Handle = usize;

    fn root(&self) -> usize {
        0
    }

    fn enter(&self, dir: &usize, name: &[u8]) -> sys::Result<usize> {
        let errno = match self.entry(*dir, name) {
            Some(Entry::Directory(index)) => return Ok(*index),
            Some(Entry::Symlink(..)) => Errno::LOOP,
            Some(_) => Errno::NOTDIR,
            None => Errno::NOENT,
        };
        Err(sys::Error::new("enter", crate::entry::shown(name), errno))
    }

    fn look(&self, dir: &usize, name: &[u8]) -> sys::Result<Option<Existing>> {
        Ok(self.entry(*dir, name).map(|entry| match entry {
            Entry::Directory(_) => Existing::Directory,
            Entry::Symlink(..) => Existing::Symlink,
            Entry::Whiteout(_) => Existing::Whiteout,
            Entry::Other(_) => Existing::Other,
        }))
    }

    fn read_link(&self, dir: &usize, name: &[u8]) -> sys::Result<Vec<u8>> {
        match self.entry(*dir, name) {
            Some(Entry::Symlink(_, to)) => Ok(to.clone()),
            _ => Err(sys::Error::new("readlink", crate::entry::shown(name), Errno::INVAL)),
        }
    }

    fn make_directory(&mut self, dir: &usize, name: &[u8]) -> sys::Result<()> {
        self.vacant("mkdir", *dir, name)?;
        self.directories.push(Held::default());
        self.insert(*dir, name, Entry::Directory(self.directories.len() - 1));
        Ok(())
    }

    fn make_whiteout(&mut self, dir: &usize, name: &[u8]) -> Result<(), Problem> {
        self.vacant("mknod", *dir, name)?;
        let node = if let Some(node) = self.whiteout {
            node
        } else {
            let device = Special::CharDevice { major: 0, minor: 0 };
            *self.whiteout.insert(self.writer.special(&Attributes::default(), device)?)
        };
        self.insert(*dir, name, Entry::Whiteout(node));
        Ok(())
    }

    fn make_opaque(&mut self, dir: &usize) -> sys::Result<()> {
        self.directories[*dir].opaque = true;
        Ok(())
    }

    fn make_file(
        &mut self,
        dir: &usize,
        name: &[u8],
        meta: &Metadata,
        content: &mut dyn Source,
    ) -> Result<(), Problem> {
        self.vacant("open", *dir, name)?;
        let attributes = self.attributes(meta, true);
        let mut file = Content(self.writer.file(&attributes, content.size())?);
        content.pour(&mut file)?;
        let node = file.0.finish()?;
        self.insert(*dir, name, Entry::Other(node));
        Ok(())
    }

    fn make_symlink(&mut self, dir: &usize, name: &[u8], to: &[u8], meta: &Metadata) -> Result<(), Problem> {
        self.vacant("symlink", *dir, name)?;
        // Linux gives every symbolic link this mode.
        let attributes = Attributes { mode: 0o777, ..self.attributes(meta, false) };
        let node = self.writer.symlink(&attributes, to)?;
        self.weight += to.len();
        self.insert(*dir, name, Entry::Symlink(node, to.to_vec()));
        Ok(())
    }

    fn make_special(
        &mut self,
        dir: &usize,
        name: &[u8],
        kind: FileType,
        (major, minor): (u32, u32),
        meta: &Metadata,
    ) -> Result<(), Problem> {
        self.vacant("mknod", *dir, name)?;
        let special = match kind {
            FileType::CharacterDevice => Special::CharDevice { major, minor },
            FileType::BlockDevice => Special::BlockDevice { major, minor },
            FileType::Socket => Special::Socket,
            _ => Special::Fifo,
        };
        let attributes = self.attributes(meta, false);
        let node = self.writer.special(&attributes, special)?;
        self.insert(*dir, name, Entry::Other(node));
        Ok(())
    }

    fn link(&mut self, old_dir: &usize, old: &[u8], dir: &usize, name: &[u8]) -> sys::Result<()> {
        self.vacant("link", *dir, name)?;
        let absent = || sys::Error::new("link", crate::entry::shown(old), Errno::NOENT);
        let entry = self.entry(*old_dir, old).ok_or_else(absent)?.clone();
        self.insert(*dir, name, entry);
        Ok(())
    }

    fn remove(&mut self, dir: &usize, name: &[u8]) -> sys::Result<()> {
        // Nothing may be found in a directory that is gone, by whoever still has its number.
        let mut gone: Vec<_> = self.directories[*dir].entries.remove(name).into_iter().collect();
        while let Some(entry) = gone.pop() {
            if let Entry::Directory(index) = entry {
                gone.extend(std::mem::take(&mut self.directories[index].entries).into_values());
            }
        }
        Ok(())
    }

    fn describe(&mut self, path: &[u8], pending: &Pending) -> Result<(), Problem> {
        let mut dir = self.root();
        for name in components(path) {
            dir = self.enter(&dir, name)?;
        }
        let attributes = if let Some(meta) = &pending.meta {
            self.attributes(meta, true)
        } else {
            let (uid, gid) = self.undescribed;
            Attributes { mode: 0o755, uid, gid, ..Attributes::default() }
        };
        self.directories[dir].attributes = attributes;
        Ok(())
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn dropped_xattrs(&self) -> u64 {
        self.dropped_xattrs
    }
}

/// A file of the image that is being written.
struct Content<'a>(erofs::FileWriter<'a>);

impl Sink for Content<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        Ok(self.0.write(bytes)?)
    }

    fn hole(&mut self, length: u64) -> Result<(), Problem> {
        Ok(self.0.skip(length)?)
    }
}
