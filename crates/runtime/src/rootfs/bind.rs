//! Bind mounts: what is copied of the host's view, and with which attributes.
//!
//! Who names none keeps the source's. Who names any gets these and no others, as with runc: what no word asks for is
//! cleared, but for access times, which stay until a word sets them. That is the machine's root's right alone. A container
//! in a user namespace must not see a file system with more rights than its source has: there what no word names stays,
//! and a word that would take it away is refused, as the kernel itself does where it has locked them
//! (mount_namespaces(7)).

use super::compose::mapped_ids;
use super::options::{Bind, Options};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::plan::{Plan, Slot};
use crate::subject::Subject;
use oci::runtime::{Mount, NamespaceKind};
use rustix::fs::CWD;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use sys::mount::{CLONE, EMPTY_PATH, MountAttr, NOFOLLOW, RECURSIVE, attr, mount_setattr, open_tree, propagation};

/// What a user namespace may not take away.
pub const LOCKABLE: u64 = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;

/// Whether a mount binds, and how much.
pub fn bind_of(mount: &Mount, options: &Options) -> Option<Bind> {
    options.bind.or((mount.kind.as_deref() == Some("bind")).then_some(Bind::One))
}

/// What a source says that is a link and is to be copied.
pub fn copied_link(mount: &Mount, options: &Options, context: &Context<'_>) -> Result<Option<String>> {
    if !options.copy_symlink {
        return Ok(None);
    }
    if options.src_nofollow || options.dest_nofollow {
        let at = &mount.destination;
        return Err(Error::spec(format!("mount at {at}: copy-symlink excludes src-nofollow and dest-nofollow")));
    }
    let source = context.absolute(mount.source.as_deref().unwrap_or_default());
    Ok(std::fs::read_link(source).ok().map(|to| to.to_string_lossy().into_owned()))
}

/// The source of a bind mount with its attributes, detached.
pub fn bind_source(
    plan: &mut Plan,
    index: usize,
    mount: &Mount,
    bind: Bind,
    options: &Options,
    context: &Context<'_>,
) -> Result<Slot> {
    if let Some(word) = options.unknown_to_bind() {
        return Err(Error::spec(format!("bind mount at {}: unknown option {word}", mount.destination)));
    }
    let source = mount.source.as_deref().filter(|source| !source.is_empty());
    let source = source.ok_or_else(|| Error::spec(format!("bind mount at {} has no source", mount.destination)))?;
    let path = context.absolute(source);
    let recursive = bind == Bind::Recursive;
    let mut options = options.clone();
    if recursive && source == "/sys" && options.set & attr::RDONLY != 0 && can_be_recursive() {
        // Else a user's own cgroups, which are mounted below, could be written (CVE-2023-25809).
        options.recursive_set |= attr::RDONLY;
    }
    let options = &options;
    if !context.copies_mounts {
        if options.idmap.is_some() {
            return Err(Error::spec(format!("bind mount at {}: mapping ids needs root", mount.destination)));
        }
        let subject = Subject::Mount(index);
        let slot = if options.src_nofollow {
            plan.open_tree_itself(subject, &path.to_string_lossy(), recursive)
        } else {
            plan.open_tree(subject, &path.to_string_lossy(), recursive)
        };
        by_stub(plan, index, slot, recursive, options, LOCKABLE);
        return Ok(slot);
    }
    let failed =
        |source| Error::BindSource { source_path: path.clone(), destination: mount.destination.clone(), source };
    let fd = open_bind(&path, recursive, options.src_nofollow).map_err(failed)?;
    let mut changes = Changes::default();
    if let Some(idmap) = options.idmap {
        let userns = mapped_ids(mount, options, context)?;
        let attributes = MountAttr { set: attr::IDMAP, userns_fd: userns.as_raw_fd() as u64, ..MountAttr::default() };
        changes.make(&fd, &attributes, idmap == Bind::Recursive).map_err(failed)?;
    }
    if options.attributes {
        let locked = context.namespaces.has(NamespaceKind::User);
        itself(&mut changes, &fd, options, locked).map_err(failed)?;
    }
    let (tree, whole) = tree(options);
    changes.make(&fd, &tree, recursive && whole).map_err(failed)?;
    Ok(changes.give(plan, fd, &Subject::Mount(index)))
}

/// The kernel knows mount_setattr(2): Linux 5.12.
fn can_be_recursive() -> bool {
    let asked = mount_setattr(CWD, "", EMPTY_PATH, &MountAttr::default());
    !matches!(asked, Err(error) if error.errno == sys::Errno::NOSYS)
}

/// Adds the steps by which the stub gives a copy its attributes. It may lack the right to take away what the host has
/// locked, or must not use it: then `lockable` is 0.
pub fn by_stub(plan: &mut Plan, index: usize, slot: Slot, recursive: bool, options: &Options, lockable: u64) {
    let subject = || Subject::Mount(index);
    if options.attributes {
        if lockable != 0 {
            plan.try_attr(subject(), slot, &options.of_bind(lockable));
        }
        plan.set_attr(subject(), slot, &options.of_bind(0), false);
    }
    let (tree, whole) = tree(options);
    plan.set_attr(subject(), slot, &tree, recursive && whole);
}

/// What changes for the whole tree, and whether the propagation does.
fn tree(options: &Options) -> (MountAttr, bool) {
    let (kind, whole) = options.propagation.unwrap_or((propagation::PRIVATE, true));
    let (set, clear) = (options.recursive_set, options.recursive_clear);
    (MountAttr { set, clear, propagation: kind, ..MountAttr::default() }, whole)
}

/// Gives a detached mount its own attributes.
fn itself(changes: &mut Changes, fd: &OwnedFd, options: &Options, locked: bool) -> sys::Result<()> {
    if !locked {
        match changes.make(fd, &options.of_bind(LOCKABLE), false) {
            // Locked against ourselves, who are root in a user namespace only.
            Err(error) if error.errno == sys::Errno::PERM => {}
            other => return other,
        }
    }
    // An attribute of the file system shows, too, and stays whatever is asked: so both sides are looked at.
    let before = flags(fd);
    changes.make(fd, &options.of_bind(0), false)?;
    let after = flags(fd);
    if locked && (before & !after & LOCKABLE | (before ^ after) & ATIME) != 0 {
        let why = "clear what the source has and a user namespace locks";
        return Err(sys::Error::new("mount_setattr", why, sys::Errno::PERM));
    }
    Ok(())
}

/// ST_NOATIME, ST_NODIRATIME and ST_RELATIME of statfs(2); its other flags have the numbers of the attributes.
const ATIME: u64 = 0x400 | 0x800 | 0x1000;

/// The flags of a mount as statfs(2) shows them.
fn flags(mount: &OwnedFd) -> u64 {
    rustix::fs::fstatfs(mount).map_or(0, |stat| stat.f_flags as u64)
}

fn open_bind(path: &Path, recursive: bool, nofollow: bool) -> sys::Result<OwnedFd> {
    let follow = if nofollow { NOFOLLOW } else { 0 };
    open_tree(CWD, path, CLONE | follow | if recursive { RECURSIVE } else { 0 })
}

/// Changes of a detached mount that the kernel cannot make (mount_setattr(2) came with Linux 5.12): the stub makes them
/// when the mount is attached.
#[derive(Default)]
pub struct Changes(Vec<(MountAttr, bool)>);

impl Changes {
    /// Makes a change now or never; on an old kernel later.
    pub fn make(&mut self, tree: &OwnedFd, attributes: &MountAttr, recursive: bool) -> sys::Result<()> {
        match mount_setattr(tree, "", EMPTY_PATH | if recursive { RECURSIVE } else { 0 }, attributes) {
            Err(error) if error.errno == sys::Errno::NOSYS && attributes.set & attr::IDMAP == 0 => {
                self.0.push((*attributes, recursive));
                Ok(())
            }
            other => other,
        }
    }

    /// Hands the mount to the stub, with what is still to be changed.
    pub fn give(self, plan: &mut Plan, tree: OwnedFd, subject: &Subject) -> Slot {
        let slot = plan.give(tree);
        for (attributes, recursive) in self.0 {
            plan.set_attr(subject.clone(), slot, &attributes, recursive);
        }
        slot
    }
}
