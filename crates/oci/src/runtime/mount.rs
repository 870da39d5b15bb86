//! One entry of `mounts`.

use super::IdMapping;
use serde::{Deserialize, Serialize};

/// A mount (config.md, "Mounts"). Options are kept as the words they are; the runtime gives them their meaning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    /// Absolute path in the container.
    pub destination: String,
    /// A file system type, or a path for a bind mount (absolute, or relative to the bundle).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// File system type; `bind`, `none` or absent with a `bind` or `rbind` option.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// fstab-style words: flags, propagation, and what is left goes to the file system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Id mapping of this mount: container ids to host ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// As `uid_mappings`, for groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}
