//! The places of the engine's own data: full, read-only, closed, or on a file system that cannot carry an overlay.

use super::{Cause, Diagnosis};
use crate::error::Error;
use rustix::fs::StatVfsMountFlags;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::Errno;

/// What is wrong with a place.
#[derive(Debug, thiserror::Error)]
pub enum Place {
    /// No room.
    #[error("the file system at {0} is full")]
    Full(String),
    /// No room for another file.
    #[error("the file system at {0} is full: it can have no more files, whatever room there is (df -i)")]
    NoInodes(String),
    /// Nothing can be written.
    #[error("the file system at {0} is mounted read-only")]
    ReadOnly(String),
    /// Somebody else's.
    #[error("the directory {} belongs to {} and has mode {mode:04o}", directory.display(), whose(*.owner))]
    Closed {
        /// Which.
        directory: PathBuf,
        /// Whose; one who is nobody in a user namespace is somebody else.
        owner: Option<u32>,
        /// Its mode.
        mode: u32,
    },
    /// Overlays cannot have their upper there.
    #[error("{path} lies on {file_system}, on which overlayfs can keep nothing that a container writes")]
    NoOverlay {
        /// The store.
        path: PathBuf,
        /// What it lies on.
        file_system: &'static str,
    },
}

fn whose(owner: Option<u32>) -> String {
    owner.map_or_else(|| "somebody else".to_owned(), |owner| format!("user {owner}"))
}

impl Place {
    pub(super) fn remedy(&self) -> String {
        const OTHERS: &str = "--root and --runroot, or CORACLE_ROOT and CORACLE_RUNROOT";
        match self {
            Self::Full(at) | Self::NoInodes(at) => {
                format!(
                    "make room at {at}: coracle system prune removes what is not used; or name another place: {OTHERS}"
                )
            }
            Self::ReadOnly(at) => {
                format!("mount -o remount,rw {at}, or name a place that you can write: {OTHERS}")
            }
            Self::Closed { .. } => format!("name a place that you can write: {OTHERS}"),
            Self::NoOverlay { .. } => {
                "name a place on ext4, xfs, btrfs or tmpfs: --root DIR, or CORACLE_ROOT".to_owned()
            }
        }
    }
}

/// Looks into a file that could not be made or written.
pub(super) fn look(error: &Error) -> Option<Diagnosis> {
    let (path, errno) = place(error)?;
    at(&path, errno)
}

/// What is wrong at a path where the kernel has said no.
fn at(path: &Path, errno: Errno) -> Option<Diagnosis> {
    let there = path.ancestors().find(|path| path.exists())?;
    let at = || super::mounts::mount_point(&there.to_string_lossy());
    let state = rustix::fs::statvfs(there).ok()?;
    let cause = match errno {
        Errno::NOSPC | Errno::DQUOT if state.f_files > 0 && state.f_ffree == 0 => Place::NoInodes(at()),
        Errno::NOSPC | Errno::DQUOT => Place::Full(at()),
        Errno::ROFS if state.f_flag.contains(StatVfsMountFlags::RDONLY) => Place::ReadOnly(at()),
        Errno::ACCESS | Errno::PERM => {
            let directory = super::mounts::closed(path).or_else(|| {
                let denied = rustix::fs::access(there, rustix::fs::Access::WRITE_OK) == Err(Errno::ACCESS);
                denied.then(|| there.to_owned())
            })?;
            let stat = std::fs::metadata(&directory).ok()?;
            let nobody =
                super::userns::is_inner() && super::number("/proc/sys/kernel/overflowuid") == Some(stat.uid().into());
            let owner = (!nobody).then_some(stat.uid());
            Place::Closed { directory, owner, mode: stat.mode() & 0o7777 }
        }
        _ => return None,
    };
    Some(Diagnosis::new(Cause::Place(cause)))
}

/// The path that an error of the store, or of the engine's own files, is about, and what the kernel said.
fn place(error: &Error) -> Option<(PathBuf, Errno)> {
    let source: &(dyn std::error::Error + 'static) = match error {
        Error::File { path, source, .. } | Error::Monitor(monitor::Error::File { path, source, .. }) => {
            return Some((path.clone(), source.errno));
        }
        Error::Store(store::Error::Sys(source)) => source,
        Error::Store(source) => source,
        _ => return None,
    };
    let mut text = String::new();
    let mut next = Some(source);
    let mut errno = None;
    while let Some(error) = next {
        text.push_str(&error.to_string());
        text.push(' ');
        errno = errno.or_else(|| match (error.downcast_ref::<sys::Error>(), error.downcast_ref::<std::io::Error>()) {
            (Some(error), _) => Some(error.errno),
            (_, Some(error)) => Errno::from_io_error(error),
            _ => None,
        });
        next = error.source();
    }
    // Of all that is said the first path is what it is about.
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"');
    let path = text.split(ends).find(|word| word.starts_with('/') && word.len() > 1)?.trim_end_matches(':');
    Some((PathBuf::from(path), errno?))
}

/// Looks into a store in that directory that cannot be opened or made.
pub(crate) fn of_store(error: Error, root: &Path) -> Error {
    let bottom = match &error {
        Error::Store(store::Error::Io { source, .. }) => Errno::from_io_error(source),
        Error::Store(store::Error::Sys(source)) => Some(source.errno),
        _ => None,
    };
    let diagnosis = bottom.and_then(|errno| at(root, errno));
    super::diagnosed(error, diagnosis)
}

/// Looks into a root that cannot be mounted, with the store at that path.
pub(crate) fn of_root(error: Error, store: &Path) -> Error {
    let is_mount = matches!(&error, Error::System { source, .. }
        if source.call.starts_with("fs") && matches!(source.errno, Errno::INVAL | Errno::OPNOTSUPP | Errno::NODEV));
    let diagnosis = is_mount
        .then(|| unable(store))
        .flatten()
        .map(|file_system| Diagnosis::new(Cause::Place(Place::NoOverlay { path: store.to_owned(), file_system })));
    super::diagnosed(error, diagnosis)
}

/// The file system that a path lies on, if it is one that overlayfs takes no upper on (Linux, overlayfs.rst).
pub(crate) fn unable(path: &Path) -> Option<&'static str> {
    let magic = rustix::fs::statfs(path).ok()?.f_type as u64;
    Some(match magic {
        0x794c_7630 => "another overlay",
        0x6969 => "NFS",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9p",
        0x4d44 => "FAT",
        0x2011_bab0 => "exFAT",
        0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x00c3_6400 => "Ceph",
        0x7371_7368 | 0xe0f5_e1e2 => "a read-only image",
        0xf15f => "eCryptfs",
        _ => return None,
    })
}
