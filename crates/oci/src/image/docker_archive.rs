//! What `docker save` writes beside the layers: `manifest.json`, and before docker 1.10 `repositories`.

use super::ContainerDefaults;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An entry of `manifest.json`; the paths lie in the archive, and may be links in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ArchiveImage {
    /// The path of the configuration.
    pub config: String,
    /// The image's names.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub repo_tags: Vec<String>,
    /// The paths of the layers, lowest first.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub layers: Vec<String>,
}

/// `repositories`: repository to tag to the id of the image's topmost layer.
pub type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// `<id>/json` of an archive without `manifest.json`: a layer that is an image of its own and names its parent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LegacyLayer {
    /// The layer below.
    pub parent: Option<String>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Go's name of the architecture.
    pub architecture: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// How a container of it starts.
    pub config: Option<ContainerDefaults>,
    /// Of the container that it was made from; its command is how the layer came about.
    pub container_config: Option<ContainerDefaults>,
}
