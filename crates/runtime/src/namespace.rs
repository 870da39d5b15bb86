//! Namespaces: which are new, which are joined, and what the spec may not ask for.

use crate::error::{Error, Result};
use oci::runtime::{IdMapping, Linux, NamespaceKind, Spec};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use sys::process::namespace as flag;

/// The namespaces of a container, ready to be made.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Flags of the new ones.
    pub new: u64,
    /// The joined ones, opened, in the order in which they must be joined.
    pub joined: Vec<(NamespaceKind, OwnedFd)>,
    /// Kinds of the joined ones whose fds the plan has taken.
    pub joined_kinds: Vec<NamespaceKind>,
    /// The maps of a joined user namespace: uids and gids.
    pub joined_maps: (Vec<IdMapping>, Vec<IdMapping>),
}

impl Namespaces {
    /// Reads them from the spec and opens those that are joined by path.
    pub fn open(spec: &Spec) -> Result<Self> {
        let mut namespaces = Self::default();
        let (mut seen, mut ours) = (0, 0);
        // Without a Linux part there is no mount namespace either: that must not pass unseen, or the pivot is the host's.
        let default = Linux::default();
        let linux = spec.linux.as_ref().unwrap_or(&default);
        for namespace in &linux.namespaces {
            let bit = flag_of(namespace.kind);
            if seen & bit != 0 {
                return Err(Error::spec(format!("namespace {} stands twice", name(namespace.kind))));
            }
            seen |= bit;
            match namespace.path.as_deref().filter(|path| !path.is_empty()) {
                None => namespaces.new |= bit,
                Some(path) => {
                    let fd = sys::fs::open(path, OFlags::RDONLY, Mode::empty())
                        .map_err(|source| Error::namespace(namespace.kind, source))?;
                    check_kind(namespace.kind, path, &fd)?;
                    let kept = matches!(namespace.kind, NamespaceKind::Mount | NamespaceKind::User);
                    if !kept && is_ours(namespace.kind, &fd) {
                        ours |= bit;
                        continue;
                    }
                    if namespace.kind == NamespaceKind::User {
                        namespaces.joined_maps = crate::idmap::of(&fd)?;
                    }
                    namespaces.joined.push((namespace.kind, fd));
                }
            }
        }
        // A path to the caller's own is no other than none: it keeps nothing from the host.
        check(spec, linux, seen & !ours, &namespaces)?;
        Ok(namespaces)
    }

    /// The container has a namespace of this kind that is not the host's.
    pub fn has(&self, kind: NamespaceKind) -> bool {
        self.is_new(kind) || self.joined_kinds.contains(&kind)
    }

    /// The container lives among the mounts of somebody else.
    pub fn joins_mounts(&self) -> bool {
        self.joined_kinds.contains(&NamespaceKind::Mount)
    }

    /// The container's namespace of this kind is a new one.
    pub fn is_new(&self, kind: NamespaceKind) -> bool {
        self.new & flag_of(kind) != 0
    }
}

/// What must not be asked for without the namespace that it belongs to.
fn check(spec: &Spec, linux: &Linux, seen: u64, namespaces: &Namespaces) -> Result<()> {
    let has = |kind| seen & flag_of(kind) != 0;
    if spec.hostname.is_some() && !has(NamespaceKind::Uts) {
        return Err(Error::spec("hostname needs a uts namespace: without one it would be the host's"));
    }
    if spec.domainname.is_some() && !has(NamespaceKind::Uts) {
        return Err(Error::spec("domainname needs a uts namespace: without one it would be the host's"));
    }
    if !linux.time_offsets.is_empty() && !namespaces.is_new(NamespaceKind::Time) {
        return Err(Error::spec("timeOffsets needs a new time namespace"));
    }
    if !has(NamespaceKind::Mount) {
        return Err(Error::spec("a container without a mount namespace would change the host's mounts"));
    }
    let (uids, gids) = (!linux.uid_mappings.is_empty(), !linux.gid_mappings.is_empty());
    if uids != gids {
        return Err(Error::spec("uidMappings and gidMappings come together"));
    }
    if uids && !has(NamespaceKind::User) {
        return Err(Error::spec("uidMappings needs a user namespace: without one its ids are the host's"));
    }
    Ok(())
}

/// A path may hold any namespace: `NS_GET_NSTYPE` says which.
fn check_kind(kind: NamespaceKind, path: &str, fd: &OwnedFd) -> Result<()> {
    let found = sys::process::namespace_type(fd).map_err(|source| Error::namespace(kind, source))?;
    if found == flag_of(kind) {
        return Ok(());
    }
    Err(Error::spec(format!("{path} is no {} namespace", name(kind))))
}

/// Is it the one that we are in?
fn is_ours(kind: NamespaceKind, fd: &OwnedFd) -> bool {
    let ours = rustix::fs::stat(format!("/proc/self/ns/{}", file(kind)));
    ours.is_ok_and(|ours| rustix::fs::fstat(fd).is_ok_and(|it| (it.st_dev, it.st_ino) == (ours.st_dev, ours.st_ino)))
}

/// All kinds.
pub const ALL: [NamespaceKind; 8] = [
    NamespaceKind::User,
    NamespaceKind::Pid,
    NamespaceKind::Mount,
    NamespaceKind::Network,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Cgroup,
    NamespaceKind::Time,
];

/// The clone flag of a kind.
pub fn flag_of(kind: NamespaceKind) -> u64 {
    match kind {
        NamespaceKind::Pid => flag::PID,
        NamespaceKind::Network => flag::NET,
        NamespaceKind::Mount => flag::MOUNT,
        NamespaceKind::Ipc => flag::IPC,
        NamespaceKind::Uts => flag::UTS,
        NamespaceKind::User => flag::USER,
        NamespaceKind::Cgroup => flag::CGROUP,
        NamespaceKind::Time => flag::TIME,
    }
}

/// The name of a kind in `/proc/PID/ns`.
pub fn file(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Network => "net",
        NamespaceKind::Mount => "mnt",
        other => name(other),
    }
}

/// The specification's name of a kind.
pub fn name(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "network",
        NamespaceKind::Mount => "mount",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    }
}
