//! OCI image layouts: `index.json` leads to manifests, manifests to configurations and layers, all by digest.

use super::source::Source;
use crate::arrivals::Found;
use crate::image::{INDEX, Tagged, for_this_machine};
use crate::{Error, Result};
use oci::image::{CONTAINERD_NAME, Descriptor, ImageConfig, ImageId, Index, Manifest, Platform, REF_NAME, media_type};
use oci::reference::Reference;

const DEEPEST_INDEX: usize = 4;

pub(super) fn load(source: &mut Source<'_>, stem: Option<&str>) -> Result<Vec<Found>> {
    let bytes = source.read(INDEX)?;
    let document = |source| Error::Document { what: INDEX.to_owned(), source };
    let index = Index::parse(&bytes).map_err(document)?;
    let host = Platform::host();
    let mut found: Vec<Found> = Vec::new();
    let mut others = Vec::new();
    for entry in &index.manifests {
        if let Some(platform) = entry.platform.as_ref().filter(|platform| !platform.runs_on(&host)) {
            others.push(platform.to_string());
            continue;
        }
        let name = name(entry, stem)?;
        let image = one(source, entry)?;
        match found.iter_mut().find(|other| other.tagged.descriptor.digest == image.tagged.descriptor.digest) {
            Some(other) => other.tagged.names.extend(name),
            None => found.push(Found { tagged: Tagged { names: name.into_iter().collect(), ..image.tagged }, ..image }),
        }
    }
    if found.is_empty() {
        let reason = match others.join(", ") {
            none if none.is_empty() => "it holds no image".to_owned(),
            platforms => format!("it has no image for {host}, only for {platforms}"),
        };
        return Err(source.wrong(reason));
    }
    Ok(found)
}

fn one(source: &mut Source<'_>, entry: &Descriptor) -> Result<Found> {
    let mut descriptor = entry.clone();
    for _ in 0..DEEPEST_INDEX {
        if !media_type::is_index(&descriptor.media_type) {
            break;
        }
        let bytes = source.read_blob(&descriptor, "index")?;
        descriptor = for_this_machine(&bytes, &descriptor, &format!("index {}", descriptor.digest))?;
    }
    let image = descriptor.digest.to_string();
    if !media_type::is_manifest(&descriptor.media_type) {
        let reason = format!("its media type {:?} is not one of an image", descriptor.media_type);
        return Err(Error::Image { image, reason });
    }
    let bytes = source.read_blob(&descriptor, "manifest")?;
    let what = || format!("manifest {}", descriptor.digest);
    let manifest = Manifest::parse(&bytes).map_err(|source| Error::Document { what: what(), source })?;
    if !media_type::is_config(&manifest.config.media_type) {
        let reason = format!("it is no container image: its configuration is {:?}", manifest.config.media_type);
        return Err(Error::Image { image, reason });
    }
    let config_bytes = source.read_blob(&manifest.config, "configuration")?;
    let what = || format!("configuration {}", manifest.config.digest);
    let config = ImageConfig::parse(&config_bytes).map_err(|source| Error::Json { what: what(), source })?;
    let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if layers != diff_ids {
        return Err(Error::Image { image, reason: format!("{layers} layers, but {diff_ids} diff ids") });
    }
    for layer in &manifest.layers {
        if !media_type::is_layer(&layer.media_type) {
            let reason = format!("layer {} has media type {:?}", layer.digest, layer.media_type);
            return Err(Error::Image { image, reason });
        }
        source.take_blob(layer, "layer")?;
    }
    source.take_blob(&manifest.config, "configuration")?;
    source.take_blob(&descriptor, "manifest")?;
    Ok(Found { id: ImageId(manifest.config.digest), tagged: Tagged { descriptor, names: Vec::new() } })
}

/// An entry's name. Containerd's annotation has it in full; the specification's may be in full, or a tag alone, for
/// which the file's name stands in as the repository, below `localhost/`.
fn name(entry: &Descriptor, stem: Option<&str>) -> Result<Option<Reference>> {
    if let Some(name) = entry.annotations.get(CONTAINERD_NAME) {
        return Ok(Some(name.parse()?));
    }
    let Some(name) = entry.annotations.get(REF_NAME).filter(|name| !name.is_empty()) else { return Ok(None) };
    if name.contains(['/', ':']) {
        return Ok(Some(name.parse()?));
    }
    // A file name need not be a valid repository; then the image stays without a name.
    Ok(stem.and_then(|stem| format!("localhost/{}:{name}", stem.to_lowercase()).parse().ok()))
}
