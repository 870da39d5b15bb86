//! Images as their users know them.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::spec::ImageDefaults;
use oci::reference::Reference;
use std::io::Read;
use std::path::{Path, PathBuf};
use store::{Arrivals, BrokenImage, Image, Import, LoadedImage, Removed, Store};

/// What an image says of the containers made from it.
pub(crate) fn defaults(image: &Image) -> ImageDefaults {
    let config = &image.config.config;
    ImageDefaults {
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone().unwrap_or_default(),
        cmd: config.cmd.clone().unwrap_or_default(),
        workdir: config.working_dir.clone(),
        user: config.user.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        healthcheck: config.healthcheck.clone(),
        volumes: config.volumes.iter().map(|(path, _)| path.clone()).collect(),
    }
}

impl Engine {
    /// All images, and those whose documents are damaged.
    pub fn images(&self) -> Result<Vec<std::result::Result<Image, BrokenImage>>> {
        Ok(self.store()?.images()?)
    }

    /// The image with this name, digest or id.
    pub fn image(&self, name: &str) -> Result<Image> {
        Ok(self.store()?.resolve(name)?)
    }

    /// Takes the images of an archive or a layout directory into the store.
    pub fn load(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        self.loaded(self.take_in(|store| Ok(store.read(path)?)))
    }

    /// The same from a stream.
    pub fn load_stream(&self, stream: impl Read + Send, name: &str) -> Result<Vec<LoadedImage>> {
        self.loaded(self.take_in(|store| Ok(store.read_stream(stream, name)?)))
    }

    /// Makes an image of a root file system's tar.
    pub fn import(&self, tar: impl Read + Send, import: &Import) -> Result<LoadedImage> {
        let image = self.take_in(|store| Ok(store.read_tar(tar, import)?))?.remove(0);
        self.tell_loaded("import", &image);
        Ok(image)
    }

    fn loaded(&self, images: Result<Vec<LoadedImage>>) -> Result<Vec<LoadedImage>> {
        images.iter().flatten().for_each(|image| self.tell_loaded("load", image));
        images
    }

    fn tell_loaded(&self, action: &str, image: &LoadedImage) {
        let name = image.names.first().map(Reference::familiar).unwrap_or_default();
        self.tell_image(action, &image.id.to_string(), &name);
    }

    /// A layer that cannot be unpacked, or is not what its image says, shows when the image comes, not when somebody
    /// first wants to run it; and before the image takes a name from another. Of what is refused nothing stays.
    pub(crate) fn take_in(&self, read: impl FnOnce(&Store) -> Result<Arrivals>) -> Result<Vec<LoadedImage>> {
        self.enter()?;
        let store = self.store()?;
        let taken = read(store).and_then(|arrivals| {
            for image in store.look_at(&arrivals)? {
                store.layers_for(&image, arrivals.lease())?;
            }
            Ok(store.admit(arrivals)?)
        });
        match taken {
            Ok(loaded) => {
                // What others removed meanwhile was left to us; what stays is left to the next.
                let _ = store.tidy();
                self.settle_later();
                Ok(loaded)
            }
            Err(error) => {
                // The first error is the one to tell; what cannot be removed now goes with the next image.
                let _ = store.turn_away();
                Err(error)
            }
        }
    }

    /// Removes what killed commands left in the store. An ordinary user becomes root of his ids for it, if there is
    /// anything, since some of it is theirs.
    pub fn sweep(&self) {
        let swept = || {
            if self.store()?.is_untidy()? {
                self.enter()?;
            }
            Ok::<_, Error>(self.store()?.sweep()?)
        };
        // What cannot be removed now is left for the next command.
        let _ = swept();
    }

    /// The same if more or less is there than belongs to the so many containers that were found.
    pub(crate) fn sweep_beside(&self, containers: usize) {
        if self.store().is_ok_and(|store| store.is_untidy_beside(containers).unwrap_or(true)) {
            self.sweep();
        }
    }

    /// How many bytes each layer of an image has, unpacked, and where it lies. Of one that is not unpacked, how long its
    /// blob is.
    pub fn layers_of(&self, image: &Image) -> Vec<(u64, Option<PathBuf>)> {
        let places = self.store().and_then(|store| Ok(store.layer_places(image)?)).unwrap_or_default();
        let mut places = places.into_iter();
        let layer = |layer: &oci::image::Descriptor| match places.next().flatten() {
            Some((size, place)) => (size, Some(place)),
            None => (layer.size, None),
        };
        image.manifest.layers.iter().map(layer).collect()
    }

    /// How many bytes an image has, unpacked.
    pub fn unpacked_size(&self, image: &Image) -> u64 {
        self.layers_of(image).iter().fold(0, |sum, (size, _)| sum.saturating_add(*size))
    }

    /// Gives an image more names, which others lose.
    pub fn tag(&self, image: &str, names: &[Reference]) -> Result<Image> {
        let tagged = self.store()?.tag(image, names)?;
        for name in names {
            self.tell_image("tag", &tagged.id.to_string(), &name.familiar());
        }
        Ok(tagged)
    }

    /// Takes names from an image, or all; it stays.
    pub fn untag(&self, image: &str, names: &[String]) -> Result<Vec<Reference>> {
        let id = self.image(image).map(|image| image.id.to_string()).unwrap_or_default();
        let untagged = self.store()?.untag(image, names)?;
        for name in &untagged {
            self.tell_image("untag", &id, &name.familiar());
        }
        Ok(untagged)
    }

    /// Removes a name, or an image.
    pub fn remove_image(&self, name: &str, force: bool) -> Result<Removed> {
        self.enter()?;
        let id = self.image(name).map(|image| image.id.to_string()).unwrap_or_default();
        let removed = self.store()?.remove_image(name, force)?;
        for name in &removed.untagged {
            self.tell_image("untag", &id, &name.familiar());
        }
        if let Some(image) = &removed.image {
            self.tell_image("delete", &image.to_string(), name);
        }
        Ok(removed)
    }
}
