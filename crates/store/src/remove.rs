//! Removal of images: out of the index first, in one step under its lock; then what only they needed.

use crate::container::Container;
use crate::image::{Tagged, drop_name, named};
use crate::lists::is_list;
use crate::{Error, Image, LayerId, Result, Store};
use oci::digest::Digest;
use oci::image::{ImageId, Index};
use oci::reference::Reference;
use serde::de::IgnoredAny;

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
    /// its names and documents while the container keeps its layers. While somebody pulls, the room is made when he is done.
    ///
    /// Layers are removed by who may write them: from outside a user's user namespace they stay, for the next removal
    /// inside.
    pub fn remove_image(&self, text: &str, force: bool) -> Result<Removed> {
        // Before there is any: whoever is killed in between leaves it to the next.
        self.mark_garbage();
        let mut removed = self.change_index(|index| {
            // A list goes alone: the images in it have names of their own, or are there for the list.
            if let Some(removed) = self.take_out_list(index, text)? {
                return Ok(removed);
            }
            match self.resolve(text) {
                Ok(image) => self.take_out(index, text, image, force),
                Err(error) => self.take_out_broken(index, text, error),
            }
        })?;
        self.collect_soon(&mut removed)?;
        Ok(removed)
    }

    /// Removes these entries of the index, whatever their names, and what only they needed.
    pub fn remove_entries(&self, digests: &[Digest]) -> Result<()> {
        self.mark_garbage();
        self.change_index(|index| {
            index.manifests.retain(|entry| !digests.contains(&entry.digest));
            Ok(())
        })?;
        self.collect_soon(&mut Removed::default())
    }

    fn take_out(&self, index: &mut Index, text: &str, image: Image, force: bool) -> Result<Removed> {
        let by_name = self.name_meant(text, &image)?;
        if let Some(name) = by_name.filter(|_| image.names.len() > 1) {
            drop_name(index, &name.to_string());
            return Ok(Removed { untagged: vec![name], ..Removed::default() });
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
        index.manifests.retain(|entry| !digests.contains(&entry.digest));
        Ok(Removed { untagged: image.names, image: Some(image.id), ..Removed::default() })
    }

    /// An image whose documents are damaged can at least be removed, by name or by its manifest's digest.
    fn take_out_broken(&self, index: &mut Index, text: &str, error: Error) -> Result<Removed> {
        let tagged = self.tagged()?;
        let found = match (text.parse::<Digest>(), text.parse::<Reference>()) {
            (Ok(digest), _) => tagged.iter().find(|tagged| tagged.descriptor.digest == digest),
            (_, Ok(reference)) => named(&tagged, &reference),
            _ => None,
        };
        let Some(found) = found else { return Err(error) };
        index.manifests.retain(|entry| entry.digest != found.descriptor.digest);
        Ok(Removed { untagged: found.names.clone(), ..Removed::default() })
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
        let through = || self.image(tagged.clone()).is_ok_and(|other| other.descriptor.digest == digest);
        tagged.descriptor.digest == digest || (!is_list(&tagged.descriptor) && through())
    }

    /// The names of containers that were made from the image.
    fn users_of(&self, image: &Image) -> Result<Vec<String>> {
        let containers = self.containers::<IgnoredAny>()?;
        let uses = |container: &Container<IgnoredAny>| container.image == Some(image.id);
        Ok(containers.into_iter().flatten().filter(uses).map(|container| container.name.to_string()).collect())
    }
}
