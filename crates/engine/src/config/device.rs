//! Host devices that a container is given.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

use super::ContainerPath;

/// `--device HOST[:CONTAINER][:rwm]`. The host's path may be a directory: then all devices below it are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Path in the container.
    pub container: ContainerPath,
    /// What the cgroup lets through.
    pub access: DeviceAccess,
}

/// A subset of read, write and mknod; not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `m`.
    pub mknod: bool,
}

impl DeviceAccess {
    /// All three.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (set, letter) in [(self.read, "r"), (self.write, "w"), (self.mknod, "m")] {
            if set {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}
