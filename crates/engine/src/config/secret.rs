//! Secrets of a container.

use super::ContainerPath;
use serde::{Deserialize, Serialize};

/// `--secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRequest {
    /// Which: by name or id.
    pub name: String,
    /// Where it is seen.
    pub place: SecretPlace,
}

/// Where a secret is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretPlace {
    /// In a file, read-only and in memory.
    File {
        /// Where.
        path: ContainerPath,
        /// Its owner, by the container's ids.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its mode.
        mode: u32,
    },
    /// In a variable of this name.
    Variable(String),
}
