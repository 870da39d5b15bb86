//! Containers on disk: a directory each, with one record and the overlay's writable part.
//!
//! There is no list of containers beside the directory itself, and no lock over all of them. A name is a symbolic link
//! whose text is the id: making one is atomic and fails when the name is taken. The directory exists, locked, before
//! the name does, so that a name without a directory is always a leaving.

use crate::file::{
    LARGEST_RECORD, Sync, if_there, names, open_file, read_limited, read_record, sync_dir, write_record, write_whole,
};
use crate::layers::{LayerId, RootMeta};
use crate::lease::Flock;
use crate::name::random_hex;
use crate::sweep::{Holder, holder};
use crate::temporary::lock;
use crate::{ContainerId, ContainerName, Error, Lease, Result, Store, VolumeName};
use oci::image::ImageId;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// So many containers are read by several threads.
const MANY: usize = 100;

/// The record's name in a container's directory.
pub(crate) const RECORD: &str = "record.json";
/// The overlay's writable layer in a container's directory.
pub const UPPER: &str = "upper";
/// The overlay's work directory beside it.
pub const WORK: &str = "work";

/// What is written down of a container: what the store must know, and the caller's own `config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container<T> {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The image that it was made from; it cannot be removed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// The layers below its own, lowest first; they cannot be removed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerId>,
    /// The volumes that it uses; they cannot be removed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeName>,
    /// Those of them that it was made for without a name: they go with it, where that is wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_volumes: Vec<VolumeName>,
    /// Everything else; the store does not look at it.
    pub config: T,
}

/// A container's directory whose record cannot be used.
#[derive(Debug)]
pub struct Broken {
    /// Its id.
    pub id: ContainerId,
    /// What is wrong.
    pub error: Box<Error>,
}

/// Whether a container survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does not outlive its process (`--rm`): nothing is synced.
    Ephemeral,
    /// Its record is on disk before it is created.
    Durable,
}

impl Durability {
    fn sync(self) -> Sync {
        match self {
            Self::Ephemeral => Sync::Lazy,
            Self::Durable => Sync::Durable,
        }
    }
}

/// A container to be made.
#[derive(Debug)]
pub struct NewContainer<'a, T> {
    /// Its record.
    pub container: &'a Container<T>,
    /// Owner and mode of its root directory, see [`crate::Layers::root`]; absent for a container whose root is none of
    /// ours, and which has no layer of its own.
    pub root: Option<RootMeta>,
    /// Whether to sync it.
    pub durability: Durability,
}

impl Store {
    /// Makes a container's directory, takes its name, and writes its record; comes back locked. The lease is the one
    /// under which image and layers were found.
    pub fn create_container<T: Serialize>(&self, new: &NewContainer<'_, T>, _lease: &Lease) -> Result<ContainerDir> {
        let containers = self.dir("containers")?;
        let id = &new.container.id;
        let (dir, lock) = loop {
            sys::fs::mkdirat(&containers, id.as_str(), Mode::RWXU)?;
            // A sweep may take it for an unfinished one before it is locked.
            if let Some(locked) = lock(containers.as_fd(), id.as_str())? {
                break locked;
            }
        };
        let container = ContainerDir { id: id.clone(), dir, lock: Some(lock) };
        match self.fill(&container, new) {
            Ok(()) => Ok(container),
            Err(error) => {
                // The first error is the one to tell; what cannot be removed now is swept later.
                let _ = container.remove(self);
                Err(error)
            }
        }
    }

    fn fill<T: Serialize>(&self, container: &ContainerDir, new: &NewContainer<'_, T>) -> Result<()> {
        let dir = container.as_fd();
        if let Some(RootMeta { mode, uid, gid }) = new.root {
            sys::fs::mkdirat(dir, UPPER, Mode::RWXU)?;
            sys::fs::mkdirat(dir, WORK, Mode::RWXU)?;
            if (uid, gid) != (0, 0) {
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                sys::fs::fchownat(dir, UPPER, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            sys::fs::fchmodat(dir, UPPER, Mode::from_raw_mode(mode))?;
        }
        self.take_name(&new.container.name, &new.container.id)?;
        container.write(new.container, new.durability)?;
        if new.durability == Durability::Durable {
            sync_dir(self.dir("containers")?.as_fd())?;
            sync_dir(self.dir("names")?.as_fd())?;
        }
        Ok(())
    }

    pub(crate) fn take_name(&self, name: &ContainerName, id: &ContainerId) -> Result<()> {
        let names = self.dir("names")?;
        loop {
            match sys::fs::symlinkat(id.as_str(), &names, name.as_str()) {
                Err(error) if error.errno == sys::Errno::EXIST => {}
                other => return Ok(other?),
            }
            match holder(names.as_fd(), name.as_str(), self.dir("containers")?.as_fd())? {
                // One that was renamed, by somebody who was killed before he could give its old name back.
                Holder::Container(holder) if self.has_other_name(&holder, name) => self.free_name(name.as_str())?,
                Holder::Container(holder) => {
                    return Err(Error::NameTaken { name: name.to_string(), holder: holder.short().to_owned() });
                }
                Holder::Gone => self.free_stale_name(name.as_str())?,
                Holder::Nobody => {}
            }
        }
    }

    fn has_other_name(&self, id: &ContainerId, name: &ContainerName) -> bool {
        let record = self.container(id).and_then(|container| container.read::<serde::de::IgnoredAny>());
        record.is_ok_and(|record| record.name != *name)
    }

    fn free_name(&self, name: &str) -> Result<()> {
        match sys::fs::unlinkat(self.dir("names")?, name, AtFlags::empty()) {
            Err(error) if error.errno != sys::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Gives a container another name. The caller holds its lock, and `record` is what it has.
    pub fn rename_container<T: Serialize>(
        &self,
        container: &ContainerDir,
        record: &mut Container<T>,
        name: ContainerName,
    ) -> Result<()> {
        if record.name == name {
            return Ok(());
        }
        self.take_name(&name, &record.id)?;
        let old = std::mem::replace(&mut record.name, name);
        if let Err(error) = container.write(record, Durability::Durable) {
            self.free_name(record.name.as_str())?;
            return Err(error);
        }
        self.free_name(old.as_str())?;
        sync_dir(self.dir("names")?.as_fd())
    }

    /// Opens a container's directory, not locked.
    pub fn container(&self, id: &ContainerId) -> Result<ContainerDir> {
        match self.dir(&format!("containers/{id}")) {
            Ok(dir) => Ok(ContainerDir { id: id.clone(), dir, lock: None }),
            Err(error) if error.is_absent() => Err(Error::NoSuchContainer(id.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The container with this name, this id, or an id that starts so.
    pub fn find_container(&self, text: &str) -> Result<ContainerId> {
        let containers = self.dir("containers")?;
        if let Ok(name) = text.parse::<ContainerName>() {
            let names = self.dir("names")?;
            if let Holder::Container(id) = holder(names.as_fd(), name.as_str(), containers.as_fd())? {
                return Ok(id);
            }
        }
        let is_prefix = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let ids = if is_prefix { container_ids(containers.as_fd())? } else { Vec::new() };
        let mut found: Vec<_> = ids.into_iter().filter(|id| id.as_str().starts_with(text)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(id), true) => Ok(id),
            (None, _) => Err(Error::NoSuchContainer(text.to_owned())),
            (Some(last), false) => {
                found.push(last);
                let candidates = found.iter().map(|id| id.short().to_owned()).collect();
                Err(Error::AmbiguousContainer { prefix: text.to_owned(), candidates })
            }
        }
    }

    /// All containers, in the order of their ids. One whose record is damaged comes as [`Broken`] and does not hide
    /// the others; one that is being made or has just been removed does not come.
    pub fn containers<T: DeserializeOwned + Send>(&self) -> Result<Vec<Result<Container<T>, Broken>>> {
        self.containers_and(|container| container)
    }

    /// The same, each with what `look` makes of it: of many by several threads.
    pub fn containers_and<T: DeserializeOwned, U: Send>(
        &self,
        look: impl Fn(Container<T>) -> U + std::marker::Sync,
    ) -> Result<Vec<Result<U, Broken>>> {
        let containers = self.dir("containers")?;
        let mut ids = container_ids(containers.as_fd())?;
        ids.sort_unstable();
        let read = |id: &ContainerId| match read_record(&containers, &format!("{id}/{RECORD}")) {
            Ok(record) => record.map(|record| Ok(look(record))),
            Err(error) => Some(Err(Broken { id: id.clone(), error: Box::new(error) })),
        };
        let read_all = |ids: &[ContainerId]| ids.iter().filter_map(read).collect::<Vec<_>>();
        if ids.len() < MANY {
            return Ok(read_all(&ids));
        }
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
        Ok(std::thread::scope(|scope| {
            let parts: Vec<_> =
                ids.chunks(ids.len().div_ceil(threads)).map(|ids| scope.spawn(|| read_all(ids))).collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        }))
    }
}

fn container_ids(containers: BorrowedFd<'_>) -> Result<Vec<ContainerId>> {
    Ok(names(containers)?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// In a container's directory, while its process runs: the boot that it runs in.
const BEGUN: &str = "begun";

/// A container's directory, open.
///
/// Its lock is a flock(2) on the directory: it belongs to the open file, so a child that is forked while it is held
/// holds it too until it closes the fd or executes something else.
#[derive(Debug)]
pub struct ContainerDir {
    id: ContainerId,
    dir: OwnedFd,
    lock: Option<Flock>,
}

impl ContainerDir {
    /// The container's id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Waits for the container's lock. Nothing happens when it is held already.
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(Flock::exclusive(self.again()?)?);
        }
        Ok(())
    }

    /// Takes the container's lock if nobody else has it; tells whether it is held now.
    pub fn try_lock(&mut self) -> Result<bool> {
        if self.lock.is_none() {
            self.lock = Flock::try_exclusive(self.again()?)?;
        }
        Ok(self.lock.is_some())
    }

    /// The directory opened once more, for a lock of its own; `NoSuchContainer` when it was removed meanwhile.
    fn again(&self) -> Result<OwnedFd> {
        match crate::file::open_dir(&self.dir, ".") {
            Err(error) if error.is_absent() => Err(Error::NoSuchContainer(self.id.to_string())),
            other => other,
        }
    }

    /// Notes that its process is about to run. What is lost with a power cut is lost with
    /// the boot.
    pub fn begin(&self) -> Result<()> {
        // An empty file finds room on a disk that is full.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW;
        sys::fs::open_beneath(&self.dir, BEGUN, flags, Mode::from_raw_mode(0o600))?;
        Ok(())
    }

    /// Notes that it runs no more, and that its end is written down.
    pub fn end(&self) -> Result<()> {
        match sys::fs::unlinkat(&self.dir, BEGUN, AtFlags::empty()) {
            Err(error) if error.errno != sys::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// It ran in this boot or another, and nobody has written down its end.
    pub fn has_begun(&self) -> bool {
        rustix::fs::accessat(&self.dir, BEGUN, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }

    /// Gives the lock back.
    pub fn unlock(&mut self) {
        self.lock = None;
    }

    /// The record; `NoSuchContainer` when there is none.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Container<T>> {
        read_record(&self.dir, RECORD)?.ok_or_else(|| Error::NoSuchContainer(self.id.to_string()))
    }

    /// Replaces the record, atomically for readers. Writers hold the lock.
    pub fn write<T: Serialize>(&self, container: &Container<T>, durability: Durability) -> Result<()> {
        write_record(self.dir.as_fd(), RECORD, container, durability.sync())
    }

    /// Writes something of it beside its record, atomically for readers; a power cut may take it.
    pub fn note(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(self.dir.as_fd(), name, bytes, Sync::Lazy)
    }

    /// What was written beside its record under this name.
    pub fn noted(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match if_there(open_file(&self.dir, name))? {
            Some(file) => read_limited(file, LARGEST_RECORD, name),
            None => Ok(None),
        }
    }

    /// Removes the container, and before it the volumes that nobody has named and no other container uses.
    pub fn remove_with_volumes(self, store: &Store) -> Result<()> {
        if let Ok(record) = self.read::<serde::de::IgnoredAny>() {
            store.remove_own_volumes(&record.own_volumes, &self.id)?;
        }
        self.remove(store)
    }

    /// Removes the container: first its directory out of sight, then its name, then what was in the directory. What
    /// is left when that is cut short is swept later. The caller has ended its processes and unmounted its root, and
    /// holds the lock.
    pub fn remove(self, store: &Store) -> Result<()> {
        let name = self.read::<serde::de::IgnoredAny>().ok().map(|record| record.name);
        let (containers, trash) = (store.dir("containers")?, store.dir("trash")?);
        let in_trash = random_hex::<8>()?;
        match sys::fs::renameat(&containers, self.id.as_str(), &trash, &*in_trash, RenameFlags::NOREPLACE) {
            Err(error) if error.errno == sys::Errno::NOENT => return Ok(()),
            other => other?,
        }
        if let Some(name) = name {
            store.free_stale_name(name.as_str())?;
        }
        Ok(layer::remove_tree(&trash, &*in_trash)?)
    }
}

/// The directory that holds [`UPPER`] and [`WORK`]; see [`crate::overlay::mount`].
impl AsFd for ContainerDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
