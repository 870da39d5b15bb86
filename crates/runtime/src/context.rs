//! What a start knows of its surroundings: who makes the container, and from where.

use crate::error::{Error, Result};
use crate::label;
use crate::namespace::Namespaces;
use crate::plan::Slot;
use oci::runtime::{IdMapping, Linux, NamespaceKind, Spec};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// The surroundings of a start.
#[derive(Debug)]
pub struct Context<'a> {
    /// The spec's Linux part.
    pub linux: Option<&'a Linux>,
    /// Relative paths of the spec are relative to this.
    pub bundle: &'a Path,
    /// The container's namespaces.
    pub namespaces: &'a Namespaces,
    /// We may copy mounts of our view: `CAP_SYS_ADMIN` over our mount namespace.
    pub copies_mounts: bool,
    /// We may make device nodes: root of the machine.
    pub makes_nodes: bool,
    /// Where the cgroups are.
    pub layout: &'a cgroup::Layout,
    /// Our cgroup on each hierarchy, for a view without a cgroup namespace.
    pub cgroup: Option<&'a cgroup::Cgroup>,
    /// The option by which a mount gets its SELinux label; podman asks for another one than the usual by an annotation of
    /// crun's.
    pub label: &'a str,
    root: RefCell<Vec<Slot>>,
}

impl<'a> Context<'a> {
    /// Looks around.
    pub fn new(
        spec: &'a Spec,
        bundle: &'a Path,
        namespaces: &'a Namespaces,
        layout: &'a cgroup::Layout,
        cgroup: Option<&'a cgroup::Cgroup>,
    ) -> Self {
        let linux = spec.linux.as_ref();
        let able = has_sys_admin();
        let makes_nodes = able && first_user_namespace();
        let copies_mounts = makes_nodes || able && own_mount_namespace();
        Self {
            linux,
            bundle,
            namespaces,
            copies_mounts,
            makes_nodes,
            layout,
            cgroup,
            label: label::option(spec),
            root: RefCell::default(),
        }
    }

    /// A path of the spec, absolute.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.bundle.join(path)
    }

    /// Nodes are bound from the host's, for mknod(2) would be refused: here, or in the container's user namespace.
    pub fn binds_nodes(&self) -> bool {
        !self.makes_nodes || self.namespaces.has(NamespaceKind::User)
    }

    /// The id maps of the container's user namespace; empty without one.
    pub fn mappings(&self) -> (&'a [IdMapping], &'a [IdMapping]) {
        match self.linux.filter(|_| self.namespaces.is_new(NamespaceKind::User)) {
            Some(linux) => (&linux.uid_mappings, &linux.gid_mappings),
            None => (&self.namespaces.joined_maps.0, &self.namespaces.joined_maps.1),
        }
    }

    /// The host's id of a container's id; the id itself without a map, and where the map has a hole.
    pub fn outside(map: &[IdMapping], id: u32) -> u32 {
        map.iter()
            .find(|range| (range.container_id..range.container_id.saturating_add(range.size)).contains(&id))
            .map_or(id, |range| range.host_id + (id - range.container_id))
    }

    /// The container knows this group (a number as text).
    pub fn maps_group(&self, gid: &str) -> bool {
        let (_, map) = self.mappings();
        let Ok(gid) = gid.parse::<u32>() else { return true };
        map.is_empty()
            || map
                .iter()
                .any(|range| (range.container_id..range.container_id.saturating_add(range.size)).contains(&gid))
    }

    /// Notes a mount that the root is made of, for what happens to it at the end.
    pub fn remember_root(&self, slot: Slot) {
        self.root.borrow_mut().push(slot);
    }

    /// The mounts that the root is made of.
    pub fn root(&self) -> Vec<Slot> {
        self.root.borrow().clone()
    }
}

/// We are root of the machine, not only of a user namespace.
pub fn is_root() -> bool {
    has_sys_admin() && first_user_namespace()
}

/// `CAP_SYS_ADMIN` in our user namespace.
pub fn has_sys_admin() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Our mount namespace belongs to our user namespace, as it does after both were made together.
fn own_mount_namespace() -> bool {
    let ours = || rustix::fs::stat("/proc/self/ns/user").ok().map(|stat| stat.st_ino);
    let mounts = sys::fs::open("/proc/self/ns/mnt", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    let owner = mounts.and_then(sys::process::namespace_owner).ok();
    let owner = owner.and_then(|fd| rustix::fs::fstat(fd).ok()).map(|stat| stat.st_ino);
    owner.is_some() && owner == ours()
}

/// The map of the first user namespace is the identity over all ids.
fn first_user_namespace() -> bool {
    let map = std::fs::read("/proc/self/uid_map").unwrap_or_default();
    let mut numbers = map.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let whole = [b"0".as_slice(), b"0", b"4294967295"];
    whole.iter().all(|part| numbers.next() == Some(part)) && numbers.next().is_none()
}

/// The host's procfs, checked to be one: every write to /proc goes through this fd (CVE-2019-16884, CVE-2025-52881).
pub fn open_proc() -> Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, fstatfs};
    const PROC_SUPER_MAGIC: i64 = 0x9fa0;
    let system = |source| Error::System { what: "open /proc", source };
    let fd = sys::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map_err(system)?;
    match fstatfs(&fd) {
        Ok(stat) if stat.f_type == PROC_SUPER_MAGIC => Ok(fd),
        _ => Err(Error::spec("/proc of this machine is not procfs: mount it first")),
    }
}
