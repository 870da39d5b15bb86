//! `host:`, the root that is always there: this machine's own files under a throw-away overlay.
//!
//! An overlay over `/` itself would miss every file system mounted below it, and in a user namespace it is refused
//! (its mounts are locked together). So the root is a tmpfs: links are copied, and each top-level directory, and each
//! disk mounted below one, gets an overlay of its own, whose upper lies on that same tmpfs. Nothing the container
//! does touches the machine; what it can do is read. Coracle's own data, /run, and /tmp with the sockets of others
//! are not there.

use crate::engine::Locations;
use crate::error::{Error, Result};
use crate::spec::IdMaps;
use runtime::rootfs::Item;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::mount::{FsContext, attr};

/// Directories that are made empty: the container's own mounts go there, or the host's are nobody's business.
const EMPTY: [(&str, u32); 6] =
    [("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("run", 0o755), ("tmp", 0o1777), ("lost+found", 0o700)];

/// File systems that hold files of their own; anything else mounted below a directory is left out.
const DISKS: [&str; 14] = [
    "ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "overlay", "erofs", "squashfs", "hostfs", "9p",
    "virtiofs",
];

/// The pieces of the root. `fallback` is a directory for the uppers on kernels that want them on an attached mount.
pub fn pieces(
    locations: &Locations,
    fallback: &Path,
    shift: Option<(&OwnedFd, &IdMaps)>,
    user_xattrs: bool,
) -> Result<Vec<Item>> {
    let root = tmpfs("host:")?;
    let mut directories = Vec::new();
    for entry in std::fs::read_dir("/").map_err(|error| unreadable(&error))?.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let path = entry.path();
        if let Some((_, mode)) = name.to_str().and_then(|name| EMPTY.iter().find(|(empty, _)| *empty == name)) {
            directory(&root, name.as_bytes(), *mode)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&path).map_err(|error| unreadable(&error))?;
            sys::fs::symlinkat(&target, &root, &name).map_err(Error::system(WHAT))?;
        } else if kind.is_dir() && rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok() {
            directory(&root, name.as_bytes(), mode_of(&path))?;
            // An empty directory needs no overlay to look like itself.
            if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
                directories.push(path);
            }
        }
    }
    directories.extend(disks_below(&directories));
    directories.retain(|path| !hidden(path, locations));
    let overlays = Overlays { shift, user_xattrs };
    let made = overlays.make(&tmpfs("coracle")?, &directories).or_else(|error| match error {
        // Uppers on a detached mount came with Linux 6.15.
        Error::System { source, .. } if source.errno == sys::Errno::INVAL => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            sys::fs::ensure_dir(CWD, fallback, Mode::RWXU).map_err(Error::file("make", fallback))?;
            let dir = sys::fs::open(fallback, flags, Mode::empty()).map_err(Error::file("open", fallback))?;
            overlays.make(&dir, &directories)
        }
        other => Err(other),
    })?;
    let mut items = vec![Item::Mount { at: "/".to_owned(), mount: root }];
    items.extend(made);
    items.extend(hide(locations));
    Ok(items)
}

const WHAT: &str = "put together the root of host:";

fn unreadable(error: &std::io::Error) -> Error {
    let errno = sys::Errno::from_io_error(error).unwrap_or(sys::Errno::IO);
    Error::System { what: WHAT, source: sys::Error::new("readdir", "/", errno) }
}

fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(0o755, |meta| meta.permissions().mode() & 0o7777)
}

fn tmpfs(source: &str) -> Result<OwnedFd> {
    let tmpfs = FsContext::open("tmpfs").map_err(Error::system(WHAT))?;
    tmpfs.set("mode", "755").and_then(|tmpfs| tmpfs.set("source", source)).map_err(Error::system(WHAT))?;
    tmpfs.mount(attr::NODEV).map_err(Error::system(WHAT))
}

fn directory(root: &OwnedFd, name: &[u8], mode: u32) -> Result<()> {
    let mode = Mode::from_raw_mode(mode);
    sys::fs::mkdirat(root, name, mode).and_then(|()| sys::fs::fchmodat(root, name, mode)).map_err(Error::system(WHAT))
}

/// How the overlays are made.
struct Overlays<'a> {
    shift: Option<(&'a OwnedFd, &'a IdMaps)>,
    user_xattrs: bool,
}

impl Overlays<'_> {
    /// An overlay over each directory, with uppers below `scratch`.
    fn make(&self, scratch: &OwnedFd, directories: &[PathBuf]) -> Result<Vec<Item>> {
        let mut made = Vec::with_capacity(directories.len());
        for (number, path) in directories.iter().enumerate() {
            if let Some(mount) = self.one(scratch, number, path)? {
                made.push(Item::Mount { at: path.to_string_lossy().into_owned(), mount });
            }
        }
        Ok(made)
    }

    fn one(&self, scratch: &OwnedFd, number: usize, path: &Path) -> Result<Option<OwnedFd>> {
        let what = |error| Error::System { what: WHAT, source: error };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let Ok(lower) = sys::fs::open(path, flags, Mode::empty()) else { return Ok(None) };
        let lower = match self.shift.map(|(userns, _)| store::overlay::idmapped(&lower, userns)) {
            None => lower,
            Some(Ok(mapped)) => mapped,
            // A file system that maps no ids (9p, hostfs): its files are shown as nobody's.
            Some(Err(error)) if error.errno == sys::Errno::INVAL => lower,
            Some(Err(error)) => return Err(what(error)),
        };
        let own = number.to_string();
        sys::fs::mkdirat(scratch, own.as_str(), Mode::RWXU).map_err(what)?;
        let own = sys::fs::open_beneath(scratch, own.as_str(), flags, Mode::empty()).map_err(what)?;
        for name in [store::UPPER, store::WORK] {
            sys::fs::mkdirat(&own, name, Mode::RWXU).map_err(what)?;
        }
        copy_meta(path, &own, self.shift.map(|(_, maps)| maps)).map_err(what)?;
        let xattrs = if self.user_xattrs { store::XattrStyle::User } else { store::XattrStyle::Trusted };
        let options = store::overlay::Options { xattrs, volatile: true, attributes: attr::NODEV };
        store::overlay::mount(&[lower], Some(own.as_fd()), &options).map(Some).map_err(what)
    }
}

/// The upper's root is what the directory looks like.
fn copy_meta(path: &Path, scratch: &OwnedFd, shift: Option<&IdMaps>) -> sys::Result<()> {
    use rustix::fs::{AtFlags, Gid, Uid};
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
    let shifted = |id: u32, of: fn(&IdMaps, u32) -> Option<u32>| shift.and_then(|maps| of(maps, id)).unwrap_or(id);
    let (uid, gid) = (shifted(meta.uid(), IdMaps::host_uid), shifted(meta.gid(), IdMaps::host_gid));
    if (uid, gid) != (0, 0) && rustix::process::geteuid().is_root() {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        // An id that is not mapped here cannot be given: the directory is root's then.
        let _ = sys::fs::fchownat(scratch, store::UPPER, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
    }
    sys::fs::fchmodat(scratch, store::UPPER, Mode::from_raw_mode(meta.mode() & 0o7777))
}

/// Disks that are mounted below the directories, shallow ones first.
fn disks_below(directories: &[PathBuf]) -> Vec<PathBuf> {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let kind = after.split(' ').next()?;
            let point = before.split(' ').nth(4)?;
            (DISKS.contains(&kind) && point != "/" && !point.contains('\\')).then(|| PathBuf::from(point))
        })
        .filter(|point| directories.iter().any(|dir| point != dir && point.starts_with(dir)))
        .filter(|point| std::fs::symlink_metadata(point).is_ok_and(|meta| meta.is_dir()))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn hidden(path: &Path, locations: &Locations) -> bool {
    path.starts_with(&locations.root) || path.starts_with(&locations.runroot)
}

/// Coracle's own directories, and places where others leave sockets, covered by something empty.
fn hide(locations: &Locations) -> Vec<Item> {
    let standard = [PathBuf::from("/var/lib/coracle"), PathBuf::from("/var/tmp")];
    let ours = [locations.root.clone(), locations.runroot.clone()];
    let mut hidden: Vec<PathBuf> = Vec::new();
    for path in standard.into_iter().chain(ours) {
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let gone = EMPTY.iter().any(|(name, _)| path.starts_with(Path::new("/").join(name)));
        let covered = hidden.iter().any(|other| path.starts_with(other));
        if !gone && !covered && path.is_dir() {
            hidden.push(path);
        }
    }
    hidden.into_iter().map(|path| covered(&path)).collect()
}

fn covered(path: &Path) -> Item {
    use runtime::rootfs::{FileSystem, Parameter};
    let mode = if path == Path::new("/var/tmp") { "1777" } else { "755" };
    let parameters = vec![Parameter::Text("mode".to_owned(), mode.to_owned())];
    let file_system = FileSystem { kind: "tmpfs".to_owned(), parameters, attributes: attr::NODEV | attr::NOSUID };
    Item::FileSystem { at: path.to_string_lossy().into_owned(), file_system }
}
