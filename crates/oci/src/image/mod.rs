//! The image specification and its neighbours: index, manifest, descriptor, configuration, docker's archive.
//!
//! One set of types reads both OCI's documents and docker's (schema 2), which differ in their media types only. What
//! we may have to write again (an index, a configuration) keeps the fields that it does not know.

mod config;
mod descriptor;
mod docker_archive;
mod document;
mod index;
mod manifest;
pub mod media_type;
mod time;

pub use config::{ContainerDefaults, Healthcheck, History, ImageConfig, ImageId, LARGEST as LARGEST_CONFIG, RootFs};
pub use descriptor::{Descriptor, Platform};
pub use docker_archive::{ArchiveImage, LegacyLayer, Repositories};
pub use document::{DocumentError, Kind, LARGEST as LARGEST_DOCUMENT};
pub use index::Index;
pub use manifest::Manifest;
pub use time::{parse_rfc3339, rfc3339, rfc3339_fixed};

/// The annotation of an index entry with the image's name (image spec, "Pre-Defined Annotation Keys").
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with the full name, where the other holds a tag alone; containerd and docker write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The name of the file that makes a directory an OCI image layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// What that file holds.
pub const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

use serde::{Deserialize, Deserializer};

/// Go's encoders write `null` for an empty list or map; it means the same as an absent one.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
