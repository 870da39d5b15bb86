//! Making a cgroup's directories.
//!
//! The common case is one mkdir(2) a hierarchy: parents are made only after ENOENT, and v2's controllers are enabled
//! only where they are not. A hierarchy that refuses us (an ordinary user, a read-only /sys/fs/cgroup) is no error: its
//! controllers are noted as denied, and only asking for a limit of theirs fails.

use crate::enable;
use crate::error::refused;
use crate::group::Branch;
use crate::{Cgroup, CgroupPath, Controller, Denied, Error, Hierarchy, Layout, Result, Version, file};
use rustix::fs::{AtFlags, CWD, Mode};
use rustix::io::Errno;

/// How often a parent may vanish under our hands (another container's removal) before we give up.
const RACES: u32 = 16;

/// Whose directories they are that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tenure {
    /// Nobody's: they are made, or found empty.
    Ours,
    /// Made for us by somebody, with something of ours in them.
    Given,
}

impl Cgroup {
    /// Makes the cgroup `path` in every hierarchy that a container joins. An existing one is taken if nothing is in it.
    ///
    /// # Errors
    /// It is in use or frozen, or a directory cannot be made for another reason than missing permission. What was made
    /// until then is removed again.
    pub fn create(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        Self::grown(layout, path, Tenure::Ours)
    }

    /// Takes up the cgroup `path` that systemd has made for us, where something of ours is in it, and makes it in the
    /// hierarchies that systemd has no part in.
    pub(crate) fn adopt(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        Self::grown(layout, path, Tenure::Given)
    }

    /// Makes the cgroup `path` in the v2 hierarchy, where a process has to be born in it, and says where it is going to be
    /// in those of v1: [`Cgroup::completed`] makes it there. In between its process can be born and busy, for most of the
    /// work of eight hierarchies is waiting for the kernel.
    ///
    /// # Errors
    /// As for [`Cgroup::create`].
    pub fn reserve(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        let mut cgroup = Self::planned(layout, path)?;
        cgroup.branches.retain(|branch| branch.version == Version::V1);
        let unified = layout.joined().filter(|hierarchy| hierarchy.version == Version::V2);
        cgroup.grow_in(unified, path, Tenure::Ours)?;
        Ok(cgroup)
    }

    /// Makes a cgroup that was reserved in the hierarchies of v1, too; the whole of it.
    ///
    /// # Errors
    /// As for [`Cgroup::create`]; what was made stays, for [`Cgroup::remove`].
    pub fn completed(&self, layout: &Layout, path: &CgroupPath) -> Result<Self> {
        let mut whole = Self { denied: self.denied.clone(), ..Self::default() };
        for hierarchy in layout.joined().filter(|hierarchy| hierarchy.version == Version::V1) {
            whole.grow(hierarchy, path, Tenure::Ours, &mut Vec::new())?;
        }
        whole.branches.extend(self.branches.iter().filter(|branch| branch.version == Version::V2).cloned());
        Ok(whole)
    }

    fn grown(layout: &Layout, path: &CgroupPath, tenure: Tenure) -> Result<Self> {
        let mut cgroup = Self::default();
        cgroup.grow_in(layout.joined(), path, tenure)?;
        Ok(cgroup)
    }

    /// Makes the directories in these hierarchies, or none.
    fn grow_in<'a>(
        &mut self,
        mut hierarchies: impl Iterator<Item = &'a Hierarchy>,
        path: &CgroupPath,
        tenure: Tenure,
    ) -> Result<()> {
        let mut made = Vec::new();
        hierarchies.try_for_each(|hierarchy| self.grow(hierarchy, path, tenure, &mut made)).inspect_err(|_| {
            for directory in made.iter().rev() {
                // The first error is the one to tell.
                let _ = sys::fs::unlinkat(CWD, directory.as_str(), AtFlags::REMOVEDIR);
            }
        })
    }

    /// Where [`Cgroup::create`] is going to make it, as [`Cgroup::paths`] tells it: for whoever writes down what is to be
    /// removed before it exists.
    ///
    /// # Errors
    /// The path leads out of the part of a hierarchy that we see.
    pub fn planned(layout: &Layout, path: &CgroupPath) -> Result<Self> {
        let branch = |hierarchy: &Hierarchy| {
            let directory = format!("{}/{}", hierarchy.mount, hierarchy.inner(path)?);
            Ok(Branch::new(hierarchy.version, &hierarchy.key, directory))
        };
        let branches = layout.joined().map(branch).collect::<Result<_>>()?;
        Ok(Self { branches, ..Self::default() })
    }

    /// Makes the directory in one hierarchy.
    fn grow(&mut self, hierarchy: &Hierarchy, path: &CgroupPath, tenure: Tenure, made: &mut Vec<String>) -> Result<()> {
        let inner = hierarchy.inner(path)?;
        let directory = format!("{}/{inner}", hierarchy.mount);
        let fresh = match make(hierarchy, &directory, made) {
            Ok(fresh) => fresh,
            Err(cause) if refused(cause.errno) => {
                let deny = |controller| Denied { controller, version: hierarchy.version, cause: cause.clone() };
                self.denied.extend(hierarchy.controllers.iter().map(deny));
                if hierarchy.version == Version::V2 && hierarchy.key.is_empty() {
                    self.denied.extend([Controller::Devices, Controller::Freezer].map(deny));
                }
                return Ok(());
            }
            Err(source) => return Err(Error::Create { path: directory, source }),
        };
        let mut branch = Branch::new(hierarchy.version, &hierarchy.key, directory);
        // What systemd has attached to its v2 cgroup it keeps, and ours stands beside it.
        branch.unruled.set(fresh || tenure == Tenure::Given && hierarchy.version == Version::V2);
        if !fresh && tenure == Tenure::Ours {
            vacant(&branch)?;
        }
        if hierarchy.version == Version::V2 {
            let enabled = enable::controllers(hierarchy, &inner, &mut self.denied)?;
            branch = branch.with_controllers(enabled);
            enterable(&branch, &self.denied)?;
        }
        self.branches.push(branch);
        Ok(())
    }
}

/// Refuses a cgroup in a threaded subtree: only a thread of a process there could enter it.
fn enterable(branch: &Branch, denied: &[Denied]) -> Result<()> {
    let threaded = denied.iter().any(|denied| denied.cause.errno == Errno::OPNOTSUPP);
    if threaded && branch.read("cgroup.type")?.trim() == "domain invalid" {
        let problem = "lies below a threaded cgroup, and no process can be started there: choose another";
        return Err(Error::Path { path: branch.path.clone(), problem });
    }
    Ok(())
}

/// mkdir -p; tells whether the last directory is new. New ones are added to `made`, parents first.
fn make(hierarchy: &Hierarchy, directory: &str, made: &mut Vec<String>) -> sys::Result<bool> {
    let mut races = 0;
    loop {
        match make_one(hierarchy, directory, made) {
            Err(error) if error.errno == Errno::NOENT && races < RACES => races += 1,
            other => return other,
        }
        let mount = hierarchy.mount.len() + 1;
        for (at, _) in directory.match_indices('/').filter(|&(at, _)| at > mount) {
            match make_one(hierarchy, &directory[..at], made) {
                // Its own parent was removed in between: begin again.
                Err(error) if error.errno == Errno::NOENT => break,
                other => other?,
            };
        }
    }
}

fn make_one(hierarchy: &Hierarchy, directory: &str, made: &mut Vec<String>) -> sys::Result<bool> {
    let fresh = sys::fs::ensure_dir(CWD, directory, Mode::from_raw_mode(0o755))?;
    if fresh {
        made.push(directory.to_owned());
        if hierarchy.version == Version::V1 && hierarchy.controllers.contains(Controller::Cpuset) {
            inherit_cpuset(hierarchy, directory)?;
        }
    }
    Ok(fresh)
}

/// A new v1 cpuset has no CPU and no memory node, and nothing can enter it: give it its parent's.
fn inherit_cpuset(hierarchy: &Hierarchy, directory: &str) -> sys::Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        // A `noprefix` mount has the bare names.
        match inherit(&hierarchy.mount, directory, name) {
            Err(error) if error.errno == Errno::NOENT => {
                inherit(&hierarchy.mount, directory, name.trim_start_matches("cpuset."))?;
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// Fills `name` from the nearest cgroup above that has a value, on the way down; tells the value.
fn inherit(mount: &str, directory: &str, name: &str) -> sys::Result<String> {
    let parent = directory.rsplit_once('/').map_or(mount, |(parent, _)| parent);
    let mut value = file::read(&format!("{parent}/{name}"))?;
    if value.trim().is_empty() && parent.len() > mount.len() {
        value = inherit(mount, parent, name)?;
    }
    file::write(&format!("{directory}/{name}"), value.trim())?;
    Ok(value)
}

/// Refuses a cgroup that somebody else uses.
pub(crate) fn vacant(branch: &Branch) -> Result<()> {
    let path = || branch.path.clone();
    // A v2 threaded cgroup answers EOPNOTSUPP; what is populated shows below.
    let procs = match file::read(&branch.file("cgroup.procs")) {
        Err(error) if error.errno == Errno::OPNOTSUPP => String::new(),
        other => other.map_err(Error::Read)?,
    };
    if let Some(pid) = procs.lines().next() {
        return Err(Error::Occupied { path: path(), pid: pid.parse().unwrap_or(0) });
    }
    let frozen = match branch.version {
        Version::V1 if branch.controllers().contains(Controller::Freezer) => {
            file::read_optional(&branch.file("freezer.state"))?.is_some_and(|state| state.trim() != "THAWED")
        }
        Version::V1 => false,
        Version::V2 => {
            let events = branch.read("cgroup.events")?;
            if file::keyed(&events, "populated") == Some(1) {
                return Err(Error::Occupied { path: path(), pid: 0 });
            }
            file::read_optional(&branch.file("cgroup.freeze"))?.is_some_and(|state| state.trim() == "1")
        }
    };
    if frozen { Err(Error::Frozen { path: path() }) } else { Ok(()) }
}
