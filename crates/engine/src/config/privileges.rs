//! What a container may do: capabilities, system calls, and the kernel's own paths.

use super::CapabilityChange;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Privileges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegesConfig {
    /// `--privileged`.
    pub level: Privileges,
    /// `--cap-add`.
    pub cap_add: CapabilityChange,
    /// `--cap-drop`.
    pub cap_drop: CapabilityChange,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=`.
    pub seccomp: SeccompChoice,
    /// `--report-denied`: what it refuses is noted.
    #[serde(default)]
    pub report_denied: bool,
    /// `coracle learn`: what it does is noted, once.
    #[serde(skip)]
    pub learns: bool,
    /// `--security-opt apparmor=`.
    pub apparmor: AppArmor,
    /// `--security-opt label=`.
    pub selinux: Vec<SelinuxLabel>,
    /// `--security-opt mask=, unmask=, systempaths=unconfined`.
    pub paths: PathMasks,
}

/// How much stands between the container and the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privileges {
    /// The usual.
    #[default]
    Confined,
    /// `--privileged`: all capabilities and devices, nothing masked, no filter.
    Privileged,
}

/// Which system calls are filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompChoice {
    /// The engine's profile, or none for a privileged container.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile of the user's, even for a privileged container.
    Profile {
        /// Where it was read, for messages.
        path: PathBuf,
        /// What the file says.
        json: String,
    },
}

/// The AppArmor profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppArmor {
    /// Left open.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// By name; an error on a machine without AppArmor.
    Profile(String),
}

/// One `label=` option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelinuxLabel {
    /// No separation by SELinux.
    Disable,
    /// `user`, `role`, `type`, `level`, `filetype` or `nested`, with its value.
    Part(String, String),
}

/// Changes to the lists of hidden and read-only paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMasks {
    /// Absolute paths to hide beside the default ones.
    pub mask: Vec<PathBuf>,
    /// Patterns of default paths that stay as they are; a `*` stands for anything within one component.
    pub unmask: Vec<String>,
    /// `unmask=ALL` or `systempaths=unconfined`.
    pub unmask_all: bool,
}
