//! Images on their way to registries.
//!
//! What is stored compressed is sent as it is, so that an image that was pulled and is pushed has the same digests on both
//! sides. Only a layer that is stored plain, or is wanted in another form, is compressed while it goes; the manifest is then
//! written for what was sent. What came out is remembered: a registry that has it is not sent it again.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::side_by_side::{at_once, side_by_side};
use crate::watch::{Moved, Watch};
use layer::{Compression, Decoder, Encoder};
use oci::digest::Digest;
use oci::image::{Descriptor, Manifest, media_type};
use oci::reference::Reference;
use registry::{Bytes, Client, Pushed, Source};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};
use store::{Image, Store};

/// So many other repositories are asked for a blob.
const MOST_HOMES: usize = 2;

/// Whose documents an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The image specification's.
    Oci,
    /// Docker's, schema 2.
    Docker,
}

/// What an image is to be like where it goes; what is left open stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repacking {
    /// Its documents.
    pub format: Option<Format>,
    /// Its layers, also those that are compressed otherwise now. Plain ones are always compressed.
    pub compression: Option<Compression>,
    /// How well.
    pub level: Option<i32>,
}

/// What becomes of an image.
struct Plan {
    format: Format,
    /// For each layer how it has to be compressed, if it does not go as it is.
    layers: Vec<Option<Compression>>,
    /// The manifest is another one than that of the store.
    rewritten: bool,
}

impl Engine {
    /// Sends an image to where a name leads, and returns the descriptor of its manifest there.
    pub fn push(
        &self,
        client: &Client,
        image: &Image,
        to: &Reference,
        repacking: Repacking,
        watch: &dyn Watch,
    ) -> Result<Descriptor> {
        let (kind, bytes) = self.send(client, image, to, repacking, watch)?;
        client.push_manifest(to, &kind, &bytes)?;
        self.tell_image("push", &image.id.to_string(), &to.familiar());
        Ok(Descriptor::of(&kind, &bytes))
    }

    /// Sends all of an image but its manifest, which is returned with its media type.
    pub(crate) fn send(
        &self,
        client: &Client,
        image: &Image,
        to: &Reference,
        repacking: Repacking,
        watch: &dyn Watch,
    ) -> Result<(String, Vec<u8>)> {
        let store = self.store()?;
        let _lease = store.lease()?;
        let plan = Plan::of(&image.manifest, repacking)?;
        let homes = homes(store, image, to)?;
        let others = |layer: &Descriptor| homes.get(&layer.digest).map_or(&[][..], Vec::as_slice);
        let layers = &image.manifest.layers;
        watch.layers(layers);
        let sent = Mutex::new(vec![None; layers.len()]);
        side_by_side(at_once(layers), layers, |at, layer| {
            // One that the image has twice goes once.
            let again = layers[..at].iter().any(|other| other.digest == layer.digest);
            let (descriptor, how) = match plan.layers[at] {
                _ if again => (None, Pushed::Existed),
                None => {
                    let source = Blob { file: store.blob(layer)?, moved: &|bytes| watch.moved(at, bytes) };
                    (None, client.push_blob_from(to, layer, &source, others(layer))?)
                }
                Some(compression) => {
                    let (how, kind) = (how(compression, repacking.level), layer_type(plan.format, compression));
                    let known = store.compressed(layer.digest, &how, kind);
                    let had = known.as_ref().map(|known| had(client, to, known, others(layer))).transpose()?.flatten();
                    if let Some(had) = had {
                        (known, had)
                    } else {
                        let moved = &|bytes| watch.moved(at, bytes);
                        let counted = Counted { file: store.blob(layer)?, read: 0, moved };
                        let unreadable = |source| store::Error::Layer { layer: layer.digest.to_string(), source };
                        let plain = Decoder::new(counted).map_err(unreadable)?;
                        let failed = |source| store::Error::Io { what: "cannot compress a layer".to_owned(), source };
                        let stream = Encoder::new(plain, compression, repacking.level).map_err(failed)?;
                        let (descriptor, pushed) = client.stream_blob(to, kind, stream)?;
                        // What is not remembered is compressed again, and that is all.
                        _ = store.remember_compressed(layer.digest, &how, &descriptor);
                        (Some(descriptor), pushed)
                    }
                }
            };
            sent.lock().unwrap_or_else(PoisonError::into_inner)[at] = descriptor;
            watch.ended(at, moved(how));
            Ok(())
        })?;
        let config = store.document(&image.manifest.config)?;
        client.push_blob(to, &image.manifest.config, &Bytes(&config))?;
        let stored = store.document(&image.descriptor)?;
        if !plan.rewritten {
            return Ok((image.descriptor.media_type.clone(), stored));
        }
        let sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        let manifest = plan.manifest(&image.manifest, &sent);
        let json = |source| store::Error::Json { what: "the new manifest".to_owned(), source };
        Ok((manifest.media_type.clone(), serde_json::to_vec(&manifest).map_err(json)?))
    }
}

impl Plan {
    fn of(manifest: &Manifest, repacking: Repacking) -> Result<Self> {
        let docker = manifest.media_type == media_type::DOCKER_MANIFEST
            || manifest.config.media_type == media_type::DOCKER_CONFIG;
        let own = if docker { Format::Docker } else { Format::Oci };
        let zstd = repacking.compression == Some(Compression::Zstd);
        let format = match repacking.format {
            Some(format) => format,
            // Docker's documents have no word for it that others know.
            None if zstd => Format::Oci,
            None => own,
        };
        let target = |layer: &Descriptor| {
            if !media_type::is_layer(&layer.media_type) {
                return None;
            }
            match (compression_of(&layer.media_type), repacking.compression) {
                (now, Some(wanted)) if now != wanted => Some(wanted),
                (Compression::None, None) => Some(Compression::Gzip),
                // What is wanted in docker's form cannot stay zstd.
                (Compression::Zstd, None) if format == Format::Docker && own == Format::Oci => Some(Compression::Gzip),
                _ => None,
            }
        };
        let layers: Vec<_> = manifest.layers.iter().map(target).collect();
        if format == Format::Docker && zstd {
            return Err(Error::Push("docker's documents (v2s2) have no zstd layers; use --format oci".to_owned()));
        }
        let rewritten = format != own || layers.iter().any(Option::is_some);
        Ok(Self { format, layers, rewritten })
    }

    fn manifest(&self, from: &Manifest, sent: &[Option<Descriptor>]) -> Manifest {
        let layers = from.layers.iter().map(|layer| {
            // Of a layer that the image has twice, the first was sent.
            let first = from.layers.iter().position(|other| other.digest == layer.digest);
            let sent = first.and_then(|first| sent[first].clone());
            let kind = || layer_type(self.format, compression_of(&layer.media_type)).to_owned();
            let known = media_type::is_layer(&layer.media_type);
            let media_type = if known { kind() } else { layer.media_type.clone() };
            let mut layer = sent.unwrap_or_else(|| Descriptor { media_type, ..layer.clone() });
            if self.format == Format::Docker {
                layer.annotations.clear();
            }
            layer
        });
        let mut manifest = Manifest { layers: layers.collect(), ..from.clone() };
        let (own, config) = match self.format {
            Format::Oci => (media_type::MANIFEST, media_type::CONFIG),
            Format::Docker => (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
        };
        own.clone_into(&mut manifest.media_type);
        if media_type::is_config(&manifest.config.media_type) {
            config.clone_into(&mut manifest.config.media_type);
        }
        if self.format == Format::Docker {
            manifest.annotations.clear();
        }
        manifest
    }
}

/// How a layer is compressed, by its media type.
fn compression_of(media_type: &str) -> Compression {
    match media_type {
        _ if media_type.ends_with("gzip") => Compression::Gzip,
        _ if media_type.ends_with("zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}

fn layer_type(format: Format, compression: Compression) -> &'static str {
    match (format, compression) {
        (Format::Oci, Compression::None) => media_type::LAYER,
        (Format::Oci, Compression::Gzip) => media_type::LAYER_GZIP,
        (Format::Oci, Compression::Zstd) => media_type::LAYER_ZSTD,
        (Format::Docker, Compression::None) => media_type::DOCKER_LAYER,
        (Format::Docker, Compression::Gzip) => media_type::DOCKER_LAYER_GZIP,
        (Format::Docker, Compression::Zstd) => media_type::DOCKER_LAYER_ZSTD,
    }
}

/// How a layer is compressed, in the words in which that is remembered.
fn how(compression: Compression, level: Option<i32>) -> String {
    let level = level.map_or_else(String::new, |level| format!(" {level}"));
    format!("{compression:?}{level}").to_lowercase()
}

/// How a registry comes to have a blob that need not be sent, if it has it here or in one of the others.
fn had(client: &Client, to: &Reference, blob: &Descriptor, others: &[Reference]) -> Result<Option<Pushed>> {
    if client.has_blob(to, blob)? {
        return Ok(Some(Pushed::Existed));
    }
    for other in others {
        if client.mount_blob(to, blob, other)? {
            return Ok(Some(Pushed::Mounted));
        }
    }
    Ok(None)
}

/// The repositories of the same registry under whose names the store knows the layers of an image.
fn homes(store: &Store, image: &Image, to: &Reference) -> Result<BTreeMap<Digest, Vec<Reference>>> {
    let mut homes: BTreeMap<Digest, Vec<Reference>> = BTreeMap::new();
    let elsewhere = |name: &&Reference| name.registry() == to.registry() && name.path() != to.path();
    for other in store.images()?.into_iter().flatten() {
        for layer in image.manifest.layers.iter().filter(|layer| other.manifest.layers.contains(layer)) {
            let known = homes.entry(layer.digest).or_default();
            for name in other.names.iter().filter(elsewhere) {
                if known.len() < MOST_HOMES && known.iter().all(|own| own.path() != name.path()) {
                    known.push(name.clone());
                }
            }
        }
    }
    Ok(homes)
}

fn moved(how: Pushed) -> Moved {
    match how {
        Pushed::Existed => Moved::Existed,
        Pushed::Mounted => Moved::Mounted,
        Pushed::Sent => Moved::Sent,
    }
}

/// A blob of the store, which tells how much of it was read.
struct Blob<'a> {
    file: File,
    moved: &'a (dyn Fn(u64) + Sync),
}

impl Source for Blob<'_> {
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Counted { file: self.file.try_clone()?, read: from, moved: self.moved }))
    }
}

/// Reads by position, because the file may be read from several positions.
struct Counted<'a> {
    file: File,
    read: u64,
    moved: &'a (dyn Fn(u64) + Sync),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.read)?;
        self.read += length as u64;
        (self.moved)(self.read);
        Ok(length)
    }
}
