//! What takes up room, and for whom: bytes on disk of blobs and unpacked layers, of containers' own files, of
//! volumes, and of pulls that were cut off.

use crate::blob::place;
use crate::container::Container;
use crate::file::{names, open_dir};
use crate::garbage::Needed;
use crate::receive::PARTIAL;
use crate::volume::VOLUMES;
use crate::{ContainerId, Image, Result, Store, VolumeName};
use oci::digest::Digest;
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::fd::{AsFd, BorrowedFd};

/// Something that images share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// A blob.
    Blob(Digest),
    /// An unpacked layer, with its copies for other ids.
    Layer(Digest),
}

/// What takes up room.
#[derive(Debug, Default)]
pub struct Usage {
    /// Images in the order in which they came; not those that are damaged.
    pub images: Vec<ImageUsage>,
    /// Bytes of each container's own files.
    pub containers: BTreeMap<ContainerId, u64>,
    /// Bytes of each volume.
    pub volumes: BTreeMap<VolumeName, u64>,
    /// How many pulls were cut off, and bytes of what came of them.
    pub partial: (usize, u64),
    /// Bytes of all that there is of images, needed or not.
    pieces: BTreeMap<Piece, u64>,
    /// What containers need.
    held: BTreeSet<Piece>,
    /// What is known to belong to images that are damaged.
    damaged: BTreeSet<Piece>,
}

/// What an image takes up.
#[derive(Debug)]
pub struct ImageUsage {
    /// The image.
    pub image: Image,
    /// What it needs.
    pieces: BTreeSet<Piece>,
}

impl Usage {
    /// Bytes of all images together.
    pub fn total(&self) -> u64 {
        self.pieces.values().sum()
    }

    /// Bytes of an image, and how many of them it shares with others.
    pub fn of(&self, image: &ImageUsage) -> (u64, u64) {
        let others = self.images.iter().filter(|other| other.image.entry.digest != image.image.entry.digest);
        let others: BTreeSet<_> = others.flat_map(|other| &other.pieces).collect();
        let shared = image.pieces.iter().filter(|piece| others.contains(piece));
        (self.bytes(image.pieces.iter()), self.bytes(shared))
    }

    /// Bytes that are free again once only these images are left.
    pub fn freed<'a>(&self, left: impl Iterator<Item = &'a ImageUsage>) -> u64 {
        let kept: BTreeSet<_> = left.flat_map(|image| &image.pieces).chain(&self.held).chain(&self.damaged).collect();
        self.bytes(self.pieces.keys().filter(|piece| !kept.contains(piece)))
    }

    /// Containers that are gone need nothing any more: `left` are those that stay.
    pub fn without_containers(&mut self, left: &[&[crate::LayerId]]) {
        self.held = left.iter().flat_map(|layers| layers.iter().map(|id| Piece::Layer(id.0))).collect();
    }

    fn bytes<'a>(&self, pieces: impl Iterator<Item = &'a Piece>) -> u64 {
        pieces.filter_map(|piece| self.pieces.get(piece)).sum()
    }
}

impl Store {
    /// How many bytes of files a container has written.
    pub fn written(&self, id: &ContainerId) -> Result<u64> {
        let containers = self.dir("containers")?;
        let upper = format!("{id}/{}", crate::UPPER);
        let bytes = |stat: &Stat| {
            let file = FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
            if file { stat.st_size.unsigned_abs() } else { 0 }
        };
        Ok(sum_of(containers.as_fd(), &upper, bytes))
    }

    /// Looks at what takes up room. Sees more of a user's files from inside his user namespace.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for digest in self.all_blobs()? {
            usage.pieces.insert(Piece::Blob(digest), size_of(self.root(), &place(digest)));
        }
        for layers in self.layer_dirs()? {
            for name in names(layers.as_fd())? {
                if let Ok(digest) = Digest::from_hex(&name) {
                    *usage.pieces.entry(Piece::Layer(digest)).or_default() += size_of(layers.as_fd(), &name);
                }
            }
        }
        for tagged in self.tagged()? {
            let mut needed = Needed::default();
            self.need(&tagged.descriptor, &mut needed, 0);
            let blobs = needed.blobs.into_iter().map(Piece::Blob);
            let pieces: BTreeSet<_> = blobs.chain(needed.layers.into_iter().map(Piece::Layer)).collect();
            match self.image(tagged) {
                Ok(image) => usage.images.push(ImageUsage { image, pieces }),
                Err(_) => usage.damaged.extend(pieces),
            }
        }
        let containers = self.dir("containers")?;
        for container in self.containers::<IgnoredAny>()? {
            let id = match container {
                Ok(Container { id, layers, .. }) => {
                    usage.held.extend(layers.iter().map(|layer| Piece::Layer(layer.0)));
                    id
                }
                Err(broken) => broken.id,
            };
            let bytes = size_of(containers.as_fd(), id.as_str());
            usage.containers.insert(id, bytes);
        }
        for name in self.volume_names()? {
            let bytes = size_of(self.root(), &format!("{VOLUMES}/{name}"));
            usage.volumes.insert(name, bytes);
        }
        match self.dir(PARTIAL) {
            Err(error) if error.is_absent() => {}
            partial => {
                let partial = partial?;
                for name in names(partial.as_fd())? {
                    usage.partial.0 += 1;
                    usage.partial.1 += size_of(partial.as_fd(), &name);
                }
            }
        }
        Ok(usage)
    }
}

/// Bytes on disk of a file, or of all below a directory, as far as they can be seen.
fn size_of(dir: BorrowedFd<'_>, name: &str) -> u64 {
    sum_of(dir, name, |stat| stat.st_blocks.unsigned_abs() * 512)
}

/// A sum over a file, or over all below a directory, as far as they can be seen.
fn sum_of(dir: BorrowedFd<'_>, name: &str, bytes: impl Fn(&Stat) -> u64) -> u64 {
    let mut total = 0;
    // Files with several names count once.
    let mut seen = HashSet::new();
    let mut count = |dir: BorrowedFd<'_>, name: &std::ffi::CStr| -> Option<FileType> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory || stat.st_nlink < 2 || seen.insert(stat.st_ino) {
            total += bytes(&stat);
        }
        Some(kind)
    };
    let Ok(name) = std::ffi::CString::new(name) else { return 0 };
    let mut waiting = Vec::new();
    if count(dir, &name) == Some(FileType::Directory) {
        waiting.extend(open_dir(dir, &*name));
    }
    while let Some(dir) = waiting.pop() {
        for entry in Dir::read_from(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") && count(dir.as_fd(), name) == Some(FileType::Directory) {
                waiting.extend(open_dir(&dir, name));
            }
        }
    }
    total
}
