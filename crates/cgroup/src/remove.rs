//! Removing a cgroup when its container has ended.
//!
//! The common case is one rmdir(2) a hierarchy. What is busy gets a second look: cgroups that the container made below
//! its own go first, and processes that are on their way out are waited for. Whatever fails, the rest goes on.

use crate::events::{Deadline, wait};
use crate::group::Branch;
use crate::walk::walk;
use crate::{Cgroup, Error, Result, Version};
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;
use std::time::Duration;

impl Cgroup {
    /// Removes every directory of this cgroup with all below; what has gone already is fine. Waits up to `limit` in all
    /// for processes that are ending. Directories above it are left. A unit of systemd's goes last, when nothing is in it
    /// that it could wait for.
    ///
    /// # Errors
    /// Lists each directory that stayed. Calling it again is allowed and goes on where it stopped.
    pub fn remove(&self, limit: Duration) -> Result<()> {
        // Nothing is to be kept alive any more.
        drop(self.occupant.take());
        let mut failures = Vec::new();
        let mut busy = Vec::new();
        for branch in &self.branches {
            match rmdir(branch) {
                Ok(()) => {}
                Err(error) if occupied(&error) => busy.push(branch),
                Err(error) => failures.push(error),
            }
        }
        let mut deadline = Deadline::after(limit);
        failures.extend(busy.into_iter().filter_map(|branch| clear(branch, &mut deadline).err()));
        if failures.is_empty() { self.stop_unit() } else { Err(Error::Remove { failures }) }
    }
}

fn rmdir(branch: &Branch) -> sys::Result<()> {
    match sys::fs::unlinkat(CWD, branch.path.as_str(), AtFlags::REMOVEDIR) {
        Err(error) if error.errno == Errno::NOENT => Ok(()),
        // A read-only hierarchy says so before it looks for the name.
        Err(error) if error.errno == Errno::ROFS && !std::path::Path::new(&branch.path).exists() => Ok(()),
        other => other,
    }
}

fn occupied(error: &sys::Error) -> bool {
    matches!(error.errno, Errno::BUSY | Errno::NOTEMPTY)
}

/// Removes what is below, waits for what is dying, and tries until the time is over.
fn clear(branch: &Branch, deadline: &mut Deadline) -> sys::Result<()> {
    loop {
        // Failures in here show in the rmdir that follows.
        let _ = walk(
            &branch.path,
            |_| (),
            |parent, name| {
                let _ = sys::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
            },
        );
        let error = match rmdir(branch) {
            Err(error) if occupied(&error) => error,
            other => return other,
        };
        if branch.version == Version::V2 {
            let _ = wait(&branch.path, "populated", 0, deadline);
        }
        if !deadline.pause() {
            return Err(error);
        }
    }
}
