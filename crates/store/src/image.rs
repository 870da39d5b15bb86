//! Images: entries of the image layout's index, with what their documents say.

use crate::{Result, Store};
use oci::image::{Descriptor, ImageConfig, ImageId, Manifest};
use oci::reference::Reference;

/// The index of the image layout.
pub(crate) const INDEX: &str = "index.json";

/// An image of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its id: the digest of its configuration.
    pub id: ImageId,
    /// Its manifest's descriptor; the digest is what `name@sha256:…` means.
    pub descriptor: Descriptor,
    /// Its names; none for one that lost its last.
    pub names: Vec<Reference>,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: ImageConfig,
}

impl Image {
    /// Bytes of its blobs, as they are stored.
    pub fn size(&self) -> u64 {
        let layers = self.manifest.layers.iter().map(|layer| layer.size);
        layers.chain([self.manifest.config.size, self.descriptor.size]).fold(0, u64::saturating_add)
    }
}

impl Store {
    /// All images, those of one manifest once, in the order in which they came.
    pub fn images(&self) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }

    /// The image with this name (`debian`, `localhost/x:1`, with or without `@sha256:…`), manifest digest, id, or an
    /// id that starts so.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        Err(crate::Error::NoSuchImage(text.to_owned()))
    }
}
