//! What an image is made of, for whoever takes it elsewhere.

use crate::{Result, Store};
use oci::image::{Descriptor, LARGEST_CONFIG};
use std::fs::File;

impl Store {
    /// A blob as it is stored. Its content was checked when it came; its length is now.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<File> {
        self.open_blob(descriptor, &format!("blob {}", descriptor.digest))
    }

    /// A manifest, an index or a configuration, its content checked.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.read_blob(descriptor, LARGEST_CONFIG, &format!("document {}", descriptor.digest))
    }
}
