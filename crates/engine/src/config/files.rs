//! The files of a container beside its image.

use super::{DeviceRequest, Mount, SecretRequest, VolumesFrom};
use serde::{Deserialize, Serialize};

/// Mounts and devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesConfig {
    /// `--volume`, `--mount` and `--tmpfs`, and the volumes of the image and of `--volumes-from`; no two share a destination.
    pub mounts: Vec<Mount>,
    /// `--volumes-from`; those of a container that was made are among `mounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumesFrom>,
    /// `--read-only` and `--read-only-tmpfs`.
    pub root: RootAccess,
    /// `--device`.
    pub devices: Vec<DeviceRequest>,
    /// `--device-cgroup-rule`: devices that may be used however their nodes come to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_rules: Vec<oci::runtime::DeviceRule>,
    /// `--secret`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretRequest>,
}

/// Whether the root file system can be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootAccess {
    /// Yes.
    #[default]
    ReadWrite,
    /// No, but `/run`, `/tmp` and `/var/tmp` are writable memory.
    ReadOnlyWithTmpfs,
    /// No, and `/dev` neither (`--read-only --read-only-tmpfs=false`).
    ReadOnly,
}
