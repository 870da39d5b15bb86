//! Images from registries: asked for by name, their layers fetched side by side, each unpacked as it comes.
//!
//! What a name means is asked once; all that follows is asked for by digest, so that a name that changes meanwhile gives
//! either the old image or the new one.

use crate::config::Pull;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::side_by_side::{at_once, side_by_side};
use crate::watch::{Moved, Watch};
use oci::digest::Digest;
use oci::image::{Descriptor, ImageConfig, ImageId, Index, LARGEST_CONFIG, Manifest, Platform, media_type};
use oci::reference::Reference;
use registry::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Arrivals, Expected, Image, Lease, Store};

/// What a pull did.
#[derive(Debug)]
pub struct Pulled {
    /// The image.
    pub id: ImageId,
    /// Its name.
    pub name: Reference,
    /// It was there already.
    pub known: bool,
}

impl Engine {
    /// The image of this name that is there, for this platform where one is named. A short name may be that of an image
    /// of any registry that would be asked for it.
    pub fn present(&self, client: &Client, name: &str, platform: Option<&Platform>) -> Result<Option<Image>> {
        let fits = |image: &Image| platform.is_none_or(|wanted| image.config.platform().runs_on(wanted));
        let found = |name: &str| match self.image(name) {
            Ok(image) => Ok(Some(image).filter(fits)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        };
        if let Some(image) = found(name)? {
            return Ok(Some(image));
        }
        for candidate in client.candidates(name).unwrap_or_default() {
            if let Some(image) = found(&candidate.to_string())? {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// The image of this name: what is there, or what a registry has, as the policy says.
    pub fn provide(
        &self,
        client: &Client,
        name: &str,
        policy: Pull,
        platform: Option<&Platform>,
        watch: &dyn Watch,
    ) -> Result<ImageId> {
        let present = self.present(client, name, platform)?;
        // No registry is asked for what was named by its id.
        let by_id = |image: &Image| image.id.0.hex().starts_with(name.trim_start_matches("sha256:"));
        match (policy, present) {
            (_, Some(image)) if by_id(&image) => Ok(image.id),
            (Pull::Missing | Pull::Never, Some(image)) => Ok(image.id),
            (Pull::Never, None) => Err(store::Error::NoSuchImage(name.to_owned()).into()),
            // Who has one already does without a registry that does not answer, as podman has it.
            (Pull::Newer, Some(image)) => {
                Ok(self.pull(client, name, platform, watch).map_or(image.id, |pulled| pulled.id))
            }
            _ => Ok(self.pull(client, name, platform, watch)?.id),
        }
    }

    /// All tags of the repository that a name means, as names.
    pub fn tags(&self, client: &Client, name: &str) -> Result<Vec<Reference>> {
        let mut refused = None;
        for candidate in client.candidates(name)? {
            match client.tags(&candidate) {
                Ok(tags) => {
                    let full = |tag: String| format!("{}:{tag}", candidate.repository()).parse();
                    let all: std::result::Result<Vec<_>, _> = tags.into_iter().map(full).collect();
                    return Ok(all.map_err(registry::Error::from)?);
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.map_or_else(|| store::Error::NoSuchImage(name.to_owned()).into(), Error::from))
    }

    /// Pulls an image. Of a short name the first registry that has it counts.
    pub fn pull(&self, client: &Client, name: &str, platform: Option<&Platform>, watch: &dyn Watch) -> Result<Pulled> {
        let mut refused = None;
        for reference in client.candidates(name)? {
            match client.resolve(&reference) {
                Ok(descriptor) => return self.pull_resolved(client, &reference, &descriptor, platform, watch),
                // The next registry may have it; if none has, the first one's answer is told.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.map_or_else(|| store::Error::NoSuchImage(name.to_owned()).into(), Error::from))
    }

    fn pull_resolved(
        &self,
        client: &Client,
        name: &Reference,
        descriptor: &Descriptor,
        platform: Option<&Platform>,
        watch: &dyn Watch,
    ) -> Result<Pulled> {
        if platform.is_none()
            && let Some(image) = self.store()?.has_image(descriptor, name)?
        {
            crate::verify::by_policy(client, name, &[descriptor.digest, image.descriptor.digest])?;
            self.tell_image("pull", &image.id.to_string(), &name.familiar());
            return Ok(Pulled { id: image.id, name: name.clone(), known: true });
        }
        let fetch = |store: &Store| {
            let fetched = fetch(store, client, name, descriptor, platform, watch);
            fetched.map_err(|error| error.sent_by(name.registry()))
        };
        let loaded = self.take_in(fetch)?.remove(0);
        self.tell_image("pull", &loaded.id.to_string(), &name.familiar());
        Ok(Pulled { id: loaded.id, name: name.clone(), known: false })
    }
}

fn fetch(
    store: &Store,
    client: &Client,
    name: &Reference,
    resolved: &Descriptor,
    platform: Option<&Platform>,
    watch: &dyn Watch,
) -> Result<Arrivals> {
    let arriving = store.expect()?;
    let (top, bytes) = client.manifest(name, Some(resolved.digest))?;
    store.put_document(&arriving, &top, &bytes)?;
    let document = |source| store::Error::Document { what: format!("manifest {}", top.digest), source };
    let mut entry = top.clone();
    let bytes = if media_type::is_index(&top.media_type) {
        let index = Index::parse(&bytes).map_err(document)?;
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let found = index.for_platform(wanted).cloned();
        let none = || store::Error::Image { image: name.to_string(), reason: format!("there is none for {wanted}") };
        let (descriptor, bytes) = client.manifest(name, Some(found.ok_or_else(none)?.digest))?;
        store.put_document(&arriving, &descriptor, &bytes)?;
        // Whoever asks for another machine's image means that one, and no other by the same name.
        if platform.is_some() {
            entry = descriptor;
        }
        bytes
    } else {
        bytes
    };
    crate::verify::by_policy(client, name, &[top.digest, Digest::of(&bytes)])?;
    let manifest = Manifest::parse(&bytes).map_err(document)?;
    let config = client.content(name, &manifest.config, LARGEST_CONFIG as u64)?;
    store.put_document(&arriving, &manifest.config, &config)?;
    let what = || format!("configuration {}", manifest.config.digest);
    let config = ImageConfig::parse(&config).map_err(|source| store::Error::Json { what: what(), source })?;
    layers(store, arriving.lease(), client, name, &manifest, &config, watch)?;
    Ok(store.arrived(arriving, entry, ImageId(manifest.config.digest), vec![name.clone()])?)
}

/// Fetches all layers, some at once, the largest first: the pull takes at least as long as that one. The first error ends it; what has come of the others is kept.
fn layers(
    store: &Store,
    lease: &Lease,
    client: &Client,
    name: &Reference,
    manifest: &Manifest,
    config: &ImageConfig,
    watch: &dyn Watch,
) -> Result<()> {
    let (layers, diff_ids) = (&manifest.layers, &config.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        let reason = format!("{} layers, but {} diff ids", layers.len(), diff_ids.len());
        return Err(store::Error::Image { image: name.to_string(), reason }.into());
    }
    watch.layers(layers);
    let mut largest_first: Vec<_> = layers.iter().enumerate().collect();
    largest_first.sort_by_key(|(_, layer)| std::cmp::Reverse(layer.size));
    side_by_side(at_once(layers), &largest_first, |_, &(at, layer)| {
        let expected = Expected { diff_id: diff_ids[at], lowest: at == 0 };
        let fetched = AtomicBool::new(false);
        let fetch = |from| {
            fetched.store(true, Ordering::Relaxed);
            let blob = client.blob(name, layer, from).map_err(|error| store::Error::Fetch {
                what: format!("layer {}", layer.digest),
                source: Box::new(error),
            })?;
            let starts_at = blob.from();
            Ok((blob, starts_at))
        };
        store.receive(layer, Some(expected), lease, fetch, &|bytes| watch.moved(at, bytes))?;
        watch.ended(at, if fetched.into_inner() { Moved::Sent } else { Moved::Existed });
        Ok(())
    })
}
