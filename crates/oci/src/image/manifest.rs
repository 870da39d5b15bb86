//! Image manifests: one configuration and the layers, lowest first (image spec, manifest.md).

use super::document::{DocumentError, Kind, parse};
use super::{Descriptor, media_type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An image's manifest, OCI's or docker's. Its bytes are its identity, so it is never written again once read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::MANIFEST`] or docker's; optional in OCI's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(deserialize_with = "super::null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Free key-value pairs.
    #[serde(default, deserialize_with = "super::null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest of OCI.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let media_type = media_type::MANIFEST.to_owned();
        Self { schema_version: 2, media_type, config, layers, annotations: BTreeMap::new() }
    }

    /// Reads a manifest, and refuses what could be taken for something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        parse(Kind::Manifest, bytes, media_type::is_manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Index;
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,
        "digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    #[test]
    fn a_document_with_layers_and_manifests_is_refused() {
        let both = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"manifests":[]}}"#);
        assert!(matches!(Manifest::parse(both.as_bytes()), Err(DocumentError::Ambiguous(Kind::Manifest))));
        assert!(matches!(Index::parse(both.as_bytes()), Err(DocumentError::Ambiguous(Kind::Index))));
    }

    #[test]
    fn a_manifest_that_calls_itself_an_index_is_refused() {
        let text =
            format!(r#"{{"schemaVersion":2,"mediaType":"{}","config":{CONFIG},"layers":[]}}"#, media_type::INDEX);
        assert!(matches!(Manifest::parse(text.as_bytes()), Err(DocumentError::MediaType(..))));
    }

    #[test]
    fn schema_1_is_refused() {
        let text = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(Manifest::parse(text), Err(DocumentError::SchemaVersion(_, 1))));
    }

    #[test]
    fn docker_manifests_are_read_by_the_same_type() {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{CONFIG},"layers":null}}"#,
            media_type::DOCKER_MANIFEST
        );
        let manifest = Manifest::parse(text.as_bytes()).expect("a manifest");
        assert_eq!(manifest.config.size, 2);
        assert!(manifest.layers.is_empty());
    }
}
