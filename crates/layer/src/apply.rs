//! Applying: entry after entry of the tar becomes a file of the layer, in a directory or in an image.

use crate::archive::Archive;
use crate::compression::Compression;
use crate::content::Content;
use crate::copy_up::copy_up;
use crate::entry::{Entry, Kind};
use crate::error::{Error, Refusal, Result};
use crate::files::Files;
use crate::image::Image;
use crate::lowers::Lowers;
use crate::metadata::{Metadata, Problem, Reader, Setter, undescribed};
use crate::name::{self, Name, Place};
use crate::ownership::Ownership;
use crate::pipeline::{Inflated, Stream, inflated};
use crate::target::{Existing, Pending, Target};
use crate::tree::Tree;
use oci::digest::DiffId;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use sys::Errno;

/// Where overlayfs looks for its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayXattrs {
    /// `trusted.overlay.*`, which takes privileges over the machine.
    Trusted,
    /// `user.overlay.*`, for overlays mounted with `userxattr`.
    User,
}

impl OverlayXattrs {
    /// The attribute of a directory that hides what is below.
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// What becomes of character and block devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// They are made.
    Create,
    /// They are left out and counted: a user namespace cannot make them. Docker and podman do the same.
    Skip,
}

/// How much a tar may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of the uncompressed tar.
    pub bytes: u64,
    /// Bytes of names and attributes of directories, which are held in memory until the end.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1 << 22, bytes: u64::MAX, held: 128 << 20 }
    }
}

/// How to apply.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// To whom files belong.
    pub ownership: Ownership<'a>,
    /// Which attributes overlayfs will read.
    pub xattrs: OverlayXattrs,
    /// What becomes of devices.
    pub devices: Devices,
    /// The layers below, lowest first, as far as they are at hand. They are looked at in two cases: for a directory
    /// that no entry describes before something is put in it, and for a hard link to a file that the tar does not
    /// have.
    pub lowers: &'a [BorrowedFd<'a>],
    /// How much the tar may ask for.
    pub limits: Limits,
}

/// Owner and mode of a root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootMeta {
    /// Permission bits.
    pub mode: u32,
    /// User id, as the tar has it.
    pub uid: u32,
    /// Group id, as the tar has it.
    pub gid: u32,
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the tar, uncompressed. It is the caller's to compare.
    pub diff_id: DiffId,
    /// The length of the tar, uncompressed.
    pub size: u64,
    /// How it was compressed.
    pub compression: Compression,
    /// How many entries it had.
    pub entries: u64,
    /// The result holds only above these lower layers (or, without any, only as the lowest layer).
    pub depends_on_lowers: bool,
    /// Nothing of the lower layers is to be seen. Overlayfs does not look for this at a layer's root: leave the lower
    /// layers out.
    pub hides_lowers: bool,
    /// What the tar said of the root directory itself.
    pub root: Option<RootMeta>,
    /// Devices left out.
    pub skipped_devices: u64,
    /// Extended attributes left out: an image may not bring them, or the file system cannot hold them.
    pub dropped_xattrs: u64,
}

/// Applies the tar in `blob`, plain or compressed, in the empty directory `root`. After an error the directory holds
/// some part of it: the caller removes it. Nobody else may write below `root` meanwhile.
pub fn apply(blob: impl Read + Send, root: impl AsFd, options: &Options<'_>) -> Result<Applied> {
    let root = sys::fs::open_beneath(root, ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    let files = Files::new(root, Setter::new(options.ownership), options.xattrs);
    Ok(apply_to(files, blob, options)?.1)
}

/// Writes what the tar in `blob`, plain or compressed, makes of a layer as an EROFS image to an empty file. Returns it,
/// unsynced, the image's length in bytes, and what was applied.
pub fn write_image(blob: impl Read + Send, file: File, options: &Options<'_>) -> Result<(File, u64, Applied)> {
    let owner = undescribed(options.ownership).map_err(|refusal| Problem::from(refusal).of(b"", 0))?;
    let (image, applied) = apply_to(Image::new(file, options.xattrs, owner), blob, options)?;
    let (file, length) = image.finish().map_err(Error::Incomplete)?;
    Ok((file, length, applied))
}

fn apply_to<T: Target>(target: T, blob: impl Read + Send, options: &Options<'_>) -> Result<(T, Applied)> {
    let lowers = Lowers::new(options.lowers, options.xattrs);
    let mut layer = Layer {
        tree: Tree::new(target, lowers),
        reader: Reader::new(options.ownership),
        options,
        entries: 0,
        skipped_devices: 0,
        root: None,
    };
    let ((), stream) = inflated(blob, |pieces| layer.entries(&mut Archive::new(pieces)))?;
    let Layer { tree, reader, entries, skipped_devices, root, .. } = layer;
    let (depends_on_lowers, hides_lowers) = (tree.depends, tree.hides_lowers());
    let target = tree.finish()?;
    let Stream { diff_id, size, compression } = stream;
    let dropped_xattrs = reader.dropped_xattrs + target.dropped_xattrs();
    let applied = Applied {
        diff_id,
        size,
        compression,
        entries,
        depends_on_lowers,
        hides_lowers,
        root,
        skipped_devices,
        dropped_xattrs,
    };
    Ok((target, applied))
}

struct Layer<'a, T: Target> {
    tree: Tree<'a, T>,
    reader: Reader<'a>,
    options: &'a Options<'a>,
    entries: u64,
    skipped_devices: u64,
    root: Option<RootMeta>,
}

type Tar<'a> = Archive<&'a mut Inflated>;

impl<T: Target> Layer<'_, T> {
    fn entries(&mut self, tar: &mut Tar<'_>) -> Result<()> {
        let limits = &self.options.limits;
        while let Some(mut entry) = tar.next_entry()? {
            self.entries += 1;
            if self.entries > limits.entries {
                return Err(Error::Limit { what: "entries", limit: limits.entries });
            }
            if tar.offset().saturating_add(entry.stored) > limits.bytes {
                return Err(Error::Limit { what: "bytes", limit: limits.bytes });
            }
            if self.tree.weight() > limits.held {
                return Err(Error::Limit { what: "bytes of directory names", limit: limits.held as u64 });
            }
            let path = std::mem::take(&mut entry.path);
            self.entry(&path, &mut entry, tar).map_err(|problem| problem.of(&path, entry.offset))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &[u8], entry: &mut Entry, tar: &mut Tar<'_>) -> Result<(), Problem> {
        match name::parse(path)? {
            Name::Ignored => Ok(()),
            Name::Root => self.root_directory(entry),
            Name::Whiteout(place) => self.whiteout(place),
            Name::Opaque(place) => {
                let dir = self.tree.directory(place.parent)?;
                self.tree.make_opaque(&dir)
            }
            Name::Entry(place) if entry.kind == Kind::HardLink => self.hard_link(place, &entry.link),
            Name::Entry(place) => {
                let meta = self.reader.of_entry(entry)?;
                self.make(place, entry, meta, tar)
            }
        }
    }

    fn root_directory(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        if entry.kind != Kind::Directory {
            return Err(Refusal::Root.into());
        }
        let meta = self.reader.of_entry(entry)?;
        let (uid, gid) = self.reader.recorded(entry)?;
        self.root = Some(RootMeta { mode: meta.mode, uid, gid });
        self.tree.describe_root(pending(meta, entry));
        Ok(())
    }

    /// A whiteout hides what the lower layers have; what this layer itself has under the name stays, whichever comes
    /// first in the tar (image spec, layer.md).
    fn whiteout(&mut self, place: Place<'_>) -> Result<(), Problem> {
        let dir = self.tree.directory(place.parent)?;
        match self.tree.look(&dir, place.name)? {
            Some(Existing::Directory) => {
                let own = self.tree.directory(&dir.join(place.name))?;
                self.tree.make_opaque(&own)
            }
            Some(_) => Ok(()),
            // In an opaque directory there is nothing left to hide.
            None if dir.hidden => Ok(()),
            None => self.tree.target.make_whiteout(&dir.handle, place.name),
        }
    }

    fn hard_link(&mut self, place: Place<'_>, target: &[u8]) -> Result<(), Problem> {
        let missing = || Refusal::NoLinkTarget(crate::entry::shown(target));
        let old = name::place(target)?.ok_or_else(|| Refusal::LinkToDirectory(crate::entry::shown(target)))?;
        let old_dir = self.tree.directory(old.parent)?;
        match self.tree.look(&old_dir, old.name)? {
            Some(Existing::Directory) => return Err(Refusal::LinkToDirectory(crate::entry::shown(target)).into()),
            Some(Existing::Whiteout) => return Err(missing().into()),
            Some(_) => {}
            None => copy_up(&mut self.tree, &old_dir, old.name)?,
        }
        let dir = self.tree.directory(place.parent)?;
        if dir.path == old_dir.path && place.name == old.name {
            return Ok(());
        }
        let link = |target: &mut T| Ok(target.link(&old_dir.handle, old.name, &dir.handle, place.name)?);
        self.tree.replacing(&dir, place.name, link).map_err(|problem| match problem {
            // What had the new name held the target.
            Problem::Sys(error) if error.errno == Errno::NOENT => missing().into(),
            other => other,
        })
    }

    fn make(&mut self, place: Place<'_>, entry: &Entry, meta: Metadata, tar: &mut Tar<'_>) -> Result<(), Problem> {
        let dir = self.tree.directory(place.parent)?;
        let name = place.name;
        match entry.kind {
            Kind::Directory => self.tree.make_directory(&dir, name, pending(meta, entry)),
            Kind::File => self.tree.replacing(&dir, name, |target| {
                target.make_file(&dir.handle, name, &meta, &mut Content { entry, tar })
            }),
            Kind::Symlink => {
                if entry.link.contains(&0) {
                    return Err(Refusal::Nul.into());
                }
                self.tree.replacing(&dir, name, |target| target.make_symlink(&dir.handle, name, &entry.link, &meta))
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let (kind, is_device) = match entry.kind {
                    Kind::CharDevice => (FileType::CharacterDevice, true),
                    Kind::BlockDevice => (FileType::BlockDevice, true),
                    _ => (FileType::Fifo, false),
                };
                if kind == FileType::CharacterDevice && entry.device == (0, 0) {
                    return Err(Refusal::WhiteoutDevice.into());
                }
                if is_device && self.options.devices == Devices::Skip {
                    self.skipped_devices += 1;
                    return Ok(());
                }
                self.tree
                    .replacing(&dir, name, |target| target.make_special(&dir.handle, name, kind, entry.device, &meta))
            }
            Kind::HardLink => self.hard_link(place, &entry.link),
        }
    }
}

fn pending(meta: Metadata, entry: &Entry) -> Pending {
    Pending { meta: Some(meta), offset: entry.offset, ..Pending::default() }
}
