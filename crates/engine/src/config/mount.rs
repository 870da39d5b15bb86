//! Files of the host, volumes and memory that a container gets to see.

use super::{Bytes, Changes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use store::VolumeName;

/// One of `--volume`, `--mount` and `--tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// A file or directory of the host.
    Bind(BindMount),
    /// Memory.
    Tmpfs(TmpfsMount),
    /// A volume.
    Volume(VolumeMount),
}

impl Mount {
    /// Where it appears.
    pub fn destination(&self) -> &ContainerPath {
        match self {
            Self::Bind(bind) => &bind.destination,
            Self::Tmpfs(tmpfs) => &tmpfs.destination,
            Self::Volume(volume) => &volume.destination,
        }
    }

    /// The flag that asked for it, such as `--volume`.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::Bind(BindMount { flag, .. })
            | Self::Tmpfs(TmpfsMount { flag, .. })
            | Self::Volume(VolumeMount { flag, .. }) => flag.name(),
        }
    }
}

/// Which flag a mount came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// `-v`.
    Volume,
    /// `--mount`.
    Mount,
    /// `--tmpfs`.
    Tmpfs,
    /// `--volumes-from`.
    VolumesFrom,
    /// None: the image says so.
    Image,
}

impl MountSource {
    /// Its long name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "--volume",
            Self::Mount => "--mount",
            Self::Tmpfs => "--tmpfs",
            Self::VolumesFrom => "--volumes-from",
            Self::Image => "the image",
        }
    }
}

/// An absolute path in the container without `.`, `..`, doubled or trailing slashes and NUL, and not the root itself.
///
/// This is only its spelling: it is walked by fds below the container's root, where symbolic links of the image
/// cannot lead out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerPath(pub(crate) String);

impl ContainerPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// The flag it came from.
    pub flag: MountSource,
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Where it appears.
    pub destination: ContainerPath,
    /// Whether it can be written.
    pub access: Access,
    /// Whether what is mounted below the source comes along.
    pub recursion: Recursion,
    /// Which later mounts travel; absent means none, in either direction.
    pub propagation: Option<Propagation>,
    /// What files in it can do.
    pub flags: FileFlags,
    /// Whose files they are.
    pub owner: Owner,
    /// What becomes of changes: thrown away with `O`.
    pub changes: Changes,
}

/// Whether a mount can be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// `rw`.
    #[default]
    ReadWrite,
    /// `ro`. As docker has it since version 25: on kernels that can (Linux 5.12), mounts below it are read-only too.
    ReadOnly,
    /// `bind-recursive=writable`: read-only itself, with all below it as it is.
    ReadOnlyTop,
    /// `rro`: read-only with all mounts below, or an error.
    RecursiveReadOnly,
}

/// `rbind` or `bind`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recursion {
    /// With the mounts below the source.
    #[default]
    Recursive,
    /// Without.
    Single,
}

/// How mounts made later travel between the source and the container (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are mount(8)'s")]
pub enum Propagation {
    Shared,
    RShared,
    Slave,
    RSlave,
    Private,
    RPrivate,
    Unbindable,
    RUnbindable,
}

impl Propagation {
    /// The word of mount(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::RShared => "rshared",
            Self::Slave => "slave",
            Self::RSlave => "rslave",
            Self::Private => "private",
            Self::RPrivate => "rprivate",
            Self::Unbindable => "unbindable",
            Self::RUnbindable => "runbindable",
        }
    }

    /// By the word of mount(8).
    pub fn by_word(word: &str) -> Option<Self> {
        use Propagation::{Private, RPrivate, RShared, RSlave, RUnbindable, Shared, Slave, Unbindable};
        [Shared, RShared, Slave, RSlave, Private, RPrivate, Unbindable, RUnbindable]
            .into_iter()
            .find(|propagation| propagation.word() == word)
    }

    /// Mounts of the container reach the host.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::RShared)
    }

    /// Mounts of the host reach the container.
    pub fn is_slave(self) -> bool {
        matches!(self, Self::Slave | Self::RSlave)
    }
}

/// What files of a mount can do; absent means as in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFlags {
    /// Programs can be executed.
    pub exec: Option<bool>,
    /// Set-user-ID bits work.
    pub suid: Option<bool>,
    /// Device nodes work.
    pub dev: Option<bool>,
}

/// Whose files a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// As they are on the host, seen through the container's user namespace.
    Host,
    /// `idmap`: owners are mapped, so that the files are those of whoever runs in the container.
    Idmap(IdmapRequest),
    /// `U`: the files change their owner, on the host, to the container's user.
    Chown,
}

/// `idmap[=…]`: which ids the mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdmapRequest {
    /// As the container's own user namespace maps; without one, whose the source is changes places with the container's
    /// user.
    Container,
    /// `idmap=uids=0-1000-10;gids=…`: ranges as `(on disk, in the mount, how many)`.
    These {
        /// User ids.
        uids: Vec<(u32, u32, u32)>,
        /// Group ids.
        gids: Vec<(u32, u32, u32)>,
    },
}

/// A tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// The flag it came from.
    pub flag: MountSource,
    /// Where it appears.
    pub destination: ContainerPath,
    /// Size; absent means half of the machine's memory, the kernel's default.
    pub size: Option<Bytes>,
    /// Permission bits of its root; absent means 1777, the kernel's default, or those of the directory it covers.
    pub mode: Option<u32>,
    /// Most files it can hold.
    pub inodes: Option<u64>,
    /// Owner of its root, as the container counts.
    pub uid: Option<u32>,
    /// Group of its root.
    pub gid: Option<u32>,
    /// Whether it can be written; `RecursiveReadOnly` does not occur.
    pub access: Access,
    /// What files in it can do; absent means exec, nosuid, nodev.
    pub flags: FileFlags,
    /// Access times are not kept.
    pub noatime: bool,
    /// Its pages stay in memory (Linux 6.4).
    pub noswap: bool,
    /// What it starts with.
    pub copy_up: CopyUp,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// The flag it came from.
    pub flag: MountSource,
    /// Its name; one without gets one when the container is made.
    pub name: Option<VolumeName>,
    /// Nobody has named it.
    pub anonymous: bool,
    /// Where it appears.
    pub destination: ContainerPath,
    /// The directory in it that is mounted, instead of all of it.
    pub subpath: Option<String>,
    /// Whether it can be written.
    pub access: Access,
    /// Which later mounts travel; absent means none, in either direction.
    pub propagation: Option<Propagation>,
    /// What files in it can do.
    pub flags: FileFlags,
    /// Whose files they are.
    pub owner: Owner,
    /// What it starts with, if it is empty.
    pub copy_up: CopyUp,
    /// Labels that it gets when it is made.
    pub labels: BTreeMap<String, String>,
    /// Options of its driver that it gets when it is made.
    pub options: BTreeMap<String, String>,
}

/// `--volumes-from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// The container that has them.
    pub container: String,
    /// Whether they can be written; nothing said means as in that container.
    pub access: Option<Access>,
}

/// What a tmpfs or a volume over a directory of the image starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyUp {
    /// The files of the directory it covers; a tmpfs as podman has it.
    #[default]
    Copy,
    /// Nothing.
    Empty,
}
