//! Image indexes: lists of manifests, by platform in a registry, by name in an image layout (image-index.md).

use super::document::{DocumentError, Kind, parse};
use super::{Descriptor, Platform, REF_NAME, media_type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An index, OCI's or docker's manifest list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::INDEX`] or docker's; optional in OCI's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The manifests (or further indexes).
    #[serde(deserialize_with = "super::null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// Fields that we do not know, kept.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Default for Index {
    fn default() -> Self {
        let media_type = media_type::INDEX.to_owned();
        Self { schema_version: 2, media_type, manifests: Vec::new(), other: BTreeMap::new() }
    }
}

impl Index {
    /// Reads an index, and refuses what could be taken for something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        parse(Kind::Index, bytes, media_type::is_index)
    }

    /// The entry whose platform runs on `host`: one that names the variant first, then any, then one that names no
    /// platform at all.
    pub fn for_platform(&self, host: &Platform) -> Option<&Descriptor> {
        let runs = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.runs_on(host));
        let exact = |entry: &&Descriptor| {
            runs(entry) && entry.platform.as_ref().is_some_and(|platform| platform.variant == host.variant)
        };
        let entries = || self.manifests.iter();
        entries().find(exact).or_else(|| entries().find(runs)).or_else(|| entries().find(|e| e.platform.is_none()))
    }

    /// The entry of an image layout with this name.
    pub fn named(&self, name: &str) -> Option<&Descriptor> {
        self.manifests.iter().find(|entry| entry.annotations.get(REF_NAME).is_some_and(|own| own == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_kept() {
        let text = r#"{"schemaVersion":2,"manifests":[{"mediaType":"m","size":3,"x":[1,2],
            "digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}],"subject":{"y":1}}"#;
        let index = Index::parse(text.as_bytes()).expect("an index");
        let before: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_value(&index).expect("JSON"), before);
    }

    #[test]
    fn the_entry_for_this_machine_is_taken() {
        let entry = |architecture: &str, size| {
            let mut entry = Descriptor::new(media_type::MANIFEST, crate::digest::Digest::of(b""), size);
            let (architecture, os) = (architecture.to_owned(), "linux".to_owned());
            entry.platform = Some(Platform { architecture, os, ..Platform::default() });
            entry
        };
        let index = Index { manifests: vec![entry("s390x", 1), entry("amd64", 2)], ..Index::default() };
        let host = Platform { architecture: "amd64".to_owned(), os: "linux".to_owned(), ..Platform::default() };
        assert_eq!(index.for_platform(&host).map(|entry| entry.size), Some(2));
        let other = Platform { architecture: "riscv64".to_owned(), ..host };
        assert!(index.for_platform(&other).is_none());
    }
}
