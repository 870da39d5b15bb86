//! Volumes: directories that outlive the containers that have them mounted.
//!
//! One is made under `tmp/` and there with a rename; so what has its name is whole. Nobody counts who uses it: the
//! containers' records say. Whoever is about to use one first writes that into his container's record, and then takes the
//! volume's lock, or makes the volume; whoever removes one holds its lock alone while he looks through the records.

use crate::container::Container;
use crate::file::{Sync, if_there, names, open_dir, read_record, sync_dir, write_record};
use crate::lease::Flock;
use crate::temporary::{Temporary, lock};
use crate::{ContainerId, Error, Result, Store, VolumeName};
use layer::{Ownership, copy_directory, copy_tree};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where they are.
pub(crate) const VOLUMES: &str = "volumes";
/// The record's name in a volume's directory.
pub(crate) const RECORD: &str = "record.json";
/// What is mounted.
pub(crate) const DATA: &str = "data";
/// A mark in a volume's directory: what an image has for it is not all there yet.
const FILLING: &str = "filling";

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// Nobody has named it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What the driver was asked for: `type`, `o` and `device`, as mount(8) has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Volume {
    /// Something is mounted in the place of its directory.
    pub fn is_mounted(&self) -> bool {
        ["type", "device"].iter().any(|name| self.options.get(*name).is_some_and(|value| !value.is_empty()))
    }

    /// Whose its directory is, as `o=uid=…,gid=…` says, where nothing is mounted there.
    fn owner(&self) -> Option<(u32, u32)> {
        let words = self.options.get("o").filter(|_| !self.is_mounted())?;
        let id = |name: &str| words.split(',').find_map(|word| word.strip_prefix(name)?.parse().ok());
        match (id("uid="), id("gid=")) {
            (None, None) => None,
            (uid, gid) => Some((uid.unwrap_or(0), gid.unwrap_or(0))),
        }
    }
}

/// A volume's directory whose record cannot be used.
#[derive(Debug)]
pub struct BrokenVolume {
    /// Its name.
    pub name: VolumeName,
    /// What is wrong.
    pub error: Box<Error>,
}

/// A volume's directory, open.
#[derive(Debug)]
pub struct VolumeDir {
    /// What is known of it.
    pub volume: Volume,
    dir: OwnedFd,
}

/// Which containers use which volumes, by their names.
#[derive(Debug, Default)]
pub struct VolumeUsers {
    users: BTreeMap<VolumeName, Vec<String>>,
    /// Containers whose records cannot be read: nobody knows what they use.
    unknown: Vec<String>,
}

impl VolumeUsers {
    /// The containers that use it, or that nobody knows not to.
    pub fn of(&self, name: &VolumeName) -> Vec<String> {
        self.users.get(name).into_iter().flatten().chain(&self.unknown).cloned().collect()
    }
}

impl Store {
    /// Makes a volume, unless there is one of that name; tells whether it did.
    pub fn create_volume(&self, volume: &Volume) -> Result<bool> {
        sys::fs::ensure_dir(self.root(), VOLUMES, Mode::RWXU)?;
        let new = Temporary::make(self)?;
        sys::fs::mkdirat(&new, DATA, Mode::RWXU)?;
        sys::fs::fchmodat(new.as_fd(), DATA, Mode::from_raw_mode(0o755))?;
        if let Some((uid, gid)) = volume.owner() {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            sys::fs::fchownat(&new, DATA, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let sync = if volume.anonymous { Sync::Lazy } else { Sync::Durable };
        write_record(new.as_fd(), RECORD, volume, sync)?;
        let volumes = self.dir(VOLUMES)?;
        match new.move_to(volumes.as_fd(), volume.name.as_str()) {
            Err(error) if error.errno == sys::Errno::EXIST => return Ok(false),
            made => made?,
        }
        if sync == Sync::Durable {
            sync_dir(volumes.as_fd())?;
        }
        Ok(true)
    }

    /// A volume that a container's record names already; it is made if it is not there (any more).
    pub fn use_volume(&self, volume: &Volume) -> Result<VolumeDir> {
        loop {
            // Who is about to remove it, and did not see the record, has the lock.
            if let Some(volumes) = self.all()?
                && let Some((dir, _lock)) = lock(volumes.as_fd(), volume.name.as_str())?
            {
                return VolumeDir::read(dir, &volume.name);
            }
            self.create_volume(volume)?;
        }
    }

    /// The volume of this name.
    pub fn volume(&self, name: &VolumeName) -> Result<VolumeDir> {
        match self.dir(&format!("{VOLUMES}/{name}")) {
            Err(error) if error.is_absent() => Err(Error::NoSuchVolume(name.to_string())),
            dir => VolumeDir::read(dir?, name),
        }
    }

    /// All volumes, in the order of their names.
    pub fn volumes(&self) -> Result<Vec<Result<Volume, BrokenVolume>>> {
        let mut found = self.volume_names()?;
        found.sort_unstable();
        let read = |name: VolumeName| match self.volume(&name) {
            Ok(dir) => Some(Ok(dir.volume)),
            Err(Error::NoSuchVolume(_)) => None,
            Err(error) => Some(Err(BrokenVolume { name, error: Box::new(error) })),
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    pub(crate) fn volume_names(&self) -> Result<Vec<VolumeName>> {
        let Some(volumes) = self.all()? else { return Ok(Vec::new()) };
        Ok(names(volumes.as_fd())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Their directory; a store without volumes has none.
    fn all(&self) -> Result<Option<OwnedFd>> {
        if_there(self.dir(VOLUMES))
    }

    /// Which containers use which volumes; `but` is left out.
    pub fn volume_users(&self, but: Option<&ContainerId>) -> Result<VolumeUsers> {
        let mut found = VolumeUsers::default();
        for container in self.containers::<IgnoredAny>()? {
            match container {
                Ok(Container { id, .. }) if Some(&id) == but => {}
                Ok(Container { name, volumes, .. }) => {
                    for volume in volumes {
                        found.users.entry(volume).or_default().push(name.to_string());
                    }
                }
                Err(broken) if Some(&broken.id) == but => {}
                Err(broken) => found.unknown.push(broken.id.short().to_owned()),
            }
        }
        Ok(found)
    }

    /// Removes a volume that no container uses, but for one that is about to go itself.
    pub fn remove_volume(&self, name: &VolumeName, but: Option<&ContainerId>) -> Result<()> {
        let absent = || Error::NoSuchVolume(name.to_string());
        let volumes = self.all()?.ok_or_else(absent)?;
        let Some((_dir, _lock)) = lock(volumes.as_fd(), name.as_str())? else { return Err(absent()) };
        let containers = self.volume_users(but)?.of(name);
        if !containers.is_empty() {
            return Err(Error::VolumeInUse { volume: name.to_string(), containers });
        }
        let rubbish = self.throw_away(volumes.as_fd(), name.as_str())?;
        Ok(layer::remove_tree(self.dir("trash")?, &*rubbish)?)
    }

    /// Removes those of a container's volumes that no other container uses.
    pub(crate) fn remove_own_volumes(&self, names: &[VolumeName], but: &ContainerId) -> Result<()> {
        for name in names {
            match self.remove_volume(name, Some(but)) {
                Err(Error::NoSuchVolume(_) | Error::VolumeInUse { .. }) => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Puts into a volume, if it is empty, what is in `from`, which lies on any file system. Its directory becomes like
    /// `from`, too. Whoever is killed meanwhile leaves a mark, and the next one goes on.
    pub fn fill_volume(&self, volume: &VolumeDir, from: impl AsFd, ownership: Ownership<'_>) -> Result<()> {
        let _lock = Flock::exclusive(open_dir(&volume.dir, ".")?)?;
        let data = volume.data()?;
        let is_marked =
            rustix::fs::accessat(&volume.dir, FILLING, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok();
        if !is_marked && !names(data.as_fd())?.is_empty() {
            return Ok(());
        }
        // Made apart first: what has its name in the volume is whole, and what is there already stays.
        let copy = Temporary::make(self)?;
        sys::fs::mkdirat(&copy, DATA, Mode::RWXU)?;
        let made = open_dir(&copy, DATA)?;
        let failed = |source| Error::Fill { volume: volume.volume.name.to_string(), source };
        copy_tree(&from, &made, ownership).map_err(failed)?;
        let all = sys::fs::sorted_names(&made).map_err(Error::errno("cannot list what was copied"))?;
        sys::fs::open_beneath(&volume.dir, FILLING, OFlags::WRONLY | OFlags::CREATE, Mode::RUSR | Mode::WUSR)?;
        for name in all {
            match sys::fs::renameat(&made, &*name, &data, &*name, RenameFlags::NOREPLACE) {
                Err(error) if error.errno == sys::Errno::EXIST => {}
                moved => moved?,
            }
        }
        copy_directory(&from, &data, ownership).map_err(failed)?;
        Ok(sys::fs::unlinkat(&volume.dir, FILLING, AtFlags::empty())?)
    }
}

impl VolumeDir {
    fn read(dir: OwnedFd, name: &VolumeName) -> Result<Self> {
        let volume = read_record(&dir, RECORD)?.ok_or_else(|| Error::NoSuchVolume(name.to_string()))?;
        Ok(Self { volume, dir })
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(names(self.data()?.as_fd())?.is_empty())
    }

    /// What is in it.
    pub fn data(&self) -> Result<OwnedFd> {
        open_dir(&self.dir, DATA)
    }
}

/// Where the files of a volume of the store at `root` lie.
pub fn volume_path(root: &Path, name: &VolumeName) -> PathBuf {
    root.join(VOLUMES).join(name.as_str()).join(DATA)
}

/// Its directory, which also has its lock.
impl AsFd for VolumeDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
