//! Putting the program into force at a v2 directory.
//!
//! All programs at a cgroup must agree, so an old one has to go when the rules change: replaced in one step where it
//! is alone, else detached after the new one is there (in between both hold, which denies more and never less).

use super::policy::Policy;
use super::{program, unprivileged};
use crate::group::Branch;
use crate::{Error, Result};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, OwnedFd};
use sys::bpf::{attach_device_program, detach_device_program, device_programs, load_device_program};

pub(super) fn apply(branch: &Branch, policy: &Policy) -> Result<()> {
    let unruled = branch.unruled.take();
    if unruled && policy.allows_all() {
        return Ok(());
    }
    match install(branch, policy, unruled) {
        Err(error) if error.errno == Errno::PERM && (policy.allows_all() || unprivileged()) => Ok(()),
        Err(source) => Err(Error::DeviceProgram { path: branch.path.clone(), source }),
        Ok(()) => Ok(()),
    }
}

fn install(branch: &Branch, policy: &Policy, unruled: bool) -> sys::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = sys::fs::openat2(CWD, branch.path.as_str(), flags, Mode::empty(), ResolveFlags::empty())?;
    let mut old: Vec<OwnedFd> = if unruled { Vec::new() } else { device_programs(&directory)? };
    if !policy.allows_all() {
        let new = load_device_program(&program::assemble(policy), c"coracle_devices")?;
        if old.len() == 1 {
            match attach_device_program(&directory, &new, old.first().map(|fd| fd.as_fd())) {
                // Attached by somebody without ALLOW_MULTI, or gone since.
                Err(error) if matches!(error.errno, Errno::INVAL | Errno::NOENT | Errno::PERM) => {}
                other => return other,
            }
        }
        attach_device_program(&directory, &new, None)?;
    }
    old.drain(..).try_for_each(|program| match detach_device_program(&directory, &program) {
        Err(error) if error.errno == Errno::NOENT => Ok(()),
        other => other,
    })
}
