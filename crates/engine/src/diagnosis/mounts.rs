//! Mounts that cannot be made, and directories that cannot be entered.

use super::exec::Probe;
use super::tree::{Stop, Tree};
use super::{Cause, Diagnosis, Scene, Spot};
use crate::error::Error;
use crate::{gather, spec};
use runtime::{Error as Failed, Subject};
use rustix::fs::{FileType, StatVfsMountFlags};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::Errno;

/// What is wrong with files and directories.
#[derive(Debug, thiserror::Error)]
pub enum Files {
    /// A directory on the way is closed to the container's user.
    #[error("user {uid} of the container may not search the directory {directory}, which has mode {mode:04o}")]
    NoSearch {
        /// The directory.
        directory: Spot,
        /// Its mode.
        mode: u32,
        /// The user.
        uid: u32,
    },
    /// Its owner is nobody in the container.
    #[error(
        "{0} belongs to an id that the container's user namespace does not have, so not even root may use it there"
    )]
    Unmapped(Spot),
    /// A directory was wanted.
    #[error("{0} is no directory")]
    NoDirectory(Spot),
    /// A file cannot cover a directory.
    #[error("{source_path} is a file, and {destination} in the container is a directory")]
    FileOnDirectory {
        /// What was to be mounted.
        source_path: String,
        /// Where.
        destination: String,
    },
    /// A directory cannot cover a file.
    #[error("{source_path} is a directory, and {destination} in the container is a file")]
    DirectoryOnFile {
        /// What was to be mounted.
        source_path: String,
        /// Where.
        destination: String,
    },
    /// The place of a mount cannot be made.
    #[error("{destination} is not there to mount on, and cannot be made: the root is read-only")]
    NoMountPoint {
        /// Where.
        destination: Spot,
        /// `--rootfs`, if that is where the root comes from.
        rootfs: Option<PathBuf>,
    },
    /// The kernel does not know the file system.
    #[error("this kernel has no file system {0}: it is not in /proc/filesystems")]
    NoFileSystem(String),
    /// What was to be mounted is not there.
    #[error("there is no {path} on this machine")]
    NoSource {
        /// The path.
        path: PathBuf,
        /// A name that is much like it.
        near: Option<PathBuf>,
    },
    /// What was to be mounted cannot be reached.
    #[error(
        "this user may not search the directory {directory}, which belongs to user {owner} and has mode {mode:04o}"
    )]
    SourceClosed {
        /// The directory.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
}

impl Files {
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoSearch { directory, .. } => format!("{}, or choose another --user", directory.change("chmod a+x")),
            Self::Unmapped(Spot { inside, outside }) => {
                let path = outside.as_ref().unwrap_or(inside);
                format!("its owner or root can open it to all: chmod -R a+rX {path}; or give it to this user by chown")
            }
            Self::NoDirectory(_) => "name a directory".to_owned(),
            Self::FileOnDirectory { source_path, destination } => {
                let name = source_path.rsplit('/').next().unwrap_or(source_path);
                format!("name the file that it is to be: {source_path}:{}/{name}", destination.trim_end_matches('/'))
            }
            Self::DirectoryOnFile { destination, .. } => {
                let above = destination.rsplit_once('/').map_or("/", |(above, _)| above);
                format!("name a file of it, or mount it elsewhere, such as at {above}/{NEW_NAME}")
            }
            Self::NoMountPoint { destination, rootfs: Some(rootfs) } => format!(
                "make it where that can be written ({}), or let an overlay do it: --rootfs {}:O",
                destination.change("mkdir -p"),
                rootfs.display()
            ),
            Self::NoMountPoint { destination, rootfs: None } => destination.change("mkdir -p"),
            Self::NoFileSystem(name) => format!("load its module: modprobe {name}; or choose one of /proc/filesystems"),
            Self::NoSource { near: Some(near), .. } => format!("did you mean {}?", near.display()),
            Self::NoSource { path, .. } => format!("make it first: mkdir -p {}", path.display()),
            Self::SourceClosed { directory, .. } => {
                format!("its owner or root can open it: chmod a+x {}", directory.display())
            }
        }
    }
}

/// A name for a directory that is to be made.
const NEW_NAME: &str = "mounted";

/// A walk in the container's files that has ended early.
pub(super) fn stopped(stop: Stop) -> Option<Diagnosis> {
    Some(Diagnosis::new(Cause::Files(match stop {
        Stop::NoDirectory(spot) => Files::NoDirectory(spot),
        Stop::Refused(spot) => Files::Unmapped(spot),
        Stop::Absent { .. } | Stop::Unknown => return None,
    })))
}

/// Looks into a step of the start.
pub(super) fn look(error: &Failed, scene: &Scene<'_>) -> Option<Diagnosis> {
    let Failed::Step { subject, errno, .. } = error else { return None };
    let tree = Tree::new(scene);
    match subject {
        Subject::Cwd => directory(scene, &tree),
        Subject::Mount(index) => mount(scene, &tree, *index, *errno),
        _ => None,
    }
}

/// Why the command's directory cannot be entered.
fn directory(scene: &Scene<'_>, tree: &Tree<'_>) -> Option<Diagnosis> {
    let process = scene.spec.process.as_ref()?;
    let probe = Probe { scene, tree, uid: process.user.uid };
    match tree.walk(&process.cwd) {
        Ok(found) if !found.is(FileType::Directory) => {
            Some(Diagnosis::new(Cause::Files(Files::NoDirectory(found.spot))))
        }
        Ok(found) => probe.closed(&found).or_else(|| {
            let shut = !probe.may(&found.stat, 1);
            shut.then(|| probe.shut(&found.spot, &found.stat))
        }),
        Err(stop) => stopped(stop),
    }
}

fn mount(scene: &Scene<'_>, tree: &Tree<'_>, index: usize, errno: Errno) -> Option<Diagnosis> {
    let mount = scene.spec.mounts.get(index)?;
    let destination = mount.destination.clone();
    let files = |cause| Some(Diagnosis::new(Cause::Files(cause)));
    match errno {
        Errno::NOTDIR | Errno::ISDIR => {
            let source_path = mount.source.clone()?;
            let is_dir = rustix::fs::stat(source_path.as_str()).ok()?;
            let is_dir = FileType::from_raw_mode(is_dir.st_mode) == FileType::Directory;
            let root = Tree::without_mounts(scene);
            let on_dir = match root.walk(&destination) {
                Ok(found) => found.is(FileType::Directory),
                Err(stop) => return stopped(stop),
            };
            match (is_dir, on_dir) {
                (false, true) => files(Files::FileOnDirectory { source_path, destination }),
                (true, false) => files(Files::DirectoryOnFile { source_path, destination }),
                _ => None,
            }
        }
        Errno::ROFS => {
            let root = tree.walk("/").ok()?;
            root.flags().contains(StatVfsMountFlags::RDONLY).then_some(())?;
            let outside = root.spot.outside.map(|root| format!("{}{destination}", root.trim_end_matches('/')));
            let rootfs = match &scene.config.image {
                crate::config::ImageRef::Rootfs(rootfs) => Some(rootfs.path.clone()),
                _ => None,
            };
            files(Files::NoMountPoint { destination: Spot { inside: destination, outside }, rootfs })
        }
        Errno::NODEV => {
            let kind = mount.kind.clone()?;
            (!gather::has_file_system(&kind)).then(|| Diagnosis::new(Cause::Files(Files::NoFileSystem(kind))))
        }
        _ => None,
    }
}

/// Looks into what was to be mounted and cannot be found.
pub(super) fn source(error: &Error) -> Option<Diagnosis> {
    let Error::Spec(spec::Error::Source { flag, path, source }) = error else { return None };
    let of =
        |cause, said: &str| Some(Diagnosis::new(Cause::Files(cause)).of(format!("{flag} {}: {said}", path.display())));
    match source.kind() {
        std::io::ErrorKind::NotFound => {
            of(Files::NoSource { path: path.clone(), near: super::kernel::near(path) }, &super::words(Errno::NOENT))
        }
        std::io::ErrorKind::PermissionDenied => {
            let directory = closed(path)?;
            let stat = std::fs::metadata(&directory).ok()?;
            let cause = Files::SourceClosed { directory, owner: stat.uid(), mode: stat.mode() & 0o7777 };
            of(cause, &super::words(Errno::ACCESS))
        }
        _ => None,
    }
}

/// The first directory on the way to a path of this machine that this process may not search.
pub(super) fn closed(path: &Path) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let shut = |dir: &&Path| rustix::fs::access(*dir, rustix::fs::Access::EXEC_OK) == Err(Errno::ACCESS);
    above.into_iter().find(shut).map(Path::to_owned)
}

/// Where the file system is mounted that a path of this machine lies on.
pub(super) fn mount_point(path: &str) -> String {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let above = |point: &&str| Path::new(path).starts_with(point);
    points.filter(above).max_by_key(|point| point.len()).unwrap_or("/").to_owned()
}
