//! An image out of a root file system's tar.

use crate::{LoadedImage, Result, Store};
use oci::reference::Reference;
use std::io::Read;

/// What the new image is to be.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Its name, if any.
    pub name: Option<Reference>,
    /// Instructions of a Containerfile that change its configuration: `CMD ["sh"]`, `ENV A=1`, …
    pub changes: Vec<String>,
    /// The comment in its history.
    pub message: Option<String>,
    /// Where the tar came from, for errors and the history.
    pub source: String,
}

impl Store {
    /// Makes an image of one layer out of a tar, plain or compressed.
    pub fn import(&self, tar: impl Read + Send, import: &Import) -> Result<LoadedImage> {
        drop(tar);
        Err(crate::Error::Archive { archive: import.source.clone(), reason: "not read yet".to_owned() })
    }
}
