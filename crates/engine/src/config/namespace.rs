//! Whose namespace the process lives in.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A namespace of a kind without special cases: `--pid`, `--uts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceMode {
    /// A new one.
    #[default]
    Private,
    /// The host's.
    Host,
    /// `ns:PATH`: an existing one, by absolute path.
    Path(PathBuf),
}

impl NamespaceMode {
    /// The process shares the host's namespace.
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }
}

/// `--ipc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpcNamespace {
    /// A new one, with a `/dev/shm` of its own (`private` and `shareable`).
    #[default]
    Private,
    /// A new one without `/dev/shm` (`none`).
    WithoutShm,
    /// The host's, with the host's `/dev/shm`.
    Host,
    /// `ns:PATH`, with a `/dev/shm` of its own.
    Path(PathBuf),
}

impl IpcNamespace {
    /// The process shares the host's namespace.
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }
}

/// `--cgroupns`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupNamespace {
    /// Left open: a new one.
    #[default]
    Default,
    /// A new one: the container's own cgroup looks like the root.
    Private,
    /// The host's.
    Host,
    /// `ns:PATH`.
    Path(PathBuf),
}
