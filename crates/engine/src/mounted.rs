//! The volumes of a container: which ones it has is settled when it is made, and written into its record before any of
//! them is there. What the record names is made by whoever misses it, so nobody who is killed leaves one that no container
//! leads to.

use crate::config::{ContainerConfig, ContainerPath, CopyUp, ImageRef, Mount, MountSource, VolumeMount};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::flags;
use crate::record::{Maps, Record, now};
use crate::root::Root;
use crate::spec::{IdMaps, ImageDefaults, UserNamespace, VolumeSource};
use layer::Ownership;
use oci::runtime::IdMapping;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use store::{Container, Volume, VolumeDir, VolumeName};
use sys::fs::RootDir;

/// The request with all its volumes, by name: those of other containers and those that its image wants, too.
pub(crate) fn settle(engine: &Engine, config: &ContainerConfig, image: &ImageDefaults) -> Result<ContainerConfig> {
    let mut config = config.clone();
    let mounts = &mut config.files.mounts;
    let is_free =
        |mounts: &[Mount], mount: &Mount| !mounts.iter().any(|other| other.destination() == mount.destination());
    for from in std::mem::take(&mut config.files.volumes_from) {
        let id = engine.store()?.find_container(&from.container)?;
        let record: Container<Record> = engine.store()?.container(&id)?.read()?;
        for mut mount in record.config.config.files.mounts {
            match &mut mount {
                Mount::Tmpfs(_) => continue,
                Mount::Bind(bind) => {
                    bind.flag = MountSource::VolumesFrom;
                    bind.access = from.access.unwrap_or(bind.access);
                }
                Mount::Volume(volume) => {
                    volume.flag = MountSource::VolumesFrom;
                    volume.access = from.access.unwrap_or(volume.access);
                    volume.copy_up = CopyUp::Empty;
                }
            }
            if is_free(mounts, &mount) {
                mounts.push(mount);
            }
        }
    }
    for path in &image.volumes {
        // One that is no sensible path is the image's mistake and must not stop it.
        let Ok(path) = flags::container_path(path) else { continue };
        let mount = Mount::Volume(flags::volume_mount(MountSource::Image, None, path));
        if is_free(mounts, &mount) {
            mounts.push(mount);
        }
    }
    for volume in of(mounts) {
        if volume.name.is_none() {
            volume.name = Some(VolumeName::random()?);
        }
    }
    Ok(config)
}

fn of(mounts: &mut [Mount]) -> impl Iterator<Item = &mut VolumeMount> {
    mounts.iter_mut().filter_map(|mount| match mount {
        Mount::Volume(volume) => Some(volume),
        _ => None,
    })
}

/// The names of all volumes of a request that was settled.
pub(crate) fn names(config: &ContainerConfig) -> Vec<VolumeName> {
    let mut names: Vec<_> = volumes(config).filter_map(|volume| volume.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Those of them that go with the container, where that is wanted.
pub(crate) fn own_names(config: &ContainerConfig) -> Vec<VolumeName> {
    volumes(config).filter(|volume| volume.anonymous).filter_map(|volume| volume.name.clone()).collect()
}

/// All volumes of a request.
fn volumes(config: &ContainerConfig) -> impl Iterator<Item = &VolumeMount> {
    config.files.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume(volume) => Some(volume),
        _ => None,
    })
}

/// Makes those volumes of a container that are not there.
pub(crate) fn make(engine: &Engine, config: &ContainerConfig) -> Result<()> {
    volumes(config).try_for_each(|volume| open(engine, volume).map(drop))
}

fn open(engine: &Engine, mount: &VolumeMount) -> Result<VolumeDir> {
    let name = match &mount.name {
        Some(name) => name.clone(),
        None => VolumeName::random()?,
    };
    let (labels, options) = (mount.labels.clone(), mount.options.clone());
    let volume = Volume { name, created: now(), anonymous: mount.anonymous, labels, options };
    Ok(engine.store()?.use_volume(&volume)?)
}

/// What each volume is, by where it appears.
pub(crate) type Sources = BTreeMap<ContainerPath, VolumeSource>;

/// Sees to the volumes: each is there, and at the first start has what the image has at its place. Directories in
/// volumes are mounted by the fds that come along.
pub(crate) fn ready(
    engine: &Engine,
    record: &Container<Record>,
    root: &Root,
    namespace: &UserNamespace,
) -> Result<(Sources, Vec<OwnedFd>)> {
    let config = &record.config.config;
    let (mut sources, mut held) = (Sources::new(), Vec::new());
    for mount in volumes(config) {
        let dir = open(engine, mount)?;
        let mut path = engine.volume_path(&dir.volume.name);
        if record.config.started.is_none() {
            let tree = root.trees.first().filter(|_| config.image != ImageRef::Host);
            first(engine, &dir, mount, tree, namespace.maps())?;
        }
        if let Some(subpath) = &mount.subpath {
            let at = inside(&dir, subpath)?;
            // What was found is what is mounted, whatever a container that has it makes of the path meanwhile.
            let is_dir = sys::fs::open_beneath(&at, ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).is_ok();
            path = format!("/proc/self/fd/{}{}", at.as_raw_fd(), if is_dir { "/." } else { "" }).into();
            held.push(at);
        }
        let options = if dir.volume.is_mounted() { dir.volume.options } else { BTreeMap::new() };
        sources.insert(mount.destination.clone(), VolumeSource { path, options });
    }
    Ok((sources, held))
}

/// The same for a container that was never started and is looked at, whose root is this.
pub(crate) fn fill_first(engine: &Engine, record: &Container<Record>, root: &OwnedFd) -> Result<()> {
    if record.config.started.is_some() {
        return Ok(());
    }
    let maps = record.config.maps.clone().map(|Maps { uids, gids }| IdMaps { uids, gids });
    let mut volumes = volumes(&record.config.config);
    volumes.try_for_each(|mount| first(engine, &open(engine, mount)?, mount, Some(root), maps.as_ref()))
}

/// What a volume starts with.
fn first(
    engine: &Engine,
    dir: &VolumeDir,
    mount: &VolumeMount,
    tree: Option<&OwnedFd>,
    maps: Option<&IdMaps>,
) -> Result<()> {
    if let Some(tree) = tree.filter(|_| mount.copy_up == CopyUp::Copy && !dir.volume.is_mounted()) {
        fill(engine, dir, mount, tree, maps)?;
    }
    if engine.caller().is_root() { Ok(()) } else { hand_over(dir, maps) }
}

/// An empty volume of a user whom his container does not know is root's there.
fn hand_over(dir: &VolumeDir, maps: Option<&IdMaps>) -> Result<()> {
    let Some(maps) = maps else { return Ok(()) };
    let root = maps.host_uid(0).zip(maps.host_gid(0));
    if let Some((uid, gid)) = root.filter(|_| maps.uids.iter().all(|range| range.host_id != 0))
        && dir.is_empty()?
    {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let given = sys::fs::fchownat(dir.data()?, "", uid, gid, AtFlags::EMPTY_PATH);
        given.map_err(Error::system("give the volume to the container's root"))?;
    }
    Ok(())
}

fn inside(dir: &VolumeDir, subpath: &str) -> Result<OwnedFd> {
    let at = RootDir::new(dir.data()?).open(subpath, OFlags::PATH, Mode::empty());
    at.map_err(|source| Error::Subpath { volume: dir.volume.name.to_string(), path: subpath.to_owned(), source })
}

/// Puts into an empty volume what the image has at its place. The path is walked in the root: a link of the image leads
/// nowhere else (CVE-2022-23648).
fn fill(engine: &Engine, dir: &VolumeDir, mount: &VolumeMount, tree: &OwnedFd, maps: Option<&IdMaps>) -> Result<()> {
    let tree = tree.try_clone().map_err(|error| Error::File {
        what: "look for a volume's first content in",
        path: "/".into(),
        source: sys::Error::new(
            "fcntl",
            "F_DUPFD_CLOEXEC",
            sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO),
        ),
    })?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Ok(from) = RootDir::new(tree).open(mount.destination.as_str(), flags, Mode::empty()) else { return Ok(()) };
    // Root sees the files of a container with ids of its own by the machine's ids; in a volume they have the container's.
    let back = maps.filter(|_| engine.caller().is_root()).map(back);
    let ownership =
        back.as_ref().map_or(Ownership::AsRecorded, |maps| Ownership::Mapped { uids: &maps.uids, gids: &maps.gids });
    Ok(engine.store()?.fill_volume(dir, from, ownership)?)
}

/// From the machine's ids to the container's; what is nobody's stays so.
fn back(maps: &IdMaps) -> Maps {
    const NOBODY: IdMapping = IdMapping { container_id: 65_534, host_id: 65_534, size: 1 };
    let mut back = Maps { uids: maps.uids.clone(), gids: maps.gids.clone() }.reversed();
    for map in [&mut back.uids, &mut back.gids] {
        let has_nobody = |range: &IdMapping| {
            range.container_id <= NOBODY.container_id && NOBODY.container_id - range.container_id < range.size
        };
        if !map.iter().any(has_nobody) {
            map.push(NOBODY);
        }
    }
    back
}
