//! What a container has written, kept in its directory: lines with their time, in files that are turned over when they
//! are full, so that no container fills a disk.

mod line;
mod read;
mod write;

pub use line::{Format, Line, rfc3339};
pub use read::Reader;
pub use write::Writer;

use serde::{Deserialize, Serialize};

/// Where it goes (`--log-driver`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Files of lines as the Kubernetes container runtime interface has them, which podman calls k8s-file.
    #[default]
    Local,
    /// Files of JSON objects, as docker's json-file.
    JsonFile,
    /// Nowhere.
    None,
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
}

impl Default for Config {
    fn default() -> Self {
        Self { driver: Driver::Local, max_size: 10 << 20, max_files: 3 }
    }
}

/// The file that is written to; those before it have numbers behind the name, 1 for the youngest.
pub const FILE: &str = "log";

fn name(number: u32) -> String {
    if number == 0 { FILE.to_owned() } else { format!("{FILE}.{number}") }
}
