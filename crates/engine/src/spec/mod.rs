//! From what a user asked for, and what the machine and the image say, to an OCI runtime specification.
//!
//! [`compose`] is one pure function: all that must be looked up comes in as [`Facts`], so that every combination can
//! be tested without a machine that has it. The defaults are podman's, and its file `defaults` of numbers and lists is
//! spread over the files here by subject. Each part of the specification remembers who asked for it ([`Origin`]).

mod capabilities;
mod compose;
mod device;
mod env;
mod error;
mod facts;
pub mod files;
pub mod idmap;
mod mask;
mod mounts;
mod namespaces;
mod origin;
mod process;
mod resources;
mod sysctl;
pub mod user;

pub use capabilities::{Granted, grant};
pub use compose::{Chown, Composed, compose};
pub use device::{HostDevice, all_devices, devices};
pub use error::Error;
pub use facts::{
    Controllers, EtcFiles, Facts, HostRlimits, ImageDefaults, Limit, SecretFile, Secrets, UserNamespace, VolumeSource,
};
pub use idmap::IdMaps;
pub use mask::thermal_throttle;
pub use mounts::sources;
pub use origin::{Origin, SpecPath};
pub use process::command;
pub(crate) use resources::{There, limits, limits_and_origins};
pub use user::User;
