//! Images out of files.

use crate::{Result, Store};
use oci::image::ImageId;
use oci::reference::Reference;
use std::io::Read;
use std::path::Path;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: ImageId,
    /// The names that it got; they were taken from whichever image had them.
    pub names: Vec<Reference>,
}

impl Store {
    /// Loads all images of a file (docker-archive, oci-archive, each plain or compressed with gzip or zstd) or of a
    /// directory (OCI image layout).
    pub fn load(&self, path: &Path) -> Result<Vec<LoadedImage>> {
        let reason = "not read yet".to_owned();
        Err(crate::Error::Archive { archive: path.display().to_string(), reason })
    }

    /// Loads all images of an archive that is read once, front to back, such as standard input; `name` is for errors.
    pub fn load_stream(&self, archive: impl Read + Send, name: &str) -> Result<Vec<LoadedImage>> {
        drop(archive);
        Err(crate::Error::Archive { archive: name.to_owned(), reason: "not read yet".to_owned() })
    }
}
