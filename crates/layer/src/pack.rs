//! Packing: a tree on disk becomes the tar of a layer, the other side of [`crate::apply`].
//!
//! The tree is the upper directory of an overlay, whose whiteouts and opaque directories become those of a layer, or a
//! whole root file system. Nothing in it is trusted: names are walked by fd, links are never followed, and what changes
//! under our hands gives a tar that is old in places, but never one that is broken.

use crate::changes::Upper;
use crate::entry::{Entry, Kind, Time};
use crate::error::{Error, Result};
use crate::lowers::{Found, Lowers, is_whiteout};
use crate::metadata::xattrs_of;
use crate::ownership::Ownership;
use crate::sparse::Extent;
use crate::walk::{Mounts, Seen, unreadable, walk};
use crate::writer::Writer;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, Stat};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;

/// A tree to be packed.
#[derive(Debug, Clone, Copy)]
pub enum Packed<'a> {
    /// All that there is.
    Whole,
    /// What an overlay keeps of the changes to its lower layers.
    Upper(Upper<'a>),
}

/// What was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packing {
    /// Entries of the tar.
    pub entries: u64,
    /// Sockets left out: a tar has none.
    pub skipped_sockets: u64,
}

/// Writes the tar of the tree at `root` to `out`. `ownership` maps the ids on disk to those in the tar.
pub fn pack(root: impl AsFd, tree: Packed<'_>, ownership: Ownership<'_>, out: impl Write) -> Result<Packing> {
    let root = root.as_fd();
    let lowers = match tree {
        Packed::Whole => None,
        Packed::Upper(upper) => Some((upper, Lowers::new(upper.lowers, upper.style))),
    };
    let mut packer = Packer::new(out, lowers, ownership, b"");
    let opened = sys::fs::open_beneath(root, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened).map_err(|errno| sys::Error::new("fstat", "", errno))?;
    let entry = packer.described(b"./", Kind::Directory, &stat, xattrs_of(&opened)?)?;
    packer.put(&entry)?;
    walk(root, Mounts::Refused, &mut |seen| packer.visit(seen))?;
    packer.writer.finish().map_err(Error::Output)?;
    Ok(packer.packing)
}

/// Writes the tar of what is called `name` in `dir`, a tree or a file, under the name `shown`. No link is
/// followed; what is mounted in it belongs to it.
pub fn pack_named(
    dir: impl AsFd,
    name: &[u8],
    shown: &[u8],
    ownership: Ownership<'_>,
    out: impl Write,
) -> Result<Packing> {
    let dir = dir.as_fd();
    let stat = rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| unreadable(shown, sys::Error::new("newfstatat", "", errno)))?;
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let prefix = if is_directory { [shown, b"/"].concat() } else { shown.to_vec() };
    let mut packer = Packer::new(out, None, ownership, &prefix);
    let seen = Seen { path: b"", dir, name, stat: &stat };
    if is_directory {
        let opened = seen.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
        let entry = packer.described(b"", Kind::Directory, &stat, xattrs_of(&opened)?)?;
        packer.put(&entry)?;
        walk(opened.as_fd(), Mounts::Entered, &mut |seen| packer.visit(seen))?;
    } else {
        packer.visit(&seen)?;
    }
    packer.writer.finish().map_err(Error::Output)?;
    Ok(packer.packing)
}

struct Packer<'a, W> {
    /// Stands before every name.
    prefix: Vec<u8>,
    writer: Writer<W>,
    ownership: Ownership<'a>,
    lowers: Option<(Upper<'a>, Lowers<'a>)>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    packing: Packing,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(out: W, lowers: Option<(Upper<'a>, Lowers<'a>)>, ownership: Ownership<'a>, prefix: &[u8]) -> Self {
        let (writer, links, packing) = (Writer::new(out), HashMap::new(), Packing::default());
        Self { prefix: prefix.to_vec(), writer, ownership, lowers, links, packing }
    }

    fn visit(&mut self, seen: &Seen<'_>) -> Result<()> {
        if let Some((upper, lowers)) = &self.lowers {
            if is_whiteout(seen.stat) {
                return self.whiteout(seen);
            }
            if upper.is_mount_point(seen.path, lowers)? {
                return Ok(());
            }
        }
        let kind = match seen.kind() {
            FileType::Directory => return self.directory(seen),
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            _ => {
                self.packing.skipped_sockets += 1;
                return Ok(());
            }
        };
        if seen.stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(seen.stat.st_dev, seen.stat.st_ino)) {
                let first = [self.prefix.as_slice(), first].concat();
                let link = Entry { link: first, ..self.described(seen.path, Kind::HardLink, seen.stat, Vec::new())? };
                return self.put(&link);
            }
            self.links.insert((seen.stat.st_dev, seen.stat.st_ino), seen.path.to_vec());
        }
        if kind == Kind::File {
            return self.file(seen);
        }
        let mut entry = self.described(seen.path, kind, seen.stat, Vec::new())?;
        match kind {
            Kind::Symlink => entry.link = seen.link()?,
            Kind::Fifo => {}
            _ => entry.device = (rustix::fs::major(seen.stat.st_rdev), rustix::fs::minor(seen.stat.st_rdev)),
        }
        self.put(&entry)
    }

    fn directory(&mut self, seen: &Seen<'_>) -> Result<()> {
        let opened = seen.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
        let path = [seen.path, b"/"].concat();
        let entry = self.described(&path, Kind::Directory, seen.stat, xattrs_of(&opened)?)?;
        self.put(&entry)?;
        let Some((upper, lowers)) = &self.lowers else { return Ok(()) };
        // Overlayfs marks every directory that is new; only one that hides something has to say so.
        let opaque = crate::lowers::is_opaque(&opened, upper.style)?;
        if opaque && matches!(lowers.find(seen.path)?, Some(Found::Directory(_))) {
            let marker = [&path, b".wh..wh..opq".as_slice()].concat();
            return self.put(&Entry { path: marker, ..Entry::new(Kind::File) });
        }
        Ok(())
    }

    fn whiteout(&mut self, seen: &Seen<'_>) -> Result<()> {
        let Some((_, lowers)) = &self.lowers else { return Ok(()) };
        if lowers.find(seen.path)?.is_none() {
            return Ok(());
        }
        let parent = &seen.path[..seen.path.len() - seen.name.len()];
        self.put(&Entry { path: [parent, b".wh.", seen.name].concat(), ..Entry::new(Kind::File) })
    }

    fn file(&mut self, seen: &Seen<'_>) -> Result<()> {
        let mut file = File::from(seen.open(OFlags::RDONLY)?);
        let content = |source| Error::Content { name: crate::entry::shown(seen.path), source };
        // What was opened counts, should it be another by now.
        let stat = rustix::fs::fstat(&file).map_err(|errno| content(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let mut entry = self.described(seen.path, Kind::File, &stat, xattrs_of(&file)?)?;
        entry.size = stat.st_size as u64;
        entry.extents = extents(&file, &stat);
        self.put(&entry)?;
        match &entry.extents {
            None => self.data(&mut file, entry.size).map_err(content),
            Some(extents) => extents.iter().try_for_each(|extent| {
                file.seek(std::io::SeekFrom::Start(extent.offset)).map_err(content)?;
                self.data(&mut file, extent.length).map_err(content)
            }),
        }
    }

    /// So much of a file, with zeroes for what is no longer there.
    fn data(&mut self, file: &mut File, mut length: u64) -> std::io::Result<()> {
        let mut buffer = vec![0; length.min(256 << 10) as usize];
        while length > 0 {
            let want = length.min(buffer.len() as u64) as usize;
            let got = match file.read(&mut buffer[..want]) {
                Ok(0) => {
                    buffer[..want].fill(0);
                    want
                }
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.writer.data(&buffer[..got])?;
            length -= got as u64;
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> Result<()> {
        self.packing.entries += 1;
        self.writer.entry(entry).map_err(Error::Output)
    }

    fn described(&self, path: &[u8], kind: Kind, stat: &Stat, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Entry> {
        let owner = self.ownership.on_disk(stat.st_uid, stat.st_gid, (0, 0));
        let (uid, gid) = owner.map_err(|_| {
            let errno = sys::Errno::OVERFLOW;
            unreadable(path, sys::Error::new("map", format!("{}:{}", stat.st_uid, stat.st_gid), errno))
        })?;
        let time = |seconds: i64, nanoseconds| Time { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) };
        let xattr = |(name, value): (Vec<u8>, Vec<u8>)| {
            let value = self.ownership.attribute(&name, value);
            (name, value)
        };
        // A record of a tar ends a name at the first equals sign.
        let mut xattrs: Vec<_> = xattrs.into_iter().filter(|(name, _)| !name.contains(&b'=')).map(xattr).collect();
        xattrs.sort_unstable();
        Ok(Entry {
            path: [self.prefix.as_slice(), path].concat(),
            mode: stat.st_mode & 0o7777,
            uid: uid.into(),
            gid: gid.into(),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec),
            xattrs,
            ..Entry::new(kind)
        })
    }
}

/// Where the data of a file with holes lie; `None` for one without, or where nobody knows.
pub(crate) fn extents(file: &File, stat: &Stat) -> Option<Vec<Extent>> {
    let size = stat.st_size as u64;
    if stat.st_blocks as u64 * 512 >= size {
        return None;
    }
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let offset = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(offset) => offset,
            Err(sys::Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(offset)).ok()?.min(size);
        extents.push(Extent { offset, length: end.checked_sub(offset)? });
        at = end;
    }
    let whole = extents.first().is_some_and(|first| first.offset == 0 && first.length == size);
    rustix::fs::seek(file, SeekFrom::Start(0)).ok()?;
    (!whole).then_some(extents)
}
