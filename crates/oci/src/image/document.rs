//! The check that a document is the one kind it says it is, before its fields are believed.
//!
//! A document with both `layers` and `manifests` is a manifest to one reader and an index to another
//! (CVE-2021-41190); such a document, or one whose own media type contradicts its descriptor's, is refused.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The largest manifest or index that registries and engines accept, in bytes.
pub const LARGEST: usize = 4 << 20;

/// What a JSON document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One image: a configuration and layers.
    Manifest,
    /// A list of manifests.
    Index,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Index => "index",
        })
    }
}

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("the {0} cannot be read")]
    Json(Kind, #[source] serde_json::Error),
    /// It has the fields of both kinds.
    #[error("the {0} has both layers and manifests, so that it could be taken for either kind")]
    Ambiguous(Kind),
    /// It says of itself that it is something else.
    #[error("the {0} calls itself {1:?}")]
    MediaType(Kind, String),
    /// A schema version other than 2.
    #[error("the {0} has schema version {1}; only version 2 is supported")]
    SchemaVersion(Kind, u64),
    /// More than 4 MiB.
    #[error("the {0} has {1} bytes; the most is 4 MiB")]
    TooLarge(Kind, usize),
}

impl DocumentError {
    /// Whether it may be right, and is of a kind that is not supported here.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::SchemaVersion(..) => true,
            // Of what a field's own parser said serde keeps the text.
            Self::Json(_, error) => error.to_string().contains(crate::digest::UNSUPPORTED),
            _ => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<IgnoredAny>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
}

/// Reads a document after checking its shape.
pub(super) fn parse<T: DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
    accepted: impl Fn(&str) -> bool,
) -> Result<T, DocumentError> {
    if bytes.len() > LARGEST {
        return Err(DocumentError::TooLarge(kind, bytes.len()));
    }
    let shape: Shape = serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(kind, error))?;
    let image = shape.config.is_some() || shape.layers.is_some() || shape.fs_layers.is_some();
    if image && shape.manifests.is_some() {
        return Err(DocumentError::Ambiguous(kind));
    }
    if let Some(media_type) = shape.media_type.filter(|media_type| !media_type.is_empty() && !accepted(media_type)) {
        return Err(DocumentError::MediaType(kind, media_type));
    }
    if shape.schema_version != Some(2) {
        return Err(DocumentError::SchemaVersion(kind, shape.schema_version.unwrap_or_default()));
    }
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(kind, error))
}
