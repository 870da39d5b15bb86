//! Image configurations: for whom the image is, how its container starts, what its layers are (image spec, config.md).
//!
//! The surprising part is the capital letters of [`ContainerDefaults`], which are docker's. An absent command is
//! something else than an empty one, hence the options; Go writes `null` for either.

use crate::digest::{DiffId, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The largest configuration that we read, in bytes.
pub const LARGEST: usize = 8 << 20;

/// An image's configuration. The digest of its bytes is the image's id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Go's name of the architecture: `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The architecture's variant: `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system: `linux`.
    #[serde(default)]
    pub os: String,
    /// How a container of it starts.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub config: ContainerDefaults,
    /// Its layers.
    pub rootfs: RootFs,
    /// How each layer came about.
    #[serde(default, deserialize_with = "super::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Fields that we do not know, kept (docker's `container_config`, `docker_version` and the like).
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The platform that the image is for.
    pub fn platform(&self) -> super::Platform {
        super::Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
            other: BTreeMap::new(),
        }
    }
}

/// What a container of the image starts with, unless its user says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerDefaults {
    /// `user`, `uid`, `user:group`, `uid:gid`.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `port/protocol`; the values are empty objects.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Map::is_empty")]
    pub exposed_ports: Map<String, Value>,
    /// `NAME=value`.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What the command is appended to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the entrypoint's arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Paths that are volumes; the values are empty objects.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Map::is_empty")]
    pub volumes: Map<String, Value>,
    /// Where the command starts.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Free key-value pairs.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to stop: `SIGTERM`, `15`.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// How to see whether it is well; docker's, not in the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for a build on top of this image; docker's.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// The shell of a build's shell form; docker's.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// Fields that we do not know, kept.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A health check; times in nanoseconds, 0 for the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`; empty inherits.
    #[serde(deserialize_with = "super::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Until a check counts as failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// How long failures do not count at first.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks during that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the uncompressed tars, lowest first.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// How a layer came about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Whatever was said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The step made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
    /// Fields that we do not know, kept.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// An image's id: the digest of its configuration's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

impl std::fmt::Display for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_configuration_keeps_what_oci_does_not_know() {
        let text = r#"{"architecture":"amd64","os":"linux","docker_version":"20.10",
            "config":{"Cmd":["sh"],"Env":["A=1"],"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000,"Retries":3},
                "ArgsEscaped":true,"Volumes":{"/data":{}}},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}]}"#;
        let config = ImageConfig::parse(text.as_bytes()).expect("a configuration");
        assert_eq!(config.config.healthcheck.as_ref().map(|check| check.retries), Some(3));
        let before: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_value(&config).expect("JSON"), before);
    }

    #[test]
    fn nulls_of_go_are_absent_fields() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":null,"Entrypoint":[],"Env":null,"Labels":null},
            "rootfs":{"type":"layers","diff_ids":null},"history":null}"#;
        let config = ImageConfig::parse(text.as_bytes()).expect("a configuration");
        assert_eq!((config.config.cmd, config.config.entrypoint), (None, Some(Vec::new())));
        let none = r#"{"config":null,"rootfs":{"type":"layers"}}"#;
        assert!(ImageConfig::parse(none.as_bytes()).is_ok());
    }
}
