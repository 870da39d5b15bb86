//! Attributes of mounts, also on kernels before 5.12, which lack mount_setattr(2).
//!
//! There mount(2) does it, which takes a path and no detached mount: so what was asked of one is remembered until it is
//! attached, and then done through `/proc/self/fd`, which the host's procfs, still in view, has. The surprising thing is
//! that a remount sets all flags anew: those that the mount has must be said again, or they are gone.

use crate::kernel::{self, EINVAL, ENOSYS, Failure, Outcome, fail, nr};
use crate::path::Buffer;

pub const RDONLY: u64 = 1;
pub const NOSUID: u64 = 2;
pub const NOEXEC: u64 = 8;
const NOSYMFOLLOW: u64 = 0x20_0000;
const NODIRATIME: u64 = 0x80;
const ATIME: u64 = 0x70;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const EMPTY_PATH: u64 = 0x1000;
const RECURSIVE: u64 = 0x8000;

/// What mount_setattr(2) is asked for.
#[derive(Clone, Copy)]
pub struct Attributes {
    pub set: u64,
    pub clear: u64,
    pub propagation: u64,
    pub recursive: bool,
}

/// What waits for its mount to be attached: the mount's fd plus one, 0 where the place is free.
struct Pending {
    fd: i32,
    attributes: Attributes,
}

/// A mount has one or two requests; most are done at once.
const MOST: usize = 1024;
const FREE: Pending =
    Pending { fd: 0, attributes: Attributes { set: 0, clear: 0, propagation: 0, recursive: false } };
static mut PENDING: [Pending; MOST] = [FREE; MOST];

/// Changes a mount, at once or, where it is detached and the kernel is old, when it is attached.
pub fn change(mount: i32, attributes: &Attributes) -> Outcome {
    match set(mount, attributes) {
        Err(Failure { errno: ENOSYS, .. }) if possible(attributes) => match remount(mount, attributes) {
            Err(Failure { errno: EINVAL, .. }) => later(mount, attributes),
            other => other,
        },
        other => other,
    }
}

fn later(mount: i32, attributes: &Attributes) -> Outcome {
    // SAFETY: the stub has one thread, and no other reference to the table lives.
    let table = unsafe { &mut *(&raw mut PENDING) };
    let Some(place) = table.iter_mut().find(|place| place.fd == 0) else {
        return fail(nr::mount_setattr, EINVAL);
    };
    *place = Pending { fd: mount + 1, attributes: *attributes };
    Ok(())
}

/// The mount is attached: does what has waited for it.
pub fn attached(mount: i32) -> Outcome {
    // SAFETY: the stub has one thread, and no other reference to the table lives.
    let table = unsafe { &mut *(&raw mut PENDING) };
    // The table fills from its beginning, and places are freed together.
    for place in table.iter_mut().take_while(|place| place.fd != 0) {
        if place.fd == mount + 1 {
            place.fd = -1;
            remount(mount, &place.attributes)?;
        }
    }
    Ok(())
}

/// Sets the propagation of all mounts of this process's view.
pub fn propagation(kind: u64) -> Outcome {
    match kernel::mount_setattr(kernel::AT_FDCWD, c"/", RECURSIVE, &[0, 0, kind, 0]) {
        Err(Failure { errno: ENOSYS, .. }) => kernel::mount(c"/", kind | MS_REC),
        other => other,
    }
}

fn set(mount: i32, attributes: &Attributes) -> Outcome {
    let flags = EMPTY_PATH | if attributes.recursive { RECURSIVE } else { 0 };
    kernel::mount_setattr(mount, c"", flags, &[attributes.set, attributes.clear, attributes.propagation, 0])
}

/// mount(2) reaches one mount only, but for propagation.
fn possible(attributes: &Attributes) -> bool {
    !attributes.recursive || attributes.set | attributes.clear == 0
}

const MS_RDONLY_NOSUID_NODEV_NOEXEC: u64 = 15;
const MS_REMOUNT: u64 = 32;
const MS_NOSYMFOLLOW: u64 = 256;
const MS_NOATIME: u64 = 1024;
const MS_NODIRATIME: u64 = 2048;
const MS_BIND: u64 = 4096;
const MS_REC: u64 = 16384;
const MS_RELATIME: u64 = 1 << 21;
const MS_STRICTATIME: u64 = 1 << 24;
/// statfs(2) has two flags in other places than mount(2).
const ST_RELATIME: u64 = 4096;
const ST_NOSYMFOLLOW: u64 = 8192;

fn remount(mount: i32, attributes: &Attributes) -> Outcome {
    let mut path = Buffer::new();
    path.push(b"/proc/self/fd/")?;
    path.push_number(mount as u32)?;
    if attributes.set | attributes.clear != 0 {
        let has = kernel::statfs(mount)?.flags;
        let mut flags = has & (MS_RDONLY_NOSUID_NODEV_NOEXEC | MS_NOATIME | MS_NODIRATIME);
        flags |= if has & ST_NOSYMFOLLOW != 0 { MS_NOSYMFOLLOW } else { 0 };
        let clear = translated(attributes.clear);
        let mut atime = if has & ST_RELATIME != 0 { MS_RELATIME } else { flags & MS_NOATIME };
        if attributes.clear & ATIME != 0 {
            atime = match attributes.set & ATIME {
                NOATIME => MS_NOATIME,
                STRICTATIME => MS_STRICTATIME,
                _ => MS_RELATIME,
            };
        }
        // Neither of them means strict, which must be said, for relatime is the default.
        atime = if atime == 0 { MS_STRICTATIME } else { atime };
        flags = (flags & !clear & !MS_NOATIME) | translated(attributes.set) | atime;
        kernel::mount(path.as_cstr(), MS_REMOUNT | MS_BIND | flags)?;
    }
    if attributes.propagation != 0 {
        kernel::mount(path.as_cstr(), attributes.propagation | if attributes.recursive { MS_REC } else { 0 })?;
    }
    Ok(())
}

/// Attributes of the new calls as flags of the old one, but for access times.
fn translated(attributes: u64) -> u64 {
    let mut flags = attributes & MS_RDONLY_NOSUID_NODEV_NOEXEC;
    flags |= if attributes & NODIRATIME != 0 { MS_NODIRATIME } else { 0 };
    flags | if attributes & NOSYMFOLLOW != 0 { MS_NOSYMFOLLOW } else { 0 }
}
