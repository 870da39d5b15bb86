//! What a container has written, kept in its directory: lines with their time, in files that are turned over when they
//! are full, so that no container fills a disk.

mod journal;
mod line;
mod read;
mod write;

pub use journal::is_tag;
pub use line::{Format, Line, rfc3339};
pub use read::Reader;
pub use write::Writer;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where it goes (`--log-driver`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Files of lines as the Kubernetes container runtime interface has them, which podman calls k8s-file.
    #[default]
    Local,
    /// Files of JSON objects, as docker's json-file.
    JsonFile,
    /// systemd's journal.
    Journald,
    /// Nowhere: the container writes to the streams of the command that starts it.
    Passthrough,
    /// Nowhere.
    None,
}

impl Driver {
    /// docker's and podman's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::JsonFile => "json-file",
            Self::Journald => "journald",
            Self::Passthrough => "passthrough",
            Self::None => "none",
        }
    }

    /// How lines stand in its files, if it has any.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Local => Some(Format::Plain),
            Self::JsonFile => Some(Format::Json),
            Self::Journald | Self::Passthrough | Self::None => None,
        }
    }
}

/// Whose output it is, for those who ask the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Of {
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What its root is, as users see it.
    pub image: String,
}

impl Of {
    /// As much of the id as lists show.
    fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// How it is kept (`--log-driver`, `--log-opt`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Where.
    pub driver: Driver,
    /// A file is turned over at this many bytes.
    pub max_size: u64,
    /// So many files are kept, the one that is written to among them.
    pub max_files: u32,
    /// What the journal calls it (`tag`), with places for what is known of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of which labels (`labels`) and variables (`env`) the values are told with each line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What they are, found out when the container starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            driver: Driver::Local,
            max_size: 10 << 20,
            max_files: 3,
            tag: None,
            labels: Vec::new(),
            env: Vec::new(),
            attrs: BTreeMap::new(),
        }
    }
}

/// The file that is written to; those before it have numbers behind the name, 1 for the youngest.
pub const FILE: &str = "log";

fn name(number: u32) -> String {
    if number == 0 { FILE.to_owned() } else { format!("{FILE}.{number}") }
}
