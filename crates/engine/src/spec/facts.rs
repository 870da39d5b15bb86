//! What [`super::compose`] must know of the machine, the image and the container that is being made.

use super::{HostDevice, IdMaps, User};
use crate::config::{CapabilitySet, ContainerPath, CpuSet, Resource};
use oci::runtime::{ConsoleSize, Seccomp};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// All that is looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The container's id: 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// What the image says; for `host:` and `--rootfs`, what the engine lets them say.
    pub image: ImageDefaults,
    /// Whom the process runs as; from [`super::user::resolve`].
    pub user: User,
    /// The network namespace of the container whose network it shares.
    pub network: Option<PathBuf>,
    /// An ordinary user runs the engine.
    pub rootless: bool,
    /// The container's user namespace. Rootless it is never `Host`.
    pub user_namespace: UserNamespace,
    /// setgroups(2) works inside; it does not when an ordinary user mapped a single id without newgidmap.
    pub setgroups: bool,
    /// The capabilities that can be given: the bounding set of the engine in the container's user namespace, which is
    /// full in a new one.
    pub bounding: CapabilitySet,
    /// Resource limits of the engine itself.
    pub rlimits: HostRlimits,
    /// Which limits a cgroup can set.
    pub controllers: Controllers,
    /// Where the container's cgroup goes, as `linux.cgroupsPath`.
    pub cgroup_path: Option<String>,
    /// CPUs that are online.
    pub cpus: CpuSet,
    /// Memory nodes that are online.
    pub mems: CpuSet,
    /// The host's own name.
    pub host_name: String,
    /// Generated files to bind over the image's.
    pub etc: EtcFiles,
    /// Its secrets.
    pub secrets: Secrets,
    /// An empty directory of the container's own on the host, for overlays over binds; absent when there is none.
    pub scratch: Option<PathBuf>,
    /// What each volume is on the host, by where it appears.
    pub volumes: BTreeMap<ContainerPath, VolumeSource>,
    /// Whose the sources of binds are that are to belong to the container's user (`idmap`), by where they appear.
    pub owners: BTreeMap<ContainerPath, (u32, u32)>,
    /// The host devices that were asked for, from [`super::devices`] or [`super::all_devices`].
    pub devices: Vec<HostDevice>,
    /// The filter for confined containers with these capabilities ([`super::grant`]).
    pub default_filter: Option<seccomp::Filter>,
    /// The filter that the user gave.
    pub custom_seccomp: Option<Seccomp>,
    /// The kernel has POSIX message queues (`mqueue` in `/proc/filesystems`).
    pub mqueue: bool,
    /// The kernel applies AppArmor profiles.
    pub apparmor: bool,
    /// mount_setattr(AT_RECURSIVE) works (Linux 5.12).
    pub recursive_read_only: bool,
    /// Files that tell of other tenants' heat, from [`super::thermal_throttle`].
    pub thermal_throttle: Vec<String>,
    /// Size of the terminal, when there is one.
    pub console_size: Option<ConsoleSize>,
}

/// Secrets as the container is to see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Files to bind.
    pub files: Vec<SecretFile>,
    /// Variables and their values.
    pub variables: Vec<(String, String)>,
}

/// A file with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where it lies.
    pub source: PathBuf,
    /// Where it is seen: absolute path in the container.
    pub destination: String,
}

/// What an image's configuration says (image-spec config.md).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageDefaults {
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// First words.
    pub entrypoint: Vec<String>,
    /// Next words, for which the user's command stands in.
    pub cmd: Vec<String>,
    /// Working directory; empty means `/`.
    pub workdir: String,
    /// `USER[:GROUP]`; empty means root.
    pub user: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Signal that stops it; empty means SIGTERM.
    pub stop_signal: String,
    /// How to see whether it is well.
    pub healthcheck: Option<oci::image::Healthcheck>,
    /// Directories that are meant to hold data: where nothing else is mounted, each gets a volume without a name.
    pub volumes: Vec<String>,
}

/// A volume on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSource {
    /// The directory.
    pub path: PathBuf,
    /// What the driver mounts instead of it: `type`, `o` and `device`.
    pub options: BTreeMap<String, String>,
}

/// The container's user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserNamespace {
    /// The host's.
    Host,
    /// A new one.
    New(IdMaps),
    /// An existing one, whose maps were read from `/proc`.
    Path(PathBuf, IdMaps),
    /// An existing one that the engine itself had to enter, with the ids that there are in it.
    Own(IdMaps),
}

impl UserNamespace {
    /// The ids that two of its own are on the host, if they are there.
    pub fn on_host(&self, uid: u32, gid: u32) -> Option<(u32, u32)> {
        match self.maps() {
            None => Some((uid, gid)),
            Some(maps) => maps.host_uid(uid).zip(maps.host_gid(gid)),
        }
    }

    /// Its maps, if it is not the host's.
    pub fn maps(&self) -> Option<&IdMaps> {
        match self {
            Self::Host => None,
            Self::New(maps) | Self::Path(_, maps) | Self::Own(maps) => Some(maps),
        }
    }
}

/// One resource limit of the engine; `u64::MAX` is RLIM_INFINITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In force.
    pub soft: u64,
    /// Ceiling.
    pub hard: u64,
}

/// Resource limits of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRlimits {
    /// In the kernel's order, [`Resource::ALL`].
    pub limits: [Limit; 16],
    /// CAP_SYS_RESOURCE in the initial user namespace: ceilings can be raised.
    pub may_raise: bool,
}

impl HostRlimits {
    /// The limit of one resource.
    pub fn get(&self, resource: Resource) -> Limit {
        self.limits.get(resource as usize).copied().unwrap_or(Limit { soft: u64::MAX, hard: u64::MAX })
    }
}

/// Which limits a cgroup made by this engine can set: the controller is there, and delegated to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controllers {
    /// `memory`.
    pub memory: bool,
    /// Swap accounting: `memory.swap.max`, or `memory.memsw.limit_in_bytes`.
    pub swap: bool,
    /// `memory.oom_control` can disable the killer (v1).
    pub oom_control: bool,
    /// `cpu`.
    pub cpu: bool,
    /// `cpuset`.
    pub cpuset: bool,
    /// `pids`.
    pub pids: bool,
    /// `io` or `blkio`.
    pub io: bool,
    /// `memory.swappiness` (v1).
    pub swappiness: bool,
    /// There is nothing but v2.
    pub unified: bool,
    /// `devices` (v1), or the right to load device programs (v2).
    pub devices: bool,
}

/// Host paths of generated files; absent ones are left as the image has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcFiles {
    /// For `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// For `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// For `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// For `/etc/localtime`.
    pub localtime: Option<PathBuf>,
}
