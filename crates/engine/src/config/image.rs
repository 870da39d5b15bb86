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

/// `--pull`: when a registry is asked for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pull {
    /// Always; what is there already is not fetched again.
    Always,
    /// Where it is missing.
    #[default]
    Missing,
    /// Never.
    Never,
    /// Always, but without a registry that answers, what is there will do.
    Newer,
}
