//! Manifest lists: made of images that are here or at registries, changed, and sent with all that they name.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::push::{Format, Repacking};
use crate::side_by_side::{at_once, side_by_side};
use crate::watch::{Moved, Watch};
use oci::digest::Digest;
use oci::image::{Descriptor, ImageConfig, Index, LARGEST_CONFIG, Manifest, Platform, media_type};
use oci::reference::Reference;
use registry::{Bytes, Client, Pushed};
use std::collections::BTreeMap;
use std::io::{self, Read};
use store::{List, Removed};

/// What is added to a list, and where it is if it is not here.
#[derive(Debug, Clone, Default)]
pub struct Added {
    /// The entries.
    pub entries: Vec<Descriptor>,
    /// The repository of all of them.
    pub source: Option<Reference>,
}

/// Which of the images behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The one for a platform.
    One,
    /// All that it has.
    All,
}

/// What is said of an entry beside its image; what is left open stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// `--annotation`.
    pub annotations: BTreeMap<String, String>,
    /// `--arch`.
    pub arch: Option<String>,
    /// `--os`.
    pub os: Option<String>,
    /// `--variant`.
    pub variant: Option<String>,
    /// `--os-version`.
    pub os_version: Option<String>,
    /// `--features`.
    pub features: Vec<String>,
    /// `--os-features`.
    pub os_features: Vec<String>,
}

impl Note {
    /// Writes it into an entry.
    pub fn put(&self, entry: &mut Descriptor) {
        entry.annotations.extend(self.annotations.clone());
        let platform = entry.platform.get_or_insert_with(Platform::default);
        let put = |slot: &mut String, value: &Option<String>| slot.clone_from(value.as_ref().unwrap_or(&slot.clone()));
        put(&mut platform.architecture, &self.arch);
        put(&mut platform.os, &self.os);
        platform.variant = self.variant.clone().or(platform.variant.take());
        let mut other = |key: &str, value: serde_json::Value| platform.other.insert(key.to_owned(), value);
        if let Some(version) = &self.os_version {
            other("os.version", version.as_str().into());
        }
        if !self.features.is_empty() {
            other("features", self.features.clone().into());
        }
        if !self.os_features.is_empty() {
            other("os.features", self.os_features.clone().into());
        }
    }
}

impl Engine {
    /// The list of this name.
    pub fn list(&self, name: &str) -> Result<List> {
        Ok(self.store()?.list(name)?)
    }

    /// Makes an empty list; with `amend` one that is there will do.
    pub fn list_create(&self, name: &Reference, amend: bool) -> Result<()> {
        let store = self.store()?;
        let text = name.to_string();
        match (store.list(&text), self.image(&text)) {
            (Ok(_), _) if amend => return Ok(()),
            (Err(_), Err(error)) if error.is_not_found() => {}
            _ => return Err(Error::List(format!("{} is taken: --amend adds to a list", name.familiar()))),
        }
        let list = List { name: name.clone(), index: Index::default(), sources: BTreeMap::new() };
        Ok(store.put_list(&list)?)
    }

    /// What a name would add to a list: an image that is here, else what registries have under it.
    pub fn list_find(&self, client: &Client, name: &str, which: Listing, platform: Option<&Platform>) -> Result<Added> {
        let bare = name.strip_prefix("docker://").or_else(|| name.strip_prefix("containers-storage:")).unwrap_or(name);
        if !name.starts_with("docker://") {
            match self.image(bare) {
                Ok(image) if which == Listing::All && media_type::is_index(&image.entry.media_type) => {
                    let index = Index::parse(&self.store()?.document(&image.entry)?).map_err(document(bare))?;
                    return Ok(Added { entries: index.manifests, source: image.names.first().cloned() });
                }
                Ok(image) if platform.is_none_or(|wanted| image.config.platform().runs_on(wanted)) => {
                    let entry = with_platform(image.descriptor.clone(), &image.config);
                    return Ok(Added { entries: vec![entry], source: image.names.first().cloned() });
                }
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        let mut refused = None;
        for reference in client.candidates(bare)? {
            match remote(client, &reference, which, platform) {
                Ok(entries) => return Ok(Added { entries, source: Some(reference) }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| store::Error::NoSuchImage(bare.to_owned()).into()))
    }

    /// Adds entries to a list. One for the same platform as one that is there stands beside it, as podman has it; one of
    /// the same manifest takes its place.
    pub fn list_add(&self, name: &str, added: &Added) -> Result<Digest> {
        Ok(self.store()?.change_list(name, |list| {
            for entry in &added.entries {
                list.index.manifests.retain(|other| other.digest != entry.digest);
                list.index.manifests.push(entry.clone());
                if let Some(source) = &added.source {
                    list.sources.insert(entry.digest, source.clone());
                }
            }
            Ok(list.digest())
        })?)
    }

    /// Says more of an entry, or with none of the whole list.
    pub fn list_annotate(&self, name: &str, entry: Option<Digest>, note: &Note) -> Result<()> {
        let missing = |digest: Digest| store::Error::NoSuchImage(format!("{digest} in {name}"));
        Ok(self.store()?.change_list(name, |list| {
            let Some(digest) = entry else {
                let notes = list.index.other.entry("annotations".to_owned()).or_insert_with(|| serde_json::json!({}));
                for (key, value) in &note.annotations {
                    notes[key] = value.as_str().into();
                }
                return Ok(());
            };
            let found = list.index.manifests.iter_mut().find(|entry| entry.digest == digest);
            note.put(found.ok_or_else(|| missing(digest))?);
            Ok(())
        })?)
    }

    /// Takes an entry from a list.
    pub fn list_remove(&self, name: &str, digest: Digest) -> Result<()> {
        Ok(self.store()?.change_list(name, |list| {
            let before = list.index.manifests.len();
            list.index.manifests.retain(|entry| entry.digest != digest);
            list.sources.remove(&digest);
            if list.index.manifests.len() == before {
                return Err(store::Error::NoSuchImage(format!("{digest} in {name}")));
            }
            Ok(())
        })?)
    }

    /// Removes a list.
    pub fn list_delete(&self, name: &str) -> Result<Removed> {
        self.enter()?;
        Ok(self.store()?.remove_list(name)?)
    }

    /// The document behind a name at registries.
    pub fn remote_manifest(&self, client: &Client, name: &str) -> Result<Vec<u8>> {
        let bare = name.strip_prefix("docker://").unwrap_or(name);
        let mut refused = None;
        for reference in client.candidates(bare)? {
            match client.manifest(&reference, None) {
                Ok((_, bytes)) => return Ok(bytes),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.map_or_else(|| store::Error::NoSuchImage(bare.to_owned()).into(), Error::from))
    }

    /// Sends a list, and with `all` the images that it names; returns its descriptor there.
    pub fn list_push(
        &self,
        client: &Client,
        list: &List,
        to: &Reference,
        all: bool,
        repacking: Repacking,
        watch: &dyn Watch,
    ) -> Result<Descriptor> {
        let store = self.store()?;
        let _lease = store.lease()?;
        let mut index = list.index.clone();
        for entry in &mut index.manifests {
            let there = to.with_digest(entry.digest);
            if !all || (repacking.format.is_none() && client.resolve(&there).is_ok()) {
                continue;
            }
            let (kind, bytes) = match (store.image_of(entry)?, list.sources.get(&entry.digest)) {
                (Some(image), _) => self.send(client, &image, to, repacking, watch)?,
                (None, Some(source)) => copy(client, &source.with_digest(entry.digest), to, watch)?,
                (None, None) => {
                    let reason = format!("{} is neither here nor is it known where it is", entry.digest);
                    return Err(Error::List(format!("{}: {reason}", list.name.familiar())));
                }
            };
            let sent = Descriptor::of(&kind, &bytes);
            client.push_manifest(&to.with_digest(sent.digest), &kind, &bytes)?;
            (entry.digest, entry.size, entry.media_type) = (sent.digest, sent.size, sent.media_type);
        }
        if let Some(format) = repacking.format {
            let kind = if format == Format::Docker { media_type::DOCKER_INDEX } else { media_type::INDEX };
            kind.clone_into(&mut index.media_type);
        }
        let json = |source| store::Error::Json { what: "the list".to_owned(), source };
        let bytes = serde_json::to_vec(&index).map_err(json)?;
        client.push_manifest(to, &index.media_type, &bytes)?;
        Ok(Descriptor::of(&index.media_type, &bytes))
    }
}

fn document(name: &str) -> impl FnOnce(oci::image::DocumentError) -> Error {
    let what = format!("manifest of {name}");
    move |source| store::Error::Document { what, source }.into()
}

fn with_platform(mut entry: Descriptor, config: &ImageConfig) -> Descriptor {
    entry.annotations.clear();
    entry.platform = Some(config.platform());
    entry
}

/// What a reference at a registry would add.
fn remote(
    client: &Client,
    reference: &Reference,
    which: Listing,
    platform: Option<&Platform>,
) -> Result<Vec<Descriptor>> {
    let (descriptor, bytes) = client.manifest(reference, None)?;
    if media_type::is_index(&descriptor.media_type) {
        let index = Index::parse(&bytes).map_err(document(&reference.to_string()))?;
        if which == Listing::All {
            return Ok(index.manifests);
        }
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let none = || Error::List(format!("{reference} has no image for {wanted}: --all adds all"));
        return Ok(vec![index.for_platform(wanted).ok_or_else(none)?.clone()]);
    }
    let manifest = Manifest::parse(&bytes).map_err(document(&reference.to_string()))?;
    if !media_type::is_config(&manifest.config.media_type) {
        // An artifact, which is for no platform.
        return Ok(vec![descriptor]);
    }
    let config = client.content(reference, &manifest.config, LARGEST_CONFIG as u64)?;
    let json = |source| store::Error::Json { what: format!("configuration of {reference}"), source };
    let config = ImageConfig::parse(&config).map_err(json)?;
    Ok(vec![with_platform(descriptor, &config)])
}

/// Copies an image from one repository to another, as it is, and returns its manifest.
fn copy(client: &Client, from: &Reference, to: &Reference, watch: &dyn Watch) -> Result<(String, Vec<u8>)> {
    let (descriptor, bytes) = client.manifest(from, from.digest())?;
    let manifest = Manifest::parse(&bytes).map_err(document(&from.to_string()))?;
    watch.layers(&manifest.layers);
    side_by_side(at_once(&manifest.layers), &manifest.layers, |at, layer| {
        let source = |position: u64| -> io::Result<registry::Blob> {
            let mut reading = client.blob(from, layer, position).map_err(io::Error::other)?;
            let known = position.saturating_sub(reading.from());
            io::copy(&mut (&mut reading).take(known), &mut io::sink())?;
            Ok(reading)
        };
        let how = client.push_blob_from(to, layer, &source, std::slice::from_ref(from))?;
        watch.ended(at, if how == Pushed::Mounted { Moved::Mounted } else { Moved::Sent });
        Ok(())
    })?;
    let config = client.content(from, &manifest.config, LARGEST_CONFIG as u64)?;
    client.push_blob_from(to, &manifest.config, &Bytes(&config), std::slice::from_ref(from))?;
    Ok((descriptor.media_type, bytes))
}
