//! The files of a container that does not run, with its volumes and binds where it will see them: mounted for the calling
//! process alone, which has no other purpose.
//!
//! Paths are then resolved as the container resolves them: a link of its files may lead into a volume, and nowhere else.

use crate::config::{Access, BindMount, Changes, Mount, Recursion, VolumeMount};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::mounted;
use crate::stage::Stage;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::fs::RootDir;
use sys::mount::{CLONE, EMPTY_PATH, MountAttr, RECURSIVE, attr, mount_setattr, move_mount, open_tree, propagation};

/// Whether what will be mounted there is files that are somewhere while the container does not run.
pub(crate) fn is_kept(mount: &Mount) -> bool {
    match mount {
        Mount::Bind(bind) => bind.changes == Changes::Kept,
        Mount::Tmpfs(_) => false,
        Mount::Volume(volume) => !["type", "device"].iter().any(|key| volume.options.contains_key(*key)),
    }
}

/// Puts the mounts of a container into its root, over the directory `at`, which nobody needs meanwhile.
pub(crate) fn assemble(engine: &Engine, root: OwnedFd, at: &Path, mounts: &[Mount]) -> Result<RootDir> {
    let failed = |what| Error::system(what);
    let mut kept: Vec<_> = mounts.iter().filter(|mount| is_kept(mount)).collect();
    if kept.is_empty() {
        return Ok(RootDir::new(root));
    }
    sys::process::unshare(sys::process::namespace::MOUNT).map_err(failed("mount for this command alone"))?;
    let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
    mount_setattr(CWD, "/", RECURSIVE, &private).map_err(failed("mount for this command alone"))?;
    // A mount has to be somewhere, to carry others. What is no mount, but a directory of the user's, becomes one.
    let open = || sys::fs::open(at, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
    let carry =
        |tree: &OwnedFd| open().and_then(|at| move_mount(tree, at)).map_err(failed("mount the container's files"));
    let root = match carry(&root) {
        Ok(()) => root,
        Err(_) => {
            let copied = Stage::reopen(&root).and_then(|dir| open_tree(dir, "", CLONE | EMPTY_PATH | RECURSIVE));
            let copied = copied.map_err(failed("mount the container's files"))?;
            carry(&copied)?;
            copied
        }
    };
    let root = RootDir::new(root);
    // A mount stands before those that are mounted in it.
    kept.sort_by_key(|mount| mount.destination().as_str().len());
    for mount in kept {
        let source = match mount {
            Mount::Bind(bind) => of_bind(bind)?,
            Mount::Volume(volume) => of_volume(engine, volume)?,
            Mount::Tmpfs(_) => continue,
        };
        let is_dir = sys::fs::open_beneath(&source, ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).is_ok();
        let target = target(&root, mount.destination().as_str(), is_dir)?;
        move_mount(&source, &target).map_err(failed("mount the container's volumes"))?;
    }
    Ok(root)
}

fn of_bind(bind: &BindMount) -> Result<OwnedFd> {
    let below = if bind.recursion == Recursion::Recursive { RECURSIVE } else { 0 };
    let tree = open_tree(CWD, bind.source.as_path(), CLONE | below);
    limit(tree.map_err(Error::file("find the bind mount's source", bind.source.as_path()))?, bind.access)
}

fn of_volume(engine: &Engine, volume: &VolumeMount) -> Result<OwnedFd> {
    let at = mounted::place(engine, volume)?;
    let tree = open_tree(&at, "", CLONE | EMPTY_PATH).map_err(Error::system("find the volume"))?;
    limit(tree, volume.access)
}

fn limit(tree: OwnedFd, access: Access) -> Result<OwnedFd> {
    let read_only = if access == Access::ReadWrite { 0 } else { attr::RDONLY };
    let attributes = MountAttr { set: read_only | attr::NODEV, ..MountAttr::default() };
    let below = if matches!(access, Access::ReadOnly | Access::RecursiveReadOnly) { RECURSIVE } else { 0 };
    mount_setattr(&tree, "", EMPTY_PATH | below, &attributes)
        .map_err(Error::system("mount the container's volumes"))?;
    Ok(tree)
}

/// Where something is to be mounted; made where it is missing, as a start makes it.
fn target(root: &RootDir, path: &str, is_dir: bool) -> Result<OwnedFd> {
    let failed = || Error::file("make the place of a mount", path);
    let (mut at, mut walked) = (root.open("/", OFlags::PATH, Mode::empty()).map_err(failed())?, String::new());
    let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        walked.push('/');
        walked.push_str(name);
        let open = || root.open(walked.as_str(), OFlags::PATH, Mode::empty());
        at = match open() {
            Err(error) if error.errno == sys::Errno::NOENT => {
                if is_dir || names.peek().is_some() {
                    sys::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)).map_err(failed())?;
                } else {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                    sys::fs::open_beneath(&at, name, flags, Mode::from_raw_mode(0o644)).map_err(failed())?;
                }
                open()
            }
            other => other,
        }
        .map_err(failed())?;
    }
    Ok(at)
}
