//! The files of a container that does not run as it sees them when it runs: its volumes and binds lie where they are then,
//! in a mount namespace that only this process is in. So a link that leads into a volume leads there, and nothing leads
//! out: paths are walked in the root, and so are the places of the mounts.

use crate::config::{Access, BindMount, Changes, ContainerPath, Mount, Owner, Recursion, VolumeMount};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::mounted;
use crate::record::Maps;
use crate::stage::Stage;
use crate::view::Held;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::Errno;
use sys::fs::RootDir;
use sys::mount::{CLONE, EMPTY_PATH, FsContext, MountAttr, RECURSIVE, attr, mount_setattr, move_mount, open_tree};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// The root, with what is mounted in it as long as the stage is there.
pub(crate) struct Standing {
    pub root: RootDir,
    _stage: Option<Stage>,
}

impl Standing {
    /// Of a container that runs, which has it all already.
    pub fn running(root: OwnedFd) -> Self {
        Self { root: RootDir::new(root), _stage: None }
    }

    /// Of a container that is held. At its first use its volumes get what the image has for them, as at a start.
    pub fn of(engine: &Engine, held: &Held) -> Result<Self> {
        let root = held.writable_root(engine)?;
        let config = &held.record.config.config;
        let mut mounts: Vec<&Mount> = config.files.mounts.iter().collect();
        if mounts.is_empty() {
            return Ok(Self::running(root));
        }
        mounted::fill_first(engine, &held.record, &root)?;
        // As it is done at a start: what lies deeper comes later.
        mounts.sort_by_key(|mount| mount.destination().as_str().matches('/').count());
        let stage = Stage::enter(&engine.locations().runroot)?;
        let root = stage.attach(root).map_err(Error::system("attach the container's files"))?;
        let top = sys::fs::open_beneath(&root, ".", DIRECTORY, Mode::empty());
        let root = RootDir::new(top.map_err(Error::system("open the container's files"))?);
        let maps = held.record.config.maps.as_ref();
        for mount in mounts {
            let at = mount.destination();
            let (tree, access) = match mount {
                Mount::Bind(bind) => bound(bind)?,
                Mount::Volume(volume) => self::volume(engine, &stage, volume)?,
                Mount::Tmpfs(_) => (nothing(at)?, Access::ReadWrite),
            };
            if access != Access::ReadWrite {
                let all = if access == Access::ReadOnlyTop { 0 } else { RECURSIVE };
                let only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
                mount_setattr(&tree, "", EMPTY_PATH | all, &only).map_err(failed(at))?;
            }
            let kind = rustix::fs::fstat(&tree).map(|stat| FileType::from_raw_mode(stat.st_mode));
            let place = place(&root, at, kind == Ok(FileType::Directory), maps).map_err(failed(at))?;
            move_mount(&tree, place).map_err(failed(at))?;
        }
        Ok(Self { root, _stage: Some(stage) })
    }
}

/// What is mounted at a path only while the container runs; what was put in its place would be lost under it.
pub(crate) fn is_absent(engine: &Engine, mount: &Mount) -> bool {
    match mount {
        Mount::Tmpfs(_) => true,
        Mount::Bind(bind) => matches!(bind.owner, Owner::Idmap(_)),
        Mount::Volume(volume) => {
            let there = volume.name.as_ref().and_then(|name| engine.store().ok()?.volume(name).ok());
            there.is_some_and(|dir| dir.volume.is_mounted()) || matches!(volume.owner, Owner::Idmap(_))
        }
    }
}

fn failed(at: &ContainerPath) -> impl Fn(sys::Error) -> Error {
    move |error| Error::Copy { path: at.to_string(), problem: format!("cannot be mounted: {error}") }
}

/// A tree of the machine, of which nothing gets back to it.
pub(crate) fn tree(dir: impl AsFd, path: &Path, flags: u32) -> sys::Result<OwnedFd> {
    let tree = open_tree(dir, path, CLONE | flags)?;
    let private = MountAttr { propagation: sys::mount::propagation::PRIVATE, ..MountAttr::default() };
    mount_setattr(&tree, "", EMPTY_PATH | RECURSIVE, &private)?;
    Ok(tree)
}

fn bound(bind: &BindMount) -> Result<(OwnedFd, Access)> {
    let at = &bind.destination;
    if matches!(bind.owner, Owner::Idmap(_)) {
        return Ok((nothing(at)?, Access::ReadWrite));
    }
    let flags = if bind.recursion == Recursion::Recursive { RECURSIVE } else { 0 };
    // What is changed in an overlay ends with the run: there is none.
    let access = if bind.changes == Changes::ThrownAway { Access::ReadOnly } else { bind.access };
    Ok((tree(CWD, &bind.source, flags).map_err(failed(at))?, access))
}

fn volume(engine: &Engine, stage: &Stage, volume: &VolumeMount) -> Result<(OwnedFd, Access)> {
    let (at, failed) = (&volume.destination, failed(&volume.destination));
    let Some(name) = volume.name.as_ref().filter(|_| !is_absent(engine, &Mount::Volume(volume.clone()))) else {
        return Ok((nothing(at)?, Access::ReadWrite));
    };
    let mut data = tree(CWD, &engine.volume_path(name), RECURSIVE).map_err(&failed)?;
    if let Some(subpath) = &volume.subpath {
        // What is to be taken of a mount has to be attached somewhere, before Linux 6.15.
        let whole = RootDir::new(stage.attach(data).map_err(&failed)?);
        let found = whole.open(subpath.as_str(), OFlags::PATH, Mode::empty()).map_err(&failed)?;
        data = tree(found, Path::new(""), RECURSIVE | EMPTY_PATH).map_err(&failed)?;
    }
    Ok((data, volume.access))
}

/// An empty place that takes nothing, where something is mounted only while the container runs.
fn nothing(at: &ContainerPath) -> Result<OwnedFd> {
    FsContext::open("tmpfs").and_then(|context| context.mount(attr::RDONLY | attr::NODEV)).map_err(failed(at))
}

/// Where something is mounted, which is made where it is missing, as at a start. It is the container's root's.
fn place(root: &RootDir, at: &ContainerPath, is_directory: bool, maps: Option<&Maps>) -> sys::Result<OwnedFd> {
    let open = |path: &str| root.open(path, OFlags::PATH, Mode::empty());
    let (path, mut end) = (at.as_str(), 0);
    while end < path.len() {
        let start = end + 1;
        end = path.get(start..).and_then(|rest| rest.find('/')).map_or(path.len(), |length| start + length);
        let (above, here) = (path.get(..start).unwrap_or("/"), path.get(..end).unwrap_or(path));
        let name = path.get(start..end).unwrap_or_default();
        match open(here) {
            Err(error) if error.errno == Errno::NOENT => {}
            opened => {
                opened?;
                continue;
            }
        }
        let dir = root.open(above, DIRECTORY, Mode::empty())?;
        if end < path.len() || is_directory {
            sys::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755))?;
        } else {
            sys::fs::mknodat(&dir, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0)?;
        }
        if let Some(maps) = maps {
            let root_of = |ranges: &[oci::runtime::IdMapping]| {
                ranges.iter().find(|range| range.container_id == 0).map(|range| range.host_id)
            };
            let (uid, gid) = (root_of(&maps.uids).map(Uid::from_raw), root_of(&maps.gids).map(Gid::from_raw));
            sys::fs::fchownat(&dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    open(path)
}
