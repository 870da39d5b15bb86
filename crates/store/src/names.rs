//! Names of images: given, and taken away again, while the image stays.

use crate::image::{Tagged, drop_name};
use crate::{Error, Image, Result, Store};
use oci::reference::Reference;

impl Store {
    /// Gives an image these names, which other images lose; on disk when it returns.
    pub fn tag(&self, text: &str, names: &[Reference]) -> Result<Image> {
        let _lease = self.lease()?;
        let (found, image) = self.find(text)?;
        if let Some(name) = names.iter().find(|name| name.digest().is_some()) {
            return Err(Error::DigestAsName(name.clone().into()));
        }
        self.enter(&Tagged { names: names.to_vec(), ..found })?;
        Ok(image)
    }

    /// Takes these names from an image, or all that it has; it stays, if need be without a name. Returns what is gone.
    pub fn untag(&self, text: &str, names: &[String]) -> Result<Vec<Reference>> {
        let _lease = self.lease()?;
        let (_, image) = self.find(text)?;
        let mut gone = Vec::new();
        for name in names {
            let other = || Error::NotItsName { name: name.clone(), names: image.names.clone() };
            gone.push(self.name_meant(name, &image)?.ok_or_else(other)?);
        }
        if names.is_empty() {
            gone.clone_from(&image.names);
        }
        self.change_index(|index| {
            for name in &gone {
                drop_name(index, &name.to_string());
            }
            Ok(())
        })?;
        Ok(gone)
    }
}
