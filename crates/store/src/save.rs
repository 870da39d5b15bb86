//! Images out of the store: archives and directories that other engines load, with the very blobs that the store has.
//!
//! An archive is written front to back, without a copy beside it, so it may go into a pipe. Docker's form has an OCI
//! layout beside its own table of contents, as docker itself writes it since version 25: who knows layouts keeps the
//! manifests' digests.

use crate::image::INDEX;
use crate::{Error, Image, Lease, Result, Store};
use layer::{Decoder, Entry, Kind, Writer};
use oci::digest::{Algorithm, Digest, Hasher};
use oci::image::{
    ArchiveImage, CONTAINERD_NAME, Descriptor, Index, LAYOUT, LAYOUT_FILE, Manifest, REF_NAME, Repositories, media_type,
};
use oci::reference::Reference;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Docker's, which `docker load` and `podman load` take.
    DockerArchive,
    /// An OCI image layout in a tar.
    OciArchive,
}

/// What is written into a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryForm {
    /// An OCI image layout.
    Oci,
    /// One image as skopeo's `dir:` has it, with docker's media types.
    Docker,
}

/// An image on its way out, under these of its names.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The image.
    pub image: Image,
    /// The names that it is saved with.
    pub names: Vec<Reference>,
}

/// Whether layers go out as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// The very blobs.
    AsStored,
    /// Inflated; the manifest becomes another.
    Inflated,
}

impl Store {
    /// The image that is meant, and the name by which it was; none by an id or a digest.
    pub fn outgoing(&self, text: &str, _lease: &Lease) -> Result<Outgoing> {
        let image = self.resolve(text)?;
        let names = self.name_meant(text, &image)?.into_iter().collect();
        Ok(Outgoing { image, names })
    }

    /// Writes images into an archive.
    pub fn save(&self, images: &[Outgoing], form: Form, layers: Layers, out: impl Write, _lease: &Lease) -> Result<()> {
        let mut tar = Tar { writer: Writer::new(out) };
        self.write(images, form == Form::DockerArchive, layers, &mut tar)?;
        tar.writer.finish().map(drop).map_err(Error::io("cannot write the archive"))
    }

    /// Writes images into an empty directory.
    pub fn save_directory(
        &self,
        images: &[Outgoing],
        form: DirectoryForm,
        layers: Layers,
        path: &Path,
        _lease: &Lease,
    ) -> Result<()> {
        let dir = OwnedFd::from(File::open(path).map_err(Error::io(format!("cannot open {}", path.display())))?);
        let mut files = Files { dir };
        match (form, images) {
            (DirectoryForm::Oci, _) => self.write(images, false, layers, &mut files),
            (DirectoryForm::Docker, [one]) => self.write_dir(one, layers, &mut files),
            (DirectoryForm::Docker, _) => Err(Error::OneImage),
        }
    }

    fn write(&self, images: &[Outgoing], docker: bool, layers: Layers, to: &mut dyn Place) -> Result<()> {
        let mut there = BTreeSet::new();
        let (mut index, mut table, mut repositories) = (Index::default(), Vec::new(), Repositories::new());
        to.file(LAYOUT_FILE, LAYOUT.as_bytes())?;
        to.directory("blobs")?;
        let all = images.iter().flat_map(|one| {
            let manifest = &one.image.manifest;
            let own = [one.image.descriptor.digest, manifest.config.digest];
            manifest.layers.iter().map(|layer| layer.digest).chain(own).map(|digest| digest.algorithm())
        });
        // What is written anew has the first.
        for algorithm in all.chain([Algorithm::default()]).collect::<BTreeSet<_>>() {
            to.directory(&format!("blobs/{}", algorithm.name()))?;
        }
        for Outgoing { image, names } in images {
            let (descriptor, manifest) =
                self.write_image(image, layers, &mut there, &|digest| format!("blobs/{}", digest.path()), to)?;
            let entry = |name: Option<&Reference>| {
                let mut entry = descriptor.clone();
                let names = name.map(ToString::to_string);
                entry.annotations.extend(names.iter().flat_map(|name| {
                    [(CONTAINERD_NAME.to_owned(), name.clone()), (REF_NAME.to_owned(), name.clone())]
                }));
                entry
            };
            index.manifests.extend(names.iter().map(|name| entry(Some(name))));
            if names.is_empty() {
                index.manifests.push(entry(None));
            }
            let blob = |digest: Digest| format!("blobs/{}", digest.path());
            table.push(ArchiveImage {
                config: blob(manifest.config.digest),
                repo_tags: names.iter().map(Reference::familiar).collect(),
                layers: manifest.layers.iter().map(|layer| blob(layer.digest)).collect(),
            });
            if let Some(top) = manifest.layers.last() {
                for name in names {
                    let (familiar, tag) = (name.familiar(), name.tag().unwrap_or_default());
                    let repository = familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar).to_owned();
                    repositories.entry(repository).or_default().insert(tag.to_owned(), top.digest.hex());
                }
            }
        }
        to.file(INDEX, &json(&index)?)?;
        if docker {
            to.file("manifest.json", &json(&table)?)?;
            to.file("repositories", &json(&repositories)?)?;
        }
        Ok(())
    }

    /// Writes the blobs of an image, those that are there already not again.
    fn write_image(
        &self,
        image: &Image,
        layers: Layers,
        there: &mut BTreeSet<Digest>,
        name: &dyn Fn(Digest) -> String,
        to: &mut dyn Place,
    ) -> Result<(Descriptor, Manifest)> {
        let mut manifest = image.manifest.clone();
        let places = self.layer_places(image)?;
        for ((layer, diff_id), place) in manifest.layers.iter_mut().zip(&image.config.rootfs.diff_ids).zip(places) {
            let what = format!("layer {}", layer.digest);
            let blob = self.open_blob(layer, &what)?;
            if layers == Layers::AsStored || media_type::is_plain_layer(&layer.media_type) {
                if there.insert(layer.digest) {
                    to.blob(&name(layer.digest), layer, blob, &what)?;
                }
                continue;
            }
            let failed = |source| Error::Layer { layer: layer.digest.to_string(), source };
            let docker = media_type::is_docker(&layer.media_type);
            let plain = if docker { media_type::DOCKER_LAYER } else { media_type::LAYER };
            // An archive says how long a file is before it comes.
            let size = match place {
                Some((size, _)) => size,
                None => layer::scan(self.open_blob(layer, &what)?).map_err(failed)?.size,
            };
            let inflated = Descriptor::new(plain, diff_id.0, size);
            if there.insert(inflated.digest) {
                to.blob(&name(inflated.digest), &inflated, Decoder::new(blob).map_err(failed)?, &what)?;
            }
            *layer = inflated;
        }
        let config = &manifest.config;
        if there.insert(config.digest) {
            let what = format!("configuration {}", config.digest);
            to.blob(&name(config.digest), config, self.open_blob(config, &what)?, &what)?;
        }
        let mut bare = image.descriptor.clone();
        bare.annotations.clear();
        if manifest == image.manifest {
            if there.insert(bare.digest) {
                let what = format!("manifest {}", bare.digest);
                to.blob(&name(bare.digest), &bare, self.open_blob(&bare, &what)?, &what)?;
            }
            return Ok((bare, manifest));
        }
        let bytes = json(&manifest)?;
        let descriptor = Descriptor { platform: bare.platform, ..Descriptor::of(&bare.media_type, &bytes) };
        if there.insert(descriptor.digest) {
            to.blob(&name(descriptor.digest), &descriptor, &*bytes, "the manifest")?;
        }
        Ok((descriptor, manifest))
    }

    /// The form that skopeo calls `dir`: the blobs by their bare digests, the manifest with docker's media types.
    fn write_dir(&self, one: &Outgoing, layers: Layers, to: &mut Files) -> Result<()> {
        let (descriptor, mut manifest) = self.write_image(
            &one.image,
            layers,
            &mut BTreeSet::from([one.image.descriptor.digest]),
            &|digest| digest.hex(),
            to,
        )?;
        to.file("version", b"Directory Transport Version: 1.1\n")?;
        if media_type::is_docker(&descriptor.media_type) && manifest == one.image.manifest {
            return to.file("manifest.json", &self.read_blob(&descriptor, oci::image::LARGEST_DOCUMENT, "manifest")?);
        }
        media_type::DOCKER_MANIFEST.clone_into(&mut manifest.media_type);
        media_type::DOCKER_CONFIG.clone_into(&mut manifest.config.media_type);
        manifest.annotations.clear();
        for layer in &mut manifest.layers {
            media_type::docker_layer(&layer.media_type).clone_into(&mut layer.media_type);
            layer.annotations.clear();
        }
        to.file("manifest.json", &json(&manifest)?)
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| Error::Json { what: "what is saved".to_owned(), source })
}

/// Where files of an image are put.
trait Place {
    fn directory(&mut self, name: &str) -> Result<()>;

    /// A file of `length` bytes.
    fn put(&mut self, name: &str, length: u64, content: &mut dyn Read, what: &str) -> Result<()>;

    fn file(&mut self, name: &str, mut content: &[u8]) -> Result<()> {
        self.put(name, content.len() as u64, &mut content, name)
    }
}

impl dyn Place + '_ {
    /// A blob, which is checked on the way: what the disk has damaged is not handed on.
    fn blob(&mut self, name: &str, descriptor: &Descriptor, content: impl Read, what: &str) -> Result<()> {
        let hasher = Hasher::of(descriptor.digest.algorithm());
        let mut hashed = Hashed { content: content.take(descriptor.size), hasher };
        self.put(name, descriptor.size, &mut hashed, what)?;
        let (expected, found) = (descriptor.digest, hashed.hasher.finish());
        if expected == found { Ok(()) } else { Err(Error::digest(what, expected, found)) }
    }
}

struct Hashed<R> {
    content: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// Hands `length` bytes on.
fn copy(
    content: &mut dyn Read,
    length: u64,
    what: &str,
    to: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; length.clamp(1, 256 << 10) as usize];
    let mut left = length;
    while left > 0 {
        let want = left.min(buffer.len() as u64) as usize;
        match content.read(&mut buffer[..want]) {
            Ok(0) => {
                return Err(Error::SizeMismatch { what: what.to_owned(), expected: length, found: length - left });
            }
            Ok(got) => {
                to(&buffer[..got]).map_err(Error::io("cannot write what is saved"))?;
                left -= got as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(format!("cannot read {what}"))(error)),
        }
    }
    Ok(())
}

struct Tar<W> {
    writer: Writer<W>,
}

impl<W: Write> Place for Tar<W> {
    fn directory(&mut self, name: &str) -> Result<()> {
        let entry = Entry { path: format!("{name}/").into_bytes(), mode: 0o755, ..Entry::new(Kind::Directory) };
        self.writer.entry(&entry).map_err(Error::io("cannot write the archive"))
    }

    fn put(&mut self, name: &str, length: u64, content: &mut dyn Read, what: &str) -> Result<()> {
        let entry = Entry { path: name.as_bytes().to_vec(), mode: 0o644, size: length, ..Entry::new(Kind::File) };
        self.writer.entry(&entry).map_err(Error::io("cannot write the archive"))?;
        copy(content, length, what, &mut |bytes| self.writer.data(bytes))
    }
}

struct Files {
    dir: OwnedFd,
}

impl Place for Files {
    fn directory(&mut self, name: &str) -> Result<()> {
        Ok(sys::fs::mkdirat(&self.dir, name, Mode::from_raw_mode(0o755))?)
    }

    fn put(&mut self, name: &str, length: u64, content: &mut dyn Read, what: &str) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(sys::fs::open_beneath(&self.dir, name, flags, Mode::from_raw_mode(0o644))?);
        copy(content, length, what, &mut |bytes| file.write_all(bytes))
    }
}
