//! Volumes as their users know them: made, listed, looked at, removed.

use crate::engine::Engine;
use std::path::PathBuf;
use store::VolumeName;

impl Engine {
    /// Where the files of a volume lie.
    pub fn volume_path(&self, name: &VolumeName) -> PathBuf {
        store::volume_path(&self.locations().root, name)
    }
}
