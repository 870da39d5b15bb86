//! Removal of what killed processes left: temporary directories without a living maker, what was being removed,
//! containers that were never finished, names of containers that are gone.

use crate::container::RECORD;
use crate::file::{names, open_dir, unfinished};
use crate::garbage::GARBAGE;
use crate::image::INDEX;
use crate::lease::Flock;
use crate::name::random_hex;
use crate::temporary::still_named;
use crate::{ContainerId, Result, Store};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use std::os::fd::{AsFd, BorrowedFd};

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many abandoned things it removed.
    pub removed: usize,
    /// What it could not remove, and why; the next sweep tries again.
    pub failed: Vec<crate::Error>,
}

impl Store {
    /// Something is being made or removed, or was when its maker was killed.
    pub fn is_untidy(&self) -> Result<bool> {
        Ok(!names(self.dir("tmp")?.as_fd())?.is_empty() || !names(self.dir("trash")?.as_fd())?.is_empty())
    }

    /// The same, or there are unfinished containers or stale names beside so many containers.
    pub fn is_untidy_beside(&self, containers: usize) -> Result<bool> {
        let differ = |dir| Ok::<_, crate::Error>(names(self.dir(dir)?.as_fd())?.len() != containers);
        Ok(differ("containers")? || differ("names")? || self.is_untidy()?)
    }

    /// Removes what killed processes left. Cheap when there is nothing: a look into a few directories. Never waits for
    /// a living process, and goes on where something cannot be removed (from outside a user's user namespace, what
    /// belongs to its ids cannot).
    pub fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        let (tmp, trash) = (self.dir("tmp")?, self.dir("trash")?);
        swept.failed.extend(self.unfinished_index().err());
        // Blobs may be in their place of which a maker who was killed never came to tell, or had begun to.
        let killed = || self.mark_garbage();
        for name in names(tmp.as_fd())? {
            swept.failed.extend(abandoned(tmp.as_fd(), &name, trash.as_fd(), |_| true, killed).err());
        }
        swept.failed.extend(self.tidy().err());
        let containers = self.dir("containers")?;
        let lacks_record = |dir: BorrowedFd<'_>, path: &str| {
            rustix::fs::accessat(dir, path, rustix::fs::Access::EXISTS, AtFlags::empty()).is_err()
        };
        let mut finished = names(containers.as_fd())?;
        let unfinished = finished.extract_if(.., |name| lacks_record(containers.as_fd(), &format!("{name}/{RECORD}")));
        for name in unfinished {
            let unfinished = |dir: BorrowedFd<'_>| lacks_record(dir, RECORD);
            swept.failed.extend(abandoned(containers.as_fd(), &name, trash.as_fd(), unfinished, || ()).err());
        }
        self.stale_names(containers.as_fd(), finished.len())?;
        for name in names(trash.as_fd())?.into_iter().filter(|name| name != GARBAGE) {
            match layer::remove_tree(&trash, &*name) {
                Ok(()) => swept.removed += 1,
                Err(error) => swept.failed.push(error.into()),
            }
        }
        Ok(swept)
    }

    fn unfinished_index(&self) -> Result<()> {
        let unfinished = unfinished(INDEX);
        let there =
            |name| rustix::fs::accessat(self.root(), name, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok();
        if !there(format!("images/{unfinished}")) {
            return Ok(());
        }
        // Whoever writes one now holds the lock.
        let Some(_lock) = Flock::try_exclusive(self.dir("images")?)? else { return Ok(()) };
        match sys::fs::unlinkat(self.dir("images")?, &*unfinished, AtFlags::empty()) {
            Err(error) if error.errno != sys::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A container has its name before its record: where there are as many names as records, each is somebody's.
    fn stale_names(&self, containers: BorrowedFd<'_>, records: usize) -> Result<()> {
        let dir = self.dir("names")?;
        let names = names(dir.as_fd())?;
        let some_are_stale = names.len() != records;
        for name in names.into_iter().filter(|_| some_are_stale) {
            if matches!(holder(dir.as_fd(), &name, containers)?, Holder::Gone) {
                self.free_stale_name(&name)?;
            }
        }
        Ok(())
    }

    /// Frees a name whose container is gone. Looked at again under the lock of `names/`: whoever frees holds it, so a
    /// name freed and taken anew meanwhile is not freed twice.
    pub(crate) fn free_stale_name(&self, name: &str) -> Result<()> {
        let dir = self.dir("names")?;
        let _lock = Flock::exclusive(self.dir("names")?)?;
        let containers = self.dir("containers")?;
        if matches!(holder(dir.as_fd(), name, containers.as_fd())?, Holder::Gone) {
            match sys::fs::unlinkat(&dir, name, AtFlags::empty()) {
                Err(error) if error.errno != sys::Errno::NOENT => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Moves `name` to the trash if nobody holds its lock and `test` says so, asked under the lock. Does `first` before it.
fn abandoned(
    parent: BorrowedFd<'_>,
    name: &str,
    trash: BorrowedFd<'_>,
    test: impl Fn(BorrowedFd<'_>) -> bool,
    first: impl Fn(),
) -> Result<()> {
    let dir = match open_dir(parent, name) {
        Err(error) if error.is_absent() => return Ok(()),
        other => other?,
    };
    if !test(dir.as_fd()) {
        return Ok(());
    }
    let Some(_lock) = Flock::try_exclusive(open_dir(&dir, ".")?)? else { return Ok(()) };
    if still_named(parent, name, &dir) && test(dir.as_fd()) {
        first();
        sys::fs::renameat(parent, name, trash, &*random_hex::<8>()?, RenameFlags::NOREPLACE)?;
    }
    Ok(())
}

/// Who has a name.
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A container that is gone.
    Gone,
    /// The container of this id.
    Container(ContainerId),
}

/// Looks up who has `name`.
pub(crate) fn holder(dir: BorrowedFd<'_>, name: &str, containers: BorrowedFd<'_>) -> Result<Holder> {
    let id = match rustix::fs::readlinkat(dir, name, Vec::new()) {
        Ok(id) => id.to_string_lossy().into_owned(),
        Err(rustix::io::Errno::NOENT) => return Ok(Holder::Nobody),
        Err(errno) => return Err(crate::Error::errno(format!("cannot read the name {name}"))(errno)),
    };
    let Ok(id) = id.parse::<ContainerId>() else { return Ok(Holder::Gone) };
    match sys::fs::open_beneath(containers, id.as_str(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
        Ok(_) => Ok(Holder::Container(id)),
        Err(error) if error.errno == sys::Errno::NOENT => Ok(Holder::Gone),
        Err(error) => Err(error.into()),
    }
}
