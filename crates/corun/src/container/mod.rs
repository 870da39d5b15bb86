//! A container as it lies in the state directory: who it is, how to find its process, and what it does right now.

mod dir;
mod record;

pub use dir::{Dir, NOTIFY, check_id, ids};
pub use record::{Added, Listener, Record};

use crate::error::{Error, Result};
use crate::global::Context;
use oci::runtime::Spec;
use runtime::hooks::{self, Identity, Point};
use runtime::{Cgroup, Handle};
use std::fmt;
use std::path::Path;

/// What a container does, by the specification's words and runc's "paused".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It waits for `start`.
    Created,
    /// Its command runs.
    Running,
    /// Its processes stand still.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// A container that was found.
#[derive(Debug)]
pub struct Container {
    /// Its directory.
    pub dir: Dir,
    /// What is written down of it.
    pub record: Record,
    /// Its first process, unless that has ended.
    pub handle: Option<Handle>,
    /// Its cgroup.
    pub cgroup: Cgroup,
}

impl Container {
    /// Finds it, to look at.
    pub fn find(context: &Context, id: &str) -> Result<Self> {
        Self::of(Dir::open(context, id)?)
    }

    /// Finds it, to change: nobody else changes it meanwhile.
    pub fn lock(context: &Context, id: &str) -> Result<Self> {
        Self::of(Dir::lock(context, id)?)
    }

    /// The one in this directory.
    pub fn of(dir: Dir) -> Result<Self> {
        let record = Record::read(&dir)?;
        let (handle, cgroup) = Handle::open(&record.to_runtime())?;
        Ok(Self { dir, record, handle, cgroup })
    }

    /// What it does right now. One that waits has a gate in its directory, which goes before it is told to go on; it can
    /// be made to stand still as well, and then nobody else's process would come out of its cgroup either.
    pub fn status(&self) -> Status {
        match &self.handle {
            None => Status::Stopped,
            Some(_) if self.cgroup.is_frozen().unwrap_or(false) => Status::Paused,
            Some(_) if self.dir.has_gate() => Status::Created,
            Some(_) => Status::Running,
        }
    }

    /// Its first process, which must be there.
    pub fn running(&self) -> Result<&Handle> {
        self.handle.as_ref().ok_or(Error::NotRunning)
    }

    /// Runs the hooks of a command that has just begun to run. If one fails, so does the start: the container ends.
    pub fn started(&self, spec: &Spec) -> Result<()> {
        const SIGKILL: i32 = 9;
        let bundle = Path::new(&self.record.corun.bundle);
        let identity = Identity { id: &self.record.id, bundle, spec };
        let Some(handle) = &self.handle else { return Ok(()) };
        hooks::run(Point::Poststart, identity, Some(handle.pid)).or_else(|error| {
            handle.signal(SIGKILL)?;
            Err(error.into())
        })
    }

    /// Removes all that there is of it: processes, cgroup, directory. Can be repeated at any point.
    ///
    /// Its last hooks run when all is gone; a failure of one is told, and is no error (runtime.md, "Lifecycle").
    pub fn remove(self) -> Result<()> {
        runtime::delete(&self.cgroup)?;
        self.dir.remove()?;
        let (spec, bundle) = (self.record.spec(), Path::new(&self.record.corun.bundle));
        let identity = Identity { id: &self.record.id, bundle, spec: &spec };
        if let Err(error) = hooks::run(Point::Poststop, identity, None) {
            eprintln!("corun: {error}");
        }
        Ok(())
    }
}
