//! Layers: unpacked once each, found again by their digest.
//!
//! A layer stands on its own and is named by its diff ID, whatever image brought it. Only one whose unpacking had to
//! look at the layers below (see [`layer::apply`]) is named by its chain ID, and serves images with that very chain.
//! It is a cache of its blob, and complete when it has its name. One that is an image is on disk by then; of one that is
//! a directory nothing was synced, so it carries the id of the boot in which it was made: after a power cut nobody knows
//! what of it is there, and in another boot it is unpacked again unless [`Store::settle`] has covered it.
//!
//! A container whose ids are others than the store's own sees a layer through an idmapped mount; where the kernel has
//! none for it (an ordinary user's, on the machine's file systems) it gets a copy that was unpacked with the owners
//! mapped. Copies for one map stand together in a directory that is named by the map, under the names that the layers
//! have in `layers/`, so each form lies above its own kind only, and what keeps a layer keeps its copies.

use crate::driver::mount_image;
use crate::file::{open_dir, open_file, read_record};
use crate::lease::Flock;
use crate::record::{Form, IMAGE, RECORD, Record, TREE};
use crate::unpacked::Unpacked;
use crate::{Error, Image, LayerMode, Lease, Result, Store, XattrStyle};
use layer::{Devices, Limits, Options, OverlayXattrs, Ownership};
use oci::digest::{ChainId, DiffId, Digest};
use oci::image::{Descriptor, media_type};
use oci::runtime::IdMapping;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The directory of layers with the store's own ids.
pub(crate) const LAYERS: &str = "layers";
/// The directory of those with others, a directory for each map.
pub(crate) const MAPPED: &str = "mapped";
/// Names an unpacked layer: its diff ID, or its chain ID when unpacking it had to look at the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerId(pub Digest);

/// Owner and mode of a root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootMeta {
    /// Permission bits.
    pub mode: u32,
    /// User id, as the image has it.
    pub uid: u32,
    /// Group id, as the image has it.
    pub gid: u32,
}

impl Default for RootMeta {
    fn default() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0 }
    }
}

/// An unpacked layer.
#[derive(Debug)]
pub struct Layer {
    /// Its name in the store.
    pub id: LayerId,
    fd: OwnedFd,
}

/// The layer's tree: its directory, or a detached mount of its image.
impl AsFd for Layer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Layer> for OwnedFd {
    fn from(layer: Layer) -> Self {
        layer.fd
    }
}

/// The layers of an image, ready to be mounted.
#[derive(Debug, Default)]
pub struct Layers {
    /// The layers, lowest first; those that a layer above hides completely are left out.
    pub lowest_first: Vec<Layer>,
    /// What the root directory of a container on top of them looks like.
    pub root: RootMeta,
}

impl Layers {
    fn push(&mut self, (layer, record): (Layer, Record)) {
        if record.hides_lowers {
            self.lowest_first.clear();
        }
        self.root = record.root.unwrap_or(self.root);
        self.lowest_first.push(layer);
    }

    /// The names of the layers, as a container's record keeps them.
    pub fn ids(&self) -> Vec<LayerId> {
        self.lowest_first.iter().map(|layer| layer.id).collect()
    }
}

impl Store {
    /// The layers of an image; those that are not unpacked yet are unpacked now, which checks their diff IDs. Runs as
    /// root of the machine, or of the user namespace whose ids the layers have. Several at once share the work.
    pub fn layers_for(&self, image: &Image, _lease: &Lease) -> Result<Layers> {
        let mode = self.layer_mode()?;
        self.layers_in(self.dir(LAYERS)?.as_fd(), image, &options(&mode, plain(&mode)))
    }

    /// The same with other owners: what belongs to `container_id` in the image belongs on disk to `host_id`, an id of
    /// the caller's user namespace. In a store with a single id all files belong to that one still.
    pub fn mapped_layers_for(
        &self,
        image: &Image,
        (uids, gids): (&[IdMapping], &[IdMapping]),
        lease: &Lease,
    ) -> Result<Layers> {
        let mode = self.layer_mode()?;
        if mode.single_id() {
            return self.layers_for(image, lease);
        }
        let path = format!("{MAPPED}/{}", key(uids, gids).hex());
        let dir = match self.dir(&path) {
            Err(error) if error.is_absent() => {
                for path in [MAPPED, &path] {
                    sys::fs::ensure_dir(self.root(), path, Mode::RWXU)?;
                }
                self.dir(&path)?
            }
            other => other?,
        };
        self.layers_in(dir.as_fd(), image, &options(&mode, Ownership::Mapped { uids, gids }))
    }

    /// The layers, for this map or without one, if all of them are unpacked already.
    pub fn unpacked_layers(
        &self,
        image: &Image,
        maps: Option<(&[IdMapping], &[IdMapping])>,
        _lease: &Lease,
    ) -> Result<Option<Layers>> {
        let mode = self.layer_mode()?;
        let path = match maps {
            Some((uids, gids)) if !mode.single_id() => format!("{MAPPED}/{}", key(uids, gids).hex()),
            _ => LAYERS.to_owned(),
        };
        let dir = match self.dir(&path) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        let mut layers = Layers::default();
        let diff_ids = &image.config.rootfs.diff_ids;
        for (&diff_id, chain_id) in diff_ids.iter().zip(ChainId::of_layers(diff_ids)) {
            match (Wanted { diff_id, chain_id }).find(dir.as_fd())? {
                Some(found) => layers.push(found),
                None => return Ok(None),
            }
        }
        Ok(Some(layers))
    }

    /// Of each layer of an image, lowest first, how many bytes its tar has and where it lies; none of one that is not
    /// unpacked. With the store's own ids only.
    pub fn layer_places(&self, image: &Image) -> Result<Vec<Option<(u64, PathBuf)>>> {
        let (dir, diff_ids) = (self.dir(LAYERS)?, &image.config.rootfs.diff_ids);
        let place = |(&diff_id, chain_id)| {
            let Some((digest, record)) = (Wanted { diff_id, chain_id }).record(dir.as_fd())? else { return Ok(None) };
            let form = if record.form == Form::Image { IMAGE } else { TREE };
            Ok(Some((record.size, self.path().join(LAYERS).join(digest.hex()).join(form))))
        };
        diff_ids.iter().zip(ChainId::of_layers(diff_ids)).map(place).collect()
    }

    fn layers_in(&self, dir: BorrowedFd<'_>, image: &Image, options: &Options<'_>) -> Result<Layers> {
        let (blobs, diff_ids) = (&image.manifest.layers, &image.config.rootfs.diff_ids);
        if blobs.len() != diff_ids.len() {
            let reason = format!("{} layers, but {} diff ids", blobs.len(), diff_ids.len());
            return Err(Error::Image { image: image.id.to_string(), reason });
        }
        let mut layers = Layers::default();
        for ((blob, &diff_id), chain_id) in blobs.iter().zip(diff_ids).zip(ChainId::of_layers(diff_ids)) {
            let wanted = Wanted { diff_id, chain_id };
            let found = match wanted.find(dir)? {
                Some(found) => found,
                None => self.unpack(dir, &wanted, blob, &layers, options)?,
            };
            layers.push(found);
        }
        Ok(layers)
    }

    fn unpack(
        &self,
        dir: BorrowedFd<'_>,
        wanted: &Wanted,
        blob: &Descriptor,
        below: &Layers,
        options: &Options<'_>,
    ) -> Result<(Layer, Record)> {
        if !media_type::is_layer(&blob.media_type) {
            let reason = format!("its media type {:?} is not one of a layer", blob.media_type);
            return Err(Error::Image { image: blob.digest.to_string(), reason });
        }
        let file = self.open_blob(blob, &format!("layer {}", blob.digest))?;
        // Whoever unpacks a blob locks it; the others wait and find the layer.
        let lock = file.try_clone().map_err(Error::io("cannot lock a layer"))?;
        let _lock = Flock::exclusive(lock.into())?;
        if let Some(found) = wanted.find(dir)? {
            return Ok(found);
        }
        let unpacked = self.made_of(file, wanted, blob, below, options, None)?;
        let id = wanted.id(unpacked.record());
        unpacked.place(self, dir, id)?;
        let missing = || Error::MissingBlob { what: format!("layer {}", wanted.diff_id) };
        wanted.find(dir)?.ok_or_else(missing)
    }

    fn made_of(
        &self,
        file: File,
        wanted: &Wanted,
        blob: &Descriptor,
        below: &Layers,
        options: &Options<'_>,
        form: Option<Form>,
    ) -> Result<Unpacked> {
        let lowers: Vec<_> = below.lowest_first.iter().map(AsFd::as_fd).collect();
        let options = Options { lowers: &lowers, ..*options };
        let unpacked = Unpacked::make(self, file, wanted.diff_id, &options, form)?;
        if unpacked.diff_id() == wanted.diff_id {
            return Ok(unpacked);
        }
        let (layer, expected, found) = (blob.digest, wanted.diff_id, unpacked.diff_id());
        Err(Error::diff_id(layer, expected, found))
    }

    /// Makes each layer of an image that is there, with the store's own ids, once more from its blob, and hands both
    /// on. Lowest first, as far as they are there.
    pub(crate) fn made_again(
        &self,
        image: &Image,
        _lease: &Lease,
        wanted: &mut dyn FnMut(LayerId) -> bool,
        compare: &mut Compare<'_>,
    ) -> Result<()> {
        let (mode, dir) = (self.layer_mode()?, self.dir(LAYERS)?);
        let (options, diff_ids) = (options(&mode, plain(&mode)), &image.config.rootfs.diff_ids);
        let mut below = Layers::default();
        for ((blob, &diff_id), chain_id) in image.manifest.layers.iter().zip(diff_ids).zip(ChainId::of_layers(diff_ids))
        {
            let layer = Wanted { diff_id, chain_id };
            let Some((digest, record)) = layer.record(dir.as_fd())? else { return Ok(()) };
            if wanted(LayerId(digest)) {
                let file = self.open_blob(blob, &format!("layer {}", blob.digest));
                let made = file.and_then(|file| self.made_of(file, &layer, blob, &below, &options, Some(record.form)));
                compare(LayerId(digest), blob, made)?;
            }
            match layer.find(dir.as_fd()) {
                Ok(Some(found)) => below.push(found),
                // What cannot be opened has been told of, and those above are not looked at without it.
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Is given a layer that was made once more.
pub(crate) type Compare<'a> = dyn FnMut(LayerId, &Descriptor, Result<Unpacked>) -> Result<()> + 'a;

/// A layer in its place in an image.
struct Wanted {
    diff_id: DiffId,
    chain_id: ChainId,
}

impl Wanted {
    fn id(&self, record: &Record) -> LayerId {
        LayerId(if record.depends_on_lowers { self.chain_id.0 } else { self.diff_id.0 })
    }

    fn find(&self, layers: BorrowedFd<'_>) -> Result<Option<(Layer, Record)>> {
        let Some((digest, record)) = self.record(layers)? else { return Ok(None) };
        let dir = open_dir(layers, digest.hex())?;
        let fd = match record.form {
            Form::Directory => open_dir(&dir, TREE)?,
            Form::Image => mount_image(&open_file(&dir, IMAGE)?)?,
        };
        Ok(Some((Layer { id: LayerId(digest), fd }, record)))
    }

    /// What is written down of it, and under which name.
    fn record(&self, layers: BorrowedFd<'_>) -> Result<Option<(Digest, Record)>> {
        for digest in [self.diff_id.0, self.chain_id.0] {
            let dir = match open_dir(layers, digest.hex()) {
                Err(error) if error.is_absent() => continue,
                other => other?,
            };
            // The record of a layer that was never synced may itself be what a power cut left of it.
            let record = match read_record::<Record>(&dir, RECORD) {
                Ok(Some(record)) => record,
                Ok(None) | Err(Error::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            // A lowest layer's chain ID is its diff ID; above others it may not be what it is there.
            if self.id(&record).0 == digest && !record.is_doubtful()? {
                return Ok(Some((digest, record)));
            }
        }
        Ok(None)
    }
}

/// Names a map: equal maps share their layers, other maps never do.
fn key(uids: &[IdMapping], gids: &[IdMapping]) -> Digest {
    let mut text = String::new();
    for (kind, map) in [("uid", uids), ("gid", gids)] {
        for range in map {
            let _ = writeln!(text, "{kind} {} {} {}", range.container_id, range.host_id, range.size);
        }
    }
    Digest::of(text.as_bytes())
}

pub(crate) fn plain(mode: &LayerMode) -> Ownership<'static> {
    if mode.single_id() { Ownership::Squash } else { Ownership::AsRecorded }
}

pub(crate) fn options<'a>(mode: &LayerMode, ownership: Ownership<'a>) -> Options<'a> {
    let (xattrs, devices) = match mode.xattrs {
        XattrStyle::Trusted => (OverlayXattrs::Trusted, Devices::Create),
        XattrStyle::User => (OverlayXattrs::User, Devices::Skip),
    };
    Options { ownership, xattrs, devices, lowers: &[], limits: Limits::default() }
}
