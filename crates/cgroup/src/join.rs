//! How a process gets into a cgroup.
//!
//! A v1 hierarchy is entered by the process itself, while it has one thread, writing `0` to `tasks`: writing a pid to
//! `cgroup.procs` instead waits for a grace period of the whole machine, eight times over (35 ms at the 99th percentile
//! against 1 ms). Into v2 a process is best born, by CLONE_INTO_CGROUP, which takes no lock at all.

use crate::group::Branch;
use crate::mountinfo::{below, memberships};
use crate::{Cgroup, Error, Hierarchy, Layout, Result, Version, file};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::os::fd::OwnedFd;

/// How the v2 directory is to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinBy {
    /// By clone3(2) with CLONE_INTO_CGROUP (Linux 5.7).
    Clone,
    /// By writing to `cgroup.procs`, as in v1.
    Write,
}

/// Open ends of a cgroup, for a process that is to be in it.
#[derive(Debug)]
pub struct Join {
    /// The process, still single-threaded, writes `0` to each. The permission was checked when they were opened, so a
    /// process that has given up its privileges may do it.
    pub files: Vec<OwnedFd>,
    /// For clone3(2)'s `cgroup` field.
    pub directory: Option<OwnedFd>,
}

impl Cgroup {
    /// This cgroup for what joins a running container: v2 lets nobody into a cgroup that hands controllers down (a systemd
    /// in the container makes it one), and then it is that below to which one of its processes has moved on. Never leads
    /// out of this cgroup.
    pub fn follow(&self, layout: &Layout, pid: u32) -> Result<Self> {
        let text = file::read(&format!("/proc/{pid}/cgroup")).map_err(Error::Read)?;
        let actual = |branch: &Branch| {
            let same = |hierarchy: &&Hierarchy| hierarchy.version == branch.version && branch.is_of(&hierarchy.key);
            let hierarchy = layout.hierarchies().iter().find(same)?;
            let membership = memberships(&text).find(|m| m.version == branch.version && branch.is_of(m.key))?;
            let path = format!("{}/{}", hierarchy.mount, below(&hierarchy.root, membership.own)?);
            below(&branch.path, &path).filter(|inner| !inner.is_empty())?;
            let moved = Branch::new(branch.version, &branch.key, path);
            (branch.version == Version::V1 || is_closed(branch, &moved)).then_some(moved)
        };
        let branches = self.branches.iter().map(|branch| {
            actual(branch).unwrap_or_else(|| Branch::new(branch.version, &branch.key, branch.path.clone()))
        });
        Ok(Self { branches: branches.collect(), denied: self.denied.clone(), ..Self::default() }
            .with_unit(self.unit.clone()))
    }

    /// Makes another process a member.
    pub fn take_in(&self, pid: u32) -> Result<()> {
        for branch in &self.branches {
            file::write(&branch.file("cgroup.procs"), &pid.to_string()).map_err(Error::Change)?;
        }
        Ok(())
    }

    /// Opens what a process needs to enter this cgroup.
    pub fn join(&self, by: JoinBy) -> Result<Join> {
        self.open(by, &[Version::V1, Version::V2])
    }

    /// As [`Cgroup::join`], in the hierarchies of v1, or in that of v2 only.
    pub fn join_in(&self, version: Version, by: JoinBy) -> Result<Join> {
        self.open(by, &[version])
    }

    /// How many hierarchies of v1 it is in.
    pub fn v1_branches(&self) -> usize {
        self.branches.iter().filter(|branch| branch.version == Version::V1).count()
    }

    fn open(&self, by: JoinBy, versions: &[Version]) -> Result<Join> {
        let mut join = Join { files: Vec::with_capacity(self.branches.len()), directory: None };
        for branch in self.branches.iter().filter(|branch| versions.contains(&branch.version)) {
            let (name, flags) = match (branch.version, by) {
                (Version::V1, _) => ("tasks", OFlags::WRONLY),
                (Version::V2, JoinBy::Write) => ("cgroup.procs", OFlags::WRONLY),
                (Version::V2, JoinBy::Clone) => ("", OFlags::PATH | OFlags::DIRECTORY),
            };
            let fd = sys::fs::openat2(CWD, branch.file(name), flags, Mode::empty(), ResolveFlags::empty());
            let fd = fd.map_err(Error::Change)?;
            if name.is_empty() {
                join.directory = Some(fd);
            } else {
                join.files.push(fd);
            }
        }
        Ok(join)
    }
}

/// Whether a cgroup of v2 lets no process in, since one is in `inner` below it (cgroups(7), "no internal processes"): it
/// hands controllers down, and not only to threads of the processes that are in it.
fn is_closed(branch: &Branch, inner: &Branch) -> bool {
    let read = |branch: &Branch, name| file::read(&branch.file(name)).unwrap_or_default();
    !read(branch, "cgroup.subtree_control").trim().is_empty() && read(inner, "cgroup.type").trim() != "threaded"
}
