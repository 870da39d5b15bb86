//! What a user asked for, as values.
//!
//! A [`ContainerConfig`] is complete and valid by itself: every flag has been parsed to a type that cannot hold
//! nonsense, names of the host (files, environment variables) have been looked up, and nothing in it depends on the
//! machine. What depends on the machine (the image, the user's numbers, which limits can be set) are the facts of
//! [`crate::spec`]. The parts follow the four questions that make a container: what its process is, what it sees,
//! what it may use, what its files are, and what it may do. An absent value means that the user left it open; the
//! default is chosen, and told as such by `--explain`, when the runtime specification is composed.

mod capability;
mod container;
mod device;
mod files;
mod health;
mod image;
mod limits;
mod mount;
mod namespace;
mod network;
mod privileges;
mod process;
mod secret;
mod signal;
mod ulimit;
mod units;
mod userns;
mod view;

pub use capability::{Capability, CapabilityChange, CapabilitySet};
pub use container::{ContainerConfig, ContainerName, Foreground, Health, Notify, Ready};
pub use device::{DeviceAccess, DeviceRequest};
pub use files::{FilesConfig, RootAccess};
pub use health::{HealthConfig, OnFailure};
pub use image::{Changes, ImageRef, Pull, Rootfs};
pub use limits::{BlockIo, CgroupUse, CpuTime, DeviceLimit, LimitsConfig, MemorySwap, PidsLimit};
pub use mount::{
    Access, BindMount, ContainerPath, CopyUp, FileFlags, IdmapRequest, Mount, MountSource, Owner, Propagation,
    Recursion, TmpfsMount, VolumeMount, VolumesFrom,
};
pub use namespace::{CgroupNamespace, IpcNamespace, NamespaceMode};
pub use network::{
    DnsOption, DomainName, HostEntry, HostName, Joined, Mac, NetworkMode, PortRequest, Protocol, SearchDomains,
};
pub use privileges::{AppArmor, PathMasks, Privileges, PrivilegesConfig, SeccompChoice, SelinuxLabel};
pub use process::{EnvVar, IdOrName, ProcessConfig, StdinMode, TerminalMode, Umask, Unset, UserSpec};
pub use secret::{SecretPlace, SecretRequest};
pub use signal::Signal;
pub use ulimit::{Resource, Ulimit};
pub use units::{Bytes, CpuSet, Cpus};
pub use userns::UsernsMode;
pub use view::ViewConfig;

pub use monitor::Policy;
pub use monitor::log::{Config as LogConfig, Driver as LogDriver};
