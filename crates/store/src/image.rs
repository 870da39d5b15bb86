//! Images: entries of the image layout's index, with what their documents say.

use crate::blob::verify;
use crate::file::{Sync, open_file, read_limited, write_record};
use crate::lease::Flock;
use crate::lists::is_list;
use crate::{Error, Result, Store};
use oci::digest::Digest;
use oci::image::{
    CONTAINERD_NAME, Descriptor, ImageConfig, ImageId, Index, LARGEST_CONFIG, LARGEST_DOCUMENT, Manifest, Platform,
    REF_NAME, media_type,
};
use oci::reference::Reference;
use std::os::fd::AsFd;

/// The index of the image layout.
pub(crate) const INDEX: &str = "index.json";
/// How many indexes may lead to a manifest.
const DEEPEST_INDEX: usize = 4;

/// An image of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its id: the digest of its configuration.
    pub id: ImageId,
    /// What the store's index has: its manifest, or an index that leads to it. The digest is what `name@sha256:…` means.
    pub entry: Descriptor,
    /// Its manifest's descriptor.
    pub descriptor: Descriptor,
    /// Its names; none for one that lost its last.
    pub names: Vec<Reference>,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: ImageConfig,
}

/// An entry of the index whose documents cannot be used.
#[derive(Debug)]
pub struct BrokenImage {
    /// The digest that the index has.
    pub digest: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// What is wrong.
    pub error: Box<Error>,
}

impl Image {
    /// Its names with the digest of its content instead of a tag: `debian@sha256:…`.
    pub fn digests(&self) -> Vec<Reference> {
        let mut all: Vec<_> = self.names.iter().map(|name| name.with_digest(self.entry.digest)).collect();
        all.dedup();
        all
    }

    /// Bytes of its blobs, as they are stored.
    pub fn size(&self) -> u64 {
        let layers = self.manifest.layers.iter().map(|layer| layer.size);
        layers.chain([self.manifest.config.size, self.descriptor.size]).fold(0, u64::saturating_add)
    }
}

/// An entry of the index with all its names.
#[derive(Debug, Clone)]
pub(crate) struct Tagged {
    pub descriptor: Descriptor,
    pub names: Vec<Reference>,
}

impl Store {
    /// All images, those of one manifest once, in the order in which they came. One that is damaged comes as
    /// [`BrokenImage`] and does not hide the others.
    pub fn images(&self) -> Result<Vec<Result<Image, BrokenImage>>> {
        let image = |tagged: Tagged| {
            let (digest, names) = (tagged.descriptor.digest, tagged.names.clone());
            self.image(tagged).map_err(|error| BrokenImage { digest, names, error: Box::new(error) })
        };
        // A list without an image for this machine is no image, and nothing is wrong with it.
        let shown = |tagged: &Tagged| !is_list(&tagged.descriptor) || self.image(tagged.clone()).is_ok();
        Ok(self.tagged()?.into_iter().filter(shown).map(image).collect())
    }

    /// The image with this name (`debian`, `localhost/x:1`, with or without `@sha256:…`), manifest digest, id, or an
    /// id that starts so. A short name that is not there is looked for below `localhost/` too.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        self.find(text).map(|(_, image)| image)
    }

    /// The same, with the entry that leads to it.
    pub(crate) fn find(&self, text: &str) -> Result<(Tagged, Image)> {
        let tagged = self.tagged()?;
        if let Ok(digest) = text.parse::<Digest>() {
            return self.by_digest(tagged, digest).ok_or_else(|| Error::NoSuchImage(text.to_owned()))?;
        }
        let parsed = text.parse::<Reference>();
        if let Ok(reference) = &parsed
            && let Some(found) = named(&tagged, reference)
        {
            return self.with_image(found.clone());
        }
        if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && !text.is_empty() {
            return self.by_prefix(tagged, text);
        }
        Err(parsed.map_or_else(Error::Reference, |_| Error::NoSuchImage(text.to_owned())))
    }

    fn with_image(&self, tagged: Tagged) -> Result<(Tagged, Image)> {
        self.image(tagged.clone()).map(|image| (tagged, image))
    }

    fn by_digest(&self, tagged: Vec<Tagged>, digest: Digest) -> Option<Result<(Tagged, Image)>> {
        if let Some(found) = tagged.iter().find(|tagged| tagged.descriptor.digest == digest) {
            return Some(self.with_image(found.clone()));
        }
        let mut readable = tagged.into_iter().filter_map(|tagged| self.with_image(tagged).ok());
        readable.find(|(_, image)| image.id.0 == digest).map(Ok)
    }

    fn by_prefix(&self, tagged: Vec<Tagged>, prefix: &str) -> Result<(Tagged, Image)> {
        let mut found: Vec<_> = tagged
            .into_iter()
            .filter_map(|tagged| self.with_image(tagged).ok())
            .filter(|(_, image)| image.id.0.hex().starts_with(prefix))
            .collect();
        // Two manifests may share a configuration; either will do.
        found.dedup_by_key(|(_, image)| image.id);
        match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            (None, _) => Err(Error::NoSuchImage(prefix.to_owned())),
            (Some(last), false) => {
                found.push(last);
                let candidates = found.iter().map(|(_, image)| image.id.0.short()).collect();
                Err(Error::AmbiguousImage { prefix: prefix.to_owned(), candidates })
            }
        }
    }

    /// Reads what an entry of the index leads to.
    pub(crate) fn image(&self, tagged: Tagged) -> Result<Image> {
        let descriptor = self.manifest_of(&tagged.descriptor)?;
        let what = format!("manifest {}", descriptor.digest);
        let bytes = self.read_blob(&descriptor, LARGEST_DOCUMENT, &what)?;
        let manifest = Manifest::parse(&bytes).map_err(|source| Error::Document { what, source })?;
        let what = format!("configuration {}", manifest.config.digest);
        let bytes = self.read_blob(&manifest.config, LARGEST_CONFIG, &what)?;
        let config = ImageConfig::parse(&bytes).map_err(|source| Error::Json { what, source })?;
        let Tagged { descriptor: entry, names } = tagged;
        Ok(Image { id: ImageId(manifest.config.digest), entry, descriptor, names, manifest, config })
    }

    /// Follows indexes, which other tools may have put there, to the manifest for this machine.
    fn manifest_of(&self, descriptor: &Descriptor) -> Result<Descriptor> {
        let mut descriptor = descriptor.clone();
        for _ in 0..DEEPEST_INDEX {
            if !media_type::is_index(&descriptor.media_type) {
                break;
            }
            let what = format!("index {}", descriptor.digest);
            let bytes = self.read_blob(&descriptor, LARGEST_DOCUMENT, &what)?;
            descriptor = for_this_machine(&bytes, &descriptor, &what)?;
        }
        Ok(descriptor)
    }

    /// The entries of the index, those of one digest together.
    pub(crate) fn tagged(&self) -> Result<Vec<Tagged>> {
        let mut all: Vec<Tagged> = Vec::new();
        for descriptor in self.index()?.manifests {
            let names = descriptor.annotations.get(REF_NAME).and_then(|name| name.parse().ok());
            match all.iter_mut().find(|other| other.descriptor.digest == descriptor.digest) {
                Some(other) => other.names.extend(names),
                None => all.push(Tagged { names: names.into_iter().collect(), descriptor }),
            }
        }
        Ok(all)
    }

    pub(crate) fn index(&self) -> Result<Index> {
        let what = format!("images/{INDEX}");
        let file = open_file(self.root(), &what)?;
        let bytes = read_limited(file, 64 << 20, &what)?.unwrap_or_default();
        // Ours may grow beyond what a registry takes, so it is not held to that limit.
        serde_json::from_slice(&bytes).map_err(|source| Error::Damaged { path: what, source })
    }

    /// Changes the index under its lock; on disk when it returns.
    pub(crate) fn change_index<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let images = self.dir("images")?;
        let _lock = Flock::exclusive(self.dir("images")?)?;
        let mut index = self.index()?;
        let value = change(&mut index)?;
        write_record(images.as_fd(), INDEX, &index, Sync::Durable)?;
        Ok(value)
    }

    /// Enters an image in the index under its names, which other images lose. All its blobs are in place.
    pub(crate) fn enter(&self, tagged: &Tagged) -> Result<()> {
        self.change_index(|index| {
            enter(index, tagged);
            Ok(())
        })
    }
}

/// The entry with this name; with a digest in it, that of the digest.
pub(crate) fn named<'a>(tagged: &'a [Tagged], reference: &Reference) -> Option<&'a Tagged> {
    if let Some(digest) = reference.digest() {
        return tagged.iter().find(|tagged| tagged.descriptor.digest == digest);
    }
    let with = |name: &Reference| tagged.iter().find(|tagged| tagged.names.contains(name));
    with(reference).or_else(|| with(&reference.local()?))
}

fn enter(index: &mut Index, tagged: &Tagged) {
    let mut bare = tagged.descriptor.clone();
    bare.annotations.retain(|key, _| key != REF_NAME && key != CONTAINERD_NAME);
    for name in &tagged.names {
        drop_name(index, &name.to_string());
    }
    // An entry with a name makes one without a name needless.
    let ours = |entry: &Descriptor| entry.digest == bare.digest;
    if !tagged.names.is_empty() {
        index.manifests.retain(|entry| !ours(entry) || entry.annotations.contains_key(REF_NAME));
    } else if index.manifests.iter().any(ours) {
        return;
    }
    let name = |name: &Reference| {
        let mut entry = bare.clone();
        entry.annotations.insert(REF_NAME.to_owned(), name.to_string());
        entry
    };
    index.manifests.extend(tagged.names.iter().map(name));
    if tagged.names.is_empty() {
        index.manifests.push(bare);
    }
}

/// Takes a name from whichever image has it; an image that loses its last name stays without one.
pub(crate) fn drop_name(index: &mut Index, name: &str) {
    let has = |entry: &Descriptor| entry.annotations.get(REF_NAME).is_some_and(|own| own == name);
    while let Some(at) = index.manifests.iter().position(has) {
        let digest = index.manifests[at].digest;
        if index.manifests.iter().filter(|entry| entry.digest == digest).count() > 1 {
            index.manifests.remove(at);
        } else {
            index.manifests[at].annotations.remove(REF_NAME);
        }
    }
}

/// The entry of an index, given by its bytes, for this machine.
pub(crate) fn for_this_machine(bytes: &[u8], descriptor: &Descriptor, what: &str) -> Result<Descriptor> {
    verify(bytes, descriptor, what)?;
    let index = Index::parse(bytes).map_err(|source| Error::Document { what: what.to_owned(), source })?;
    let host = Platform::host();
    index.for_platform(&host).cloned().ok_or_else(|| {
        let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        let platforms: Vec<_> = platforms.map(ToString::to_string).collect();
        let reason = format!("there is none for {host}, only for {}", platforms.join(", "));
        Error::Image { image: descriptor.digest.to_string(), reason }
    })
}
