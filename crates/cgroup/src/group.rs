//! A container's cgroup: one directory in each hierarchy that matters.

use crate::systemd::{Occupant, Unit};
use crate::{Controller, Controllers, Denied, Error, Result, Version, file};
use rustix::io::Errno;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::fmt;

/// A container's cgroup. It can be written down by [`Cgroup::paths`] and read back by [`Cgroup::from_paths`].
#[derive(Default)]
pub struct Cgroup {
    pub(crate) branches: Vec<Branch>,
    pub(crate) denied: Vec<Denied>,
    /// Who made it, if it was systemd.
    pub(crate) unit: Option<Unit>,
    /// What keeps a new unit alive.
    pub(crate) occupant: Cell<Option<Occupant>>,
}

impl fmt::Debug for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branches, denied, unit, .. } = self;
        f.debug_struct("Cgroup").field("branches", branches).field("denied", denied).field("unit", unit).finish()
    }
}

/// The cgroup's directory in one hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub version: Version,
    /// As in `/proc/self/cgroup`.
    pub key: String,
    /// Full path.
    pub path: String,
    /// Made just now, and no device rules put in force yet: then there is nothing to look for and to replace.
    pub unruled: Cell<bool>,
    /// v1: from the key; v2: what the directory offers, read when first needed.
    controllers: OnceCell<Controllers>,
}

impl Branch {
    pub fn new(version: Version, key: &str, path: String) -> Self {
        let controllers = OnceCell::new();
        if version == Version::V1 {
            let _ = controllers.set(crate::mountinfo::v1_controllers(key));
        }
        Self { version, key: key.to_owned(), path, unruled: Cell::new(false), controllers }
    }

    pub fn with_controllers(self, controllers: Controllers) -> Self {
        let _ = self.controllers.set(controllers);
        self
    }

    /// The controllers that this directory has files of.
    pub fn controllers(&self) -> Controllers {
        *self.controllers.get_or_init(|| {
            let text = file::read(&self.file("cgroup.controllers")).unwrap_or_default();
            Controllers::parse(&text, ' ', Version::V2)
        })
    }

    /// Is this the hierarchy that `/proc/self/cgroup` calls `key`? A cgroup that was written down and read back may name
    /// the controllers in another order.
    pub fn is_of(&self, key: &str) -> bool {
        self.key.len() == key.len() && self.key.split(',').all(|name| key.split(',').any(|other| name == other))
    }

    /// Full path of a file in it.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Reads a file that must be there.
    pub fn read(&self, name: &str) -> Result<String> {
        file::read(&self.file(name)).map_err(Error::Read)
    }

    /// Writes a control file.
    pub fn write(&self, controller: Controller, name: &str, value: &str) -> Result<()> {
        let path = self.file(name);
        let mut result = file::write(&path, value);
        // A `noprefix` mount (the old cpuset file system) has `cpus` for `cpuset.cpus`.
        if let (Version::V1, Err(error), Some((_, bare))) = (self.version, &result, name.split_once('.'))
            && error.errno == Errno::NOENT
            && file::write(&self.file(bare), value).is_ok()
        {
            result = Ok(());
        }
        result.map_err(|source| file::explain(Some(controller), &path, value, source))
    }
}

impl Cgroup {
    /// Re-opens a cgroup from [`Cgroup::paths`]. Touches nothing; a directory that has gone shows when it is used.
    pub fn from_paths(paths: &BTreeMap<String, String>) -> Self {
        let mut branches: Vec<Branch> = Vec::new();
        for (key, path) in paths {
            let version = if key.is_empty() { Version::V2 } else { Version::V1 };
            // runc's state names co-mounted controllers one by one, with one path.
            if let Some(twin) = branches.iter_mut().find(|b| b.version == Version::V1 && b.path == *path) {
                *twin = Branch::new(Version::V1, &format!("{},{key}", twin.key), path.clone());
                continue;
            }
            branches.push(Branch::new(version, key, path.clone()));
        }
        // v2 last, as in a layout.
        branches.sort_by_key(|branch| branch.version == Version::V2);
        Self { branches, ..Self::default() }
    }

    /// The directories, by controller name (v1; co-mounted controllers each with the same path), `name=systemd`, and
    /// `""` for v2. This is the shape of runc's `cgroup_paths`.
    pub fn paths(&self) -> BTreeMap<String, String> {
        let mut paths = BTreeMap::new();
        for branch in &self.branches {
            for name in branch.key.split(',') {
                paths.insert(name.to_owned(), branch.path.clone());
            }
        }
        paths
    }

    /// Is there no directory at all? Then nothing is limited, counted, frozen or killed through it.
    pub fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    /// The controllers that this cgroup could not get, with the reason. Only [`Cgroup::create`] fills it.
    pub fn denied(&self) -> &[Denied] {
        &self.denied
    }

    /// The v2 directory, if there is one.
    pub(crate) fn unified(&self) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.version == Version::V2)
    }

    /// The directory that has a controller's files.
    pub(crate) fn find(&self, controller: Controller) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.controllers().contains(controller))
    }

    /// The directory in which a limit of `controller` is set, or why there is none. `field` is the specification's word
    /// for what was asked.
    pub(crate) fn need(&self, controller: Controller, field: &str) -> Result<&Branch> {
        if let Some(branch) = self.find(controller) {
            return Ok(branch);
        }
        if let Some(denied) = self.denied.iter().find(|denied| denied.controller == controller) {
            let (remedy, source) = (denied.remedy(), denied.cause.clone());
            return Err(Error::Denied { controller, field: field.to_owned(), remedy, source });
        }
        Err(Error::Missing { controller, field: field.to_owned(), reason: absence(controller, self.is_empty()) })
    }
}

/// Why a controller is in no hierarchy of ours, from `/proc/cgroups`.
fn absence(controller: Controller, no_cgroup: bool) -> String {
    let table = file::read("/proc/cgroups").unwrap_or_default();
    let name = controller.name(Version::V1);
    let row = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    match row.into_iter().find(|fields| fields.first() == Some(&name)).as_deref() {
        // On 32-bit and some distributions' kernels memory is off until it is asked for.
        Some([_, _, _, "0"]) => format!("the {name} controller is off: boot with cgroup_enable={name}"),
        Some(_) if no_cgroup => "this container has no cgroup: no hierarchy that it could write was found".to_owned(),
        Some([_, "0", ..]) if matches!(controller, Controller::NetCls | Controller::NetPrio) => {
            format!("the {name} controller is mounted nowhere (it exists in cgroup v1 only): mount -t cgroup -o {name}")
        }
        Some(_) => format!("the {name} controller is not enabled for this cgroup"),
        None => format!("this kernel has no {name} controller"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_survives_being_written_down() {
        let cgroup = Cgroup {
            branches: vec![
                Branch::new(Version::V1, "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/x".to_owned()),
                Branch::new(Version::V1, "name=systemd", "/sys/fs/cgroup/systemd/x".to_owned()),
                Branch::new(Version::V2, "", "/sys/fs/cgroup/unified/x".to_owned()),
            ],
            ..Cgroup::default()
        };
        let paths = cgroup.paths();
        assert_eq!(paths.len(), 4, "{paths:?}");
        let again = Cgroup::from_paths(&paths);
        assert_eq!(again.paths(), paths);
        assert_eq!(again.branches.len(), 3, "co-mounted controllers are one directory again");
        assert_eq!(again.find(Controller::Cpuacct).unwrap().path, "/sys/fs/cgroup/cpu,cpuacct/x");
        assert_eq!(again.branches.last().unwrap().version, Version::V2);
    }

    #[test]
    fn a_missing_controller_says_why() {
        let error = Cgroup::default().need(Controller::NetCls, "network.classID").unwrap_err();
        assert!(error.to_string().starts_with("network.classID cannot be set: "), "{error}");
    }
}
