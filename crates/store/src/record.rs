//! What is written down of a layer, in its directory beside its tree or its image.

use crate::layers::RootMeta;
use crate::{Error, Result};
use oci::digest::DiffId;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// The record's name in a layer's directory.
pub(crate) const RECORD: &str = "record.json";
/// The layer's tree in its directory.
pub(crate) const TREE: &str = "fs";
/// Or its image.
pub(crate) const IMAGE: &str = "layer.erofs";

/// How a layer lies on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// A directory of files, as all layers once were.
    #[default]
    Directory,
    /// An EROFS image.
    Image,
}

/// What is written down of an image's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageFile {
    /// Its bytes.
    pub length: u64,
    /// Of the writer that made it: the same one makes the same bytes of the same blob.
    pub revision: u32,
}

/// What is written down of an unpacked layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub diff_id: DiffId,
    /// Bytes of its tar.
    pub size: u64,
    /// It holds only above the layers of its chain.
    pub depends_on_lowers: bool,
    /// Nothing below is to be seen.
    pub hides_lowers: bool,
    /// What it says of the root directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootMeta>,
    #[serde(default)]
    pub form: Form,
    /// Its image, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFile>,
    /// The boot in which it was made, as long as it may be that not all of it is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

impl Record {
    /// Whether a power cut may have taken a part of it.
    pub fn is_doubtful(&self) -> Result<bool> {
        match &self.boot {
            None => Ok(false),
            Some(boot) => Ok(boot != boot_id()?),
        }
    }
}

/// The id of this boot (proc_sys_kernel(5)). Read once: a start asks for each of its layers.
pub(crate) fn boot_id() -> Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).map_err(Error::io(format!("cannot read {path}")))?;
    Ok(ID.get_or_init(|| text.trim().to_owned()))
}
