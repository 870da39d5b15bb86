//! Images as their users know them.

use crate::engine::Engine;
use crate::error::Result;
use crate::spec::ImageDefaults;
use std::io::Read;
use std::path::Path;
use store::{BrokenImage, Image, Import, LoadedImage, Removed};

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
        self.enter()?;
        self.unpack(self.store()?.load(path)?)
    }

    /// The same from a stream.
    pub fn load_stream(&self, stream: impl Read + Send, name: &str) -> Result<Vec<LoadedImage>> {
        self.enter()?;
        self.unpack(self.store()?.load_stream(stream, name)?)
    }

    /// Makes an image of a root file system's tar.
    pub fn import(&self, tar: impl Read + Send, import: &Import) -> Result<LoadedImage> {
        self.enter()?;
        let image = self.store()?.import(tar, import)?;
        Ok(self.unpack(vec![image])?.remove(0))
    }

    /// A layer that cannot be unpacked, or is not what its image says, shows when the image comes, not when somebody
    /// first wants to run it.
    fn unpack(&self, images: Vec<LoadedImage>) -> Result<Vec<LoadedImage>> {
        let lease = self.store()?.lease()?;
        for image in &images {
            let image = self.store()?.resolve(&image.id.to_string())?;
            self.store()?.layers_for(&image, &lease)?;
        }
        Ok(images)
    }

    /// Removes a name, or an image.
    pub fn remove_image(&self, name: &str, force: bool) -> Result<Removed> {
        self.enter()?;
        Ok(self.store()?.remove_image(name, force)?)
    }
}
