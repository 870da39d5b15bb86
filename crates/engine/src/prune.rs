//! Removal by rule: containers that have ended, images that no container was made from, volumes that none uses,
//! pulls that were cut off.

use crate::containers::{Listed, Volumes};
use crate::engine::Engine;
use crate::error::Result;
use crate::events::Kind;
use oci::image::ImageId;
use oci::reference::Reference;
use std::collections::BTreeSet;
use store::{ContainerId, Image, ImageUsage, Usage, Volume, VolumeName};

/// What is to go.
pub struct Rules<'a> {
    /// Containers: none where there is no rule for them.
    pub containers: Option<&'a dyn Fn(&Listed) -> bool>,
    /// Of the images that no container was made from, those that fit.
    pub images: &'a dyn Fn(&Image) -> bool,
    /// Images go only until all of them together take up no more than so many bytes; those that came first go first.
    pub keep: Option<u64>,
    /// What came of pulls that were cut off goes, too.
    pub partial: bool,
    /// Volumes that no container uses: none where there is no rule for them.
    pub volumes: Option<&'a dyn Fn(&Volume) -> bool>,
}

/// What goes, or is gone.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Containers.
    pub containers: Vec<ContainerId>,
    /// Images, with the names that they had.
    pub images: Vec<(ImageId, Vec<Reference>)>,
    /// Volumes.
    pub volumes: Vec<VolumeName>,
    /// How many pulls that were cut off.
    pub partial: usize,
    /// Bytes that are free again.
    pub bytes: u64,
    entries: Vec<oci::digest::Digest>,
}

impl Engine {
    /// What takes up room.
    pub fn usage(&self) -> Result<Usage> {
        self.clean_up();
        self.enter()?;
        Ok(self.store()?.usage()?)
    }

    /// What would go.
    pub fn prunable(&self, rules: &Rules<'_>) -> Result<Pruned> {
        let containers: Vec<_> = self.containers()?.into_iter().flatten().collect();
        self.enter()?;
        let mut usage = self.store()?.usage()?;
        // One that has been started may not be known to run yet.
        let rests = |listed: &Listed| !listed.status.is_alive() && !self.is_held(&listed.container.id);
        let goes = |listed: &Listed| rests(listed) && rules.containers.is_some_and(|fits| fits(listed));
        let (gone, left): (Vec<_>, Vec<_>) = containers.iter().partition(|listed| goes(listed));
        let mut pruned = Pruned::default();
        for listed in gone {
            pruned.bytes += usage.containers.get(&listed.container.id).copied().unwrap_or(0);
            pruned.containers.push(listed.container.id.clone());
        }
        let kept_layers: Vec<_> = left.iter().map(|listed| &*listed.container.layers).collect();
        usage.without_containers(&kept_layers);
        let used = |image: &Image| left.iter().any(|listed| listed.container.image == Some(image.id));
        let mut stay: Vec<&ImageUsage> = usage.images.iter().collect();
        for candidate in &usage.images {
            let image = &candidate.image;
            let freed = usage.freed(stay.iter().copied());
            if rules.keep.is_some_and(|keep| usage.total() - freed <= keep) {
                break;
            }
            if !used(image) && (rules.images)(image) {
                stay.retain(|other| other.image.entry.digest != image.entry.digest);
                pruned.images.push((image.id, image.names.clone()));
                pruned.entries.push(image.entry.digest);
            }
        }
        pruned.bytes += usage.freed(stay.into_iter());
        if let Some(fits) = rules.volumes {
            let users = left.iter().flat_map(|listed| &listed.container.volumes);
            let used: BTreeSet<&VolumeName> = users.collect();
            for volume in self.store()?.volumes()?.into_iter().flatten() {
                if !used.contains(&volume.name) && fits(&volume) {
                    pruned.bytes += usage.volumes.get(&volume.name).copied().unwrap_or(0);
                    pruned.volumes.push(volume.name);
                }
            }
        }
        if rules.partial {
            pruned.partial = usage.partial.0;
            pruned.bytes += usage.partial.1;
        }
        Ok(pruned)
    }

    /// Removes it. A container that was started meanwhile stays.
    pub fn prune(&self, rules: &Rules<'_>) -> Result<Pruned> {
        let mut pruned = self.prunable(rules)?;
        let removed = |id: &ContainerId| match self.remove_container(id.as_str(), false, Volumes::Kept) {
            Ok(_) => Ok(true),
            Err(crate::Error::Running(_)) => Ok(false),
            Err(error) => Err(error),
        };
        let mut gone = Vec::new();
        for id in std::mem::take(&mut pruned.containers) {
            if removed(&id)? {
                gone.push(id);
            }
        }
        pruned.containers = gone;
        let mut gone = Vec::new();
        for name in std::mem::take(&mut pruned.volumes) {
            match self.store()?.remove_volume(&name, None) {
                Ok(()) => gone.push(name),
                // Somebody uses it by now, or was faster.
                Err(store::Error::VolumeInUse { .. } | store::Error::NoSuchVolume(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        pruned.volumes = gone;
        self.store()?.remove_entries(&pruned.entries)?;
        if rules.partial {
            self.store()?.forget_partial()?;
        }
        let kind = if rules.containers.is_some() { Kind::Container } else { Kind::Image };
        self.tell_prune(kind, pruned.bytes);
        Ok(pruned)
    }
}
