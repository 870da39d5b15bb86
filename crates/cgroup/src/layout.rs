//! How cgroups are mounted on this machine: which hierarchy owns which controller, and where it is.
//!
//! Finding out stands on the path of every start, so the well-known layouts (systemd's, and those of other init systems)
//! are looked at first: a call or two a hierarchy tell that it stands where its name says, whole. Only what lies
//! elsewhere, or is bound, costs a reading of mountinfo, which is long on a machine with many mounts (a microsecond or
//! two for each).

use crate::mountinfo::{CgroupMount, Membership, below, cgroup_mounts, memberships, v1_controllers};
use crate::{CgroupPath, Controller, Controllers, Error, Result, Version, file};
use rustix::fs::{Access, AtFlags, CWD, Mode as FileMode, OFlags, StatxFlags};
use std::os::fd::OwnedFd;

const ROOT: &str = "/sys/fs/cgroup";
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;
const TMPFS_MAGIC: i64 = 0x0102_1994;
/// The inode of a hierarchy's own root directory; a bound subtree has another.
const ROOT_INODE: u64 = 1;

/// Which kinds of hierarchies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No cgroup file system is mounted.
    None,
    /// Version 1 only.
    V1,
    /// Both; each controller belongs to one of them.
    Hybrid,
    /// Version 2 only.
    V2,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its generation.
    pub version: Version,
    /// As `/proc/self/cgroup` names it: `memory`, `cpu,cpuacct`, `name=systemd`; empty for v2.
    pub key: String,
    /// The controllers that it owns.
    pub controllers: Controllers,
    /// Where it is mounted.
    pub mount: String,
    /// Which directory of the hierarchy is mounted there; `/` but in a container without a cgroup namespace.
    pub root: String,
    /// The cgroup of this process in it.
    pub own: String,
}

/// All hierarchies of this machine, as this process sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// Looks at this machine. No cgroups at all make an empty layout, not an error.
    pub fn detect() -> Result<Self> {
        let own = match file::read("/proc/self/cgroup") {
            Ok(text) => text,
            // A kernel without cgroups, if there is a procfs that can tell.
            Err(error) if error.errno == rustix::io::Errno::NOENT && std::fs::exists("/proc/self").unwrap_or(false) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Error::Layout(error)),
        };
        let hierarchies = if let Some(hierarchies) = well_known(&own) {
            hierarchies
        } else {
            let mounts = cgroup_mounts(&file::read("/proc/self/mountinfo").map_err(Error::Layout)?);
            matched(&own, &mounts, in_sight)
        };
        Self { hierarchies }.with_v2_controllers()
    }

    /// The hierarchies, v1 in the kernel's order, v2 last.
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// The hierarchy that owns a controller.
    pub fn owner(&self, controller: Controller) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.contains(controller))
    }

    /// The v2 hierarchy, with or without controllers.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.version == Version::V2)
    }

    /// Which kinds of hierarchies there are.
    pub fn mode(&self) -> Mode {
        let has = |version| self.hierarchies.iter().any(|hierarchy| hierarchy.version == version);
        match (has(Version::V1), has(Version::V2)) {
            (false, false) => Mode::None,
            (true, false) => Mode::V1,
            (true, true) => Mode::Hybrid,
            (false, true) => Mode::V2,
        }
    }

    /// The hierarchies in which a container gets a directory: v1's controllers and systemd's own hierarchy; v2 where it
    /// owns a controller, or where there is nothing else.
    pub(crate) fn joined(&self) -> impl Iterator<Item = &Hierarchy> {
        let v1 = self.hierarchies.iter().any(|h| h.version == Version::V1 && !h.key.starts_with("name="));
        self.hierarchies.iter().filter(move |hierarchy| match hierarchy.version {
            Version::V1 => !hierarchy.key.starts_with("name=") || hierarchy.key == "name=systemd",
            Version::V2 => !hierarchy.controllers.is_empty() || !v1,
        })
    }

    /// What v2 owns is what v1 does not: the kernel lists it in the top directory.
    fn with_v2_controllers(mut self) -> Result<Self> {
        if let Some(hierarchy) = self.hierarchies.iter_mut().find(|hierarchy| hierarchy.version == Version::V2) {
            let text = file::read(&format!("{}/cgroup.controllers", hierarchy.mount)).map_err(Error::Layout)?;
            hierarchy.controllers = Controllers::parse(&text, ' ', Version::V2);
        }
        Ok(self)
    }
}

impl Hierarchy {
    fn new(membership: &Membership<'_>, mount: String, root: String) -> Self {
        let controllers = match membership.version {
            Version::V1 => v1_controllers(membership.key),
            Version::V2 => Controllers::NONE,
        };
        let (key, own) = (membership.key.to_owned(), membership.own.to_owned());
        Self { version: membership.version, key, controllers, mount, root, own }
    }

    /// This process's cgroup below the mount, without a leading slash.
    ///
    /// # Errors
    /// It lies outside of what is mounted.
    pub fn own_inner(&self) -> Result<&str> {
        below(&self.root, &self.own).ok_or_else(|| Error::Path {
            path: self.own.clone(),
            problem: "is this process's cgroup, and it lies outside of what is mounted: give an absolute cgroup path",
        })
    }

    /// A cgroup's path below the mount, without a leading slash.
    pub(crate) fn inner(&self, path: &CgroupPath) -> Result<String> {
        if path.is_absolute() {
            return Ok(path.as_inner().to_owned());
        }
        let own = self.own_inner()?;
        Ok(if own.is_empty() { path.as_inner().to_owned() } else { format!("{own}/{}", path.as_inner()) })
    }
}

/// The layout if every hierarchy stands, whole, where its name says.
fn well_known(own: &str) -> Option<Vec<Hierarchy>> {
    // One walk to the top, and the rest from there: each walk from `/` crosses three mounts.
    let top = rustix::fs::open(ROOT, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, FileMode::empty()).ok()?;
    // The field's width differs between architectures.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    match rustix::fs::fstatfs(&top).ok()?.f_type as i64 {
        CGROUP2_SUPER_MAGIC => {
            let mut lines = memberships(own);
            let membership = lines.next()?;
            // A v1 hierarchy beside v2 at the top stands who knows where.
            let alone = membership.version == Version::V2 && lines.next().is_none();
            (alone && whole(&top, ".", &membership))
                .then(|| vec![Hierarchy::new(&membership, ROOT.to_owned(), "/".to_owned())])
        }
        TMPFS_MAGIC => {
            let found = memberships(own).map(|membership| {
                let (name, sign) = match membership.version {
                    Version::V1 => (membership.key.trim_start_matches("name="), "tasks"),
                    Version::V2 => ("unified", "cgroup.controllers"),
                };
                let there = rustix::fs::accessat(&top, format!("{name}/{sign}"), Access::EXISTS, AtFlags::empty());
                (there.is_ok() && whole(&top, name, &membership))
                    .then(|| Hierarchy::new(&membership, format!("{ROOT}/{name}"), "/".to_owned()))
            });
            found.collect()
        }
        _ => None,
    }
}

/// Is the hierarchy's own root mounted there, and not a directory of it? Who is in the root (of the hierarchy, or of
/// the cgroup namespace) need not ask.
fn whole(top: &OwnedFd, name: &str, membership: &Membership<'_>) -> bool {
    membership.own == "/"
        || rustix::fs::statx(top, name, AtFlags::empty(), StatxFlags::INO).is_ok_and(|s| s.stx_ino == ROOT_INODE)
}

/// Is this mount what one sees at its mount point, and not hidden by a later one?
fn in_sight(mount: &CgroupMount) -> bool {
    rustix::fs::statx(CWD, mount.point.as_str(), AtFlags::empty(), StatxFlags::BASIC_STATS)
        .is_ok_and(|status| (status.stx_dev_major, status.stx_dev_minor) == mount.device)
}

/// Finds for each hierarchy of `/proc/self/cgroup` the best of its mounts: one that shows our own cgroup before one
/// that does not, then the one that shows most, then the first.
fn matched(own: &str, mounts: &[CgroupMount], in_sight: impl Fn(&CgroupMount) -> bool) -> Vec<Hierarchy> {
    let best = |membership: Membership<'_>| {
        let mount = mounts
            .iter()
            .filter(|mount| mount.carries(membership.version, membership.key) && in_sight(mount))
            .min_by_key(|mount| (mount.relative(membership.own).is_none(), mount.root.len()))?;
        Some(Hierarchy::new(&membership, mount.point.clone(), mount.root.clone()))
    };
    memberships(own).filter_map(best).collect()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
