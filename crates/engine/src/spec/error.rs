//! Why no specification can be made of a request.

use super::user;
use crate::flags::Invalid;

/// A request that the image or the machine cannot meet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the command line nor the image says what to run.
    #[error("no command: none was given, and the image has neither entrypoint nor command")]
    NoCommand,
    /// A flag's value does not fit the machine, the image or another flag.
    #[error("{flag} {invalid}")]
    Flag {
        /// The flag, such as `--memory`.
        flag: &'static str,
        /// Its value, and why not.
        invalid: Invalid,
    },
    /// The image's configuration says something that has no meaning.
    #[error("the image's {field} {invalid}")]
    Image {
        /// The field, such as `User`.
        field: &'static str,
        /// Its value, and why not.
        invalid: Invalid,
    },
    /// The user or a group does not exist.
    #[error(transparent)]
    User(#[from] user::Error),
    /// A limit was asked for that cannot be set here. To run without it would break a promise.
    #[error("{flag}: the cgroup controller {controller} is not available")]
    NoController {
        /// The flag that asked.
        flag: &'static str,
        /// What is missing, by the kernel's name.
        controller: &'static str,
        /// An ordinary user asked.
        rootless: bool,
    },
    /// A limit and `--cgroups=disabled`.
    #[error("{flag} needs a cgroup, and --cgroups=disabled leaves none")]
    NoCgroup {
        /// The flag that asked.
        flag: &'static str,
    },
    /// The source of a bind mount cannot be found.
    #[error("{flag} {path:?}")]
    Source {
        /// The flag that asked.
        flag: &'static str,
        /// The path on the host.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A host device could not be looked at.
    #[error("--device {path}")]
    Device {
        /// Its path on the host.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What `--device` names is no device.
    #[error("--device {path}: {why}")]
    NoDevice {
        /// Its path on the host.
        path: std::path::PathBuf,
        /// What it is.
        why: &'static str,
    },
}

impl Error {
    /// A flag's value, why it cannot be, and what would do.
    pub(super) fn flag(flag: &'static str, invalid: Invalid) -> Self {
        Self::Flag { flag, invalid }
    }

    /// What to do about it, if we know.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::NoCommand => Some("write a command behind the image, such as `sh`".to_owned()),
            Self::Flag { invalid, .. } | Self::Image { invalid, .. } => invalid.remedy().map(str::to_owned),
            Self::User(error) => Some(error.remedy().to_owned()),
            Self::NoController { controller, rootless: true, .. } => Some(format!(
                "delegate it: systemctl edit user@.service, [Service] Delegate={controller}, and log in again; or leave \
                 the limit out"
            )),
            Self::NoController { controller, rootless: false, .. } => {
                Some(format!("enable {controller} in the kernel and in cgroup.subtree_control, or leave the limit out"))
            }
            Self::NoCgroup { flag } => Some(format!("leave out {flag} or --cgroups=disabled")),
            Self::Source { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("make it first: mkdir -p {}", path.display()))
            }
            Self::Source { .. } | Self::Device { .. } | Self::NoDevice { .. } => None,
        }
    }
}
