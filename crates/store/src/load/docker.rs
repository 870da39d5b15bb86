//! Docker's archive with `manifest.json` (docker 1.10 and later, podman, skopeo).
//!
//! The configuration's bytes are kept as they are, so that the image keeps its id; the manifest around it is ours.

use super::source::Source;
use crate::arrivals::Found;
use crate::image::Tagged;
use crate::{Error, Result};
use oci::image::{ArchiveImage, ImageConfig, ImageId, Manifest, media_type};
use oci::reference::{Reference, ReferenceError};

pub(super) const MANIFEST: &str = "manifest.json";

pub(super) fn load(source: &mut Source<'_>) -> Result<Vec<Found>> {
    let bytes = source.read(MANIFEST)?;
    let json = |source| Error::Json { what: MANIFEST.to_owned(), source };
    let images: Vec<ArchiveImage> = serde_json::from_slice(&bytes).map_err(json)?;
    images.iter().map(|image| one(source, image)).collect()
}

fn one(source: &mut Source<'_>, image: &ArchiveImage) -> Result<Found> {
    let names: Vec<Reference> =
        image.repo_tags.iter().map(|name| name.parse()).collect::<Result<_, ReferenceError>>()?;
    let bytes = source.read(&image.config)?;
    source.check_name(&image.config, "configuration")?;
    let what = || format!("configuration {}", image.config);
    let config = ImageConfig::parse(&bytes).map_err(|source| Error::Json { what: what(), source })?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != image.layers.len() {
        return Err(source.wrong(format!("{} layers, but {} diff ids", image.layers.len(), diff_ids.len())));
    }
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (path, &expected) in image.layers.iter().zip(diff_ids) {
        let layer = source.take_layer(path)?;
        if layer.diff_id != expected {
            return Err(Error::diff_id(layer.descriptor.digest, expected, layer.diff_id));
        }
        layers.push(layer.descriptor);
    }
    finish(source, &bytes, layers, names)
}

/// Stores configuration and manifest.
pub(super) fn finish(
    source: &mut Source<'_>,
    config: &[u8],
    layers: Vec<oci::image::Descriptor>,
    names: Vec<Reference>,
) -> Result<Found> {
    let config = source.put(media_type::CONFIG, config)?;
    let id = ImageId(config.digest);
    let json = |source| Error::Json { what: "the new manifest".to_owned(), source };
    let manifest = serde_json::to_vec(&Manifest::new(config, layers)).map_err(json)?;
    let descriptor = source.put(media_type::MANIFEST, &manifest)?;
    Ok(Found { id, tagged: Tagged { descriptor, names } })
}
