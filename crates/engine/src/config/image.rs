//! Where the root file system of a container comes from.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The word in the place of IMAGE, or `--rootfs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageRef {
    /// `host:`: this machine's own root file system under a throw-away overlay.
    Host,
    /// An image of the store, by name, digest or id; not empty and not starting with `-`. Its grammar is
    /// `oci::reference`'s business, once it is known not to be an id.
    Name(String),
    /// A directory.
    Rootfs(Rootfs),
}

/// `--rootfs PATH[:O]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    /// Absolute path on the host.
    pub path: PathBuf,
    /// What becomes of changes.
    pub changes: Changes,
}

/// What becomes of the changes that a container makes to a directory of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changes {
    /// They are made in the directory.
    #[default]
    Kept,
    /// `:O`: they go to an overlay that ends with the container.
    ThrownAway,
}

/// `--pull`: the policies that mean something without a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pull {
    /// Fetch what is missing.
    #[default]
    Missing,
    /// Only what is there.
    Never,
}
