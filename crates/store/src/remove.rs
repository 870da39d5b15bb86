//! Removal of images, and of the blobs and layers that nothing needs any more.
//!
//! Nobody counts references: what is needed is what the index and the containers' records lead to, looked up while all
//! leases are locked out. Where something cannot be read, what it leads to is not known, and nothing is removed that
//! it might need.

use crate::blob::BLOBS;
use crate::container::Container;
use crate::file::{names, open_dir};
use crate::image::{Tagged, drop_name, named};
use crate::layers::{LAYERS, MAPPED};
use crate::lease::Flock;
use crate::name::random_hex;
use crate::{Error, Image, LayerId, LayerMode, Result, Store};
use oci::digest::{ChainId, Digest};
use oci::image::{Descriptor, ImageId, Index, LARGEST_DOCUMENT, media_type};
use oci::reference::Reference;
use rustix::fs::{AtFlags, RenameFlags};
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};

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
    pub layers: Vec<LayerId>,
}

impl Store {
    /// Removes an image. A name loses that name only, and the image with its last; an id removes the image, which
    /// with several names wants `force`. An image that a container was made from wants `force` too, and then loses
    /// its names and documents while the container keeps its layers. Waits until nobody holds a [`crate::Lease`].
    ///
    /// Layers are removed by who may write them: from outside a user's user namespace they stay, for the next removal
    /// inside.
    pub fn remove_image(&self, text: &str, force: bool) -> Result<Removed> {
        let _lock = Flock::exclusive(self.dir(LAYERS)?)?;
        let image = match self.resolve(text) {
            Ok(image) => image,
            Err(error) => return self.remove_broken(text, error),
        };
        let mut removed = Removed::default();
        let by_name = self.name_meant(text, &image)?;
        if let Some(name) = by_name.filter(|_| image.names.len() > 1) {
            self.change_index(|index| {
                drop_name(index, &name.to_string());
                Ok(())
            })?;
            removed.untagged.push(name);
            return Ok(removed);
        }
        if image.names.len() > 1 && !force {
            return Err(Error::SeveralNames { id: image.id.0.short(), names: image.names });
        }
        let users = self.users_of(&image)?;
        if !users.is_empty() && !force {
            let image = image.names.first().map_or_else(|| image.id.0.short(), Reference::familiar);
            return Err(Error::ImageInUse { image, containers: users });
        }
        let gone = |tagged: &Tagged| self.leads_to(tagged, &image);
        let digests: Vec<_> = self.tagged()?.into_iter().filter(gone).map(|tagged| tagged.descriptor.digest).collect();
        self.change_index(|index| {
            index.manifests.retain(|entry| !digests.contains(&entry.digest));
            Ok(())
        })?;
        removed.untagged = image.names;
        removed.image = Some(image.id);
        self.collect(&mut removed)?;
        Ok(removed)
    }

    /// An image whose documents are damaged can at least be removed, by name or by its manifest's digest.
    fn remove_broken(&self, text: &str, error: Error) -> Result<Removed> {
        let tagged = self.tagged()?;
        let found = match (text.parse::<Digest>(), text.parse::<Reference>()) {
            (Ok(digest), _) => tagged.iter().find(|tagged| tagged.descriptor.digest == digest),
            (_, Ok(reference)) => named(&tagged, &reference),
            _ => None,
        };
        let Some(found) = found else { return Err(error) };
        self.change_index(|index| {
            index.manifests.retain(|entry| entry.digest != found.descriptor.digest);
            Ok(())
        })?;
        let mut removed = Removed { untagged: found.names.clone(), ..Removed::default() };
        self.collect(&mut removed)?;
        Ok(removed)
    }

    /// The name by which the image was meant, if it was by name.
    pub(crate) fn name_meant(&self, text: &str, image: &Image) -> Result<Option<Reference>> {
        let Ok(reference) = text.parse::<Reference>() else { return Ok(None) };
        if reference.digest().is_some() || named(&self.tagged()?, &reference).is_none() {
            return Ok(None);
        }
        let candidates = [Some(reference.clone()), reference.local()];
        Ok(candidates.into_iter().flatten().find(|name| image.names.contains(name)))
    }

    /// Whether an entry of the index is this image, maybe through an index.
    fn leads_to(&self, tagged: &Tagged, image: &Image) -> bool {
        let digest = image.descriptor.digest;
        tagged.descriptor.digest == digest
            || self.image(tagged.clone()).is_ok_and(|other| other.descriptor.digest == digest)
    }

    /// The names of containers that were made from the image.
    fn users_of(&self, image: &Image) -> Result<Vec<String>> {
        let containers = self.containers::<IgnoredAny>()?;
        let uses = |container: &Container<IgnoredAny>| container.image == Some(image.id);
        Ok(containers.into_iter().flatten().filter(uses).map(|container| container.name.to_string()).collect())
    }

    /// Removes blobs and layers that nothing leads to. All leases are locked out.
    pub(crate) fn collect(&self, removed: &mut Removed) -> Result<()> {
        let mut needed = Needed::default();
        for tagged in self.tagged()? {
            self.need(&tagged.descriptor, &mut needed, 0);
        }
        for container in self.containers::<IgnoredAny>()? {
            match container {
                Ok(container) => needed.layers.extend(container.layers.iter().map(|id| id.0)),
                Err(_) => needed.layers_unknown = true,
            }
        }
        if !needed.blobs_unknown {
            let blobs = self.dir(BLOBS)?;
            for name in names(blobs.as_fd())? {
                let Ok(digest) = Digest::from_hex(&name) else { continue };
                if !needed.blobs.contains(&digest) {
                    sys::fs::unlinkat(&blobs, &*name, AtFlags::empty())?;
                    removed.blobs.push(digest);
                }
            }
        }
        let may_write = LayerMode::current().is_ok_and(|_| self.layer_mode().is_ok());
        if may_write && !needed.blobs_unknown && !needed.layers_unknown {
            self.collect_layers(&needed, removed)?;
        }
        Ok(())
    }

    fn collect_layers(&self, needed: &Needed, removed: &mut Removed) -> Result<()> {
        let trash = self.dir("trash")?;
        let mut in_trash = Vec::new();
        let mut collect = |layers: BorrowedFd<'_>| -> Result<()> {
            for name in names(layers)? {
                let Ok(digest) = Digest::from_hex(&name) else { continue };
                if !needed.layers.contains(&digest) {
                    // Out of sight first: what is cut short is then no half layer, but rubbish.
                    let rubbish = random_hex::<8>()?;
                    sys::fs::renameat(layers, &*name, &trash, &*rubbish, RenameFlags::NOREPLACE)?;
                    in_trash.push(rubbish);
                    removed.layers.push(LayerId(digest));
                }
            }
            Ok(())
        };
        collect(self.dir(LAYERS)?.as_fd())?;
        if let Some(mapped) = if_there(self.dir(MAPPED))? {
            for map in names(mapped.as_fd())? {
                collect(open_dir(&mapped, &map)?.as_fd())?;
                // The last layer of a map takes its directory along; nobody makes one meanwhile, without a lease.
                match sys::fs::unlinkat(&mapped, &*map, AtFlags::REMOVEDIR) {
                    Err(error) if error.errno != sys::Errno::NOTEMPTY => return Err(error.into()),
                    _ => {}
                }
            }
        }
        removed.layers.sort_unstable();
        removed.layers.dedup();
        Ok(in_trash.iter().try_for_each(|name| layer::remove_tree(&trash, &**name))?)
    }

    fn need(&self, descriptor: &Descriptor, needed: &mut Needed, depth: usize) {
        needed.blobs.insert(descriptor.digest);
        if media_type::is_index(&descriptor.media_type) && depth < 8 {
            let index = self.read_blob(descriptor, LARGEST_DOCUMENT, "").ok();
            match index.and_then(|bytes| Index::parse(&bytes).ok()) {
                // Manifests for other machines need not be there.
                Some(index) => index
                    .manifests
                    .iter()
                    .filter(|entry| self.has_blob(entry))
                    .for_each(|entry| self.need(entry, needed, depth + 1)),
                None => needed.blobs_unknown = true,
            }
            return;
        }
        match self.image(Tagged { descriptor: descriptor.clone(), names: Vec::new() }) {
            Ok(image) => {
                needed.blobs.insert(image.manifest.config.digest);
                needed.blobs.extend(image.manifest.layers.iter().map(|layer| layer.digest));
                let diff_ids = &image.config.rootfs.diff_ids;
                needed.layers.extend(diff_ids.iter().map(|diff_id| diff_id.0));
                needed.layers.extend(ChainId::of_layers(diff_ids).iter().map(|chain_id| chain_id.0));
            }
            Err(_) => needed.blobs_unknown = true,
        }
    }
}

/// What there is, if it is.
fn if_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

/// What must stay.
#[derive(Default)]
struct Needed {
    blobs: BTreeSet<Digest>,
    layers: BTreeSet<Digest>,
    /// Something could not be read, so there may be more.
    blobs_unknown: bool,
    layers_unknown: bool,
}
