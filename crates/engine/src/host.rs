//! `host:`, the root that is always there: this machine's own files under a throw-away overlay.
//!
//! An overlay over `/` itself would miss every file system mounted below it, and in a user namespace it is refused
//! (its mounts are locked together). So the root is a tmpfs: links are copied, and each top-level directory, and each
//! disk mounted below one, gets an overlay of its own, whose upper lies on that same tmpfs. Nothing the container
//! does touches the machine; what it can do is read. Coracle's own data, /run, and /tmp with the sockets of others
//! are not there. Of the same kind, and smaller, is what `coracle debug` takes its tools from.

mod survey;

pub use survey::{Extent, Pieces};

use crate::engine::Locations;
use crate::error::{Error, Result};
use crate::spec::IdMaps;
use crate::stage::Stage;
use runtime::rootfs::Item;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use survey::EMPTY;
use sys::mount::{FsContext, attr};

/// The pieces of the root. `place` is a directory for a [`Stage`], which older kernels need.
pub fn pieces(
    locations: &Locations,
    extent: Extent,
    place: &Path,
    shift: Option<(&OwnedFd, &IdMaps)>,
    owner: Option<Owner>,
    user_xattrs: bool,
) -> Result<Vec<Item>> {
    // In a user namespace a directory with mounts below it is locked together with them, and cannot be a lower.
    let found = Pieces::of_machine(locations, user_xattrs, extent)?;
    let root = tmpfs("host:")?;
    give(&root, Path::new(""), owner)?;
    for (path, mode) in &found.directories {
        directory(&root, path, *mode)?;
        give(&root, path, owner)?;
    }
    for (path, target) in &found.links {
        sys::fs::symlinkat(target, &root, path.strip_prefix("/").unwrap_or(path)).map_err(Error::system(WHAT))?;
    }
    if extent == Extent::Tools
        && let Ok(cache) = std::fs::read(CACHE)
    {
        // A copy, for a file of the machine's would be one mount away from being written.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        sys::fs::open_beneath(&root, &CACHE[1..], flags, Mode::from_raw_mode(0o644))
            .and_then(|file| sys::fs::write_all(file, &cache))
            .map_err(Error::system(WHAT))?;
    }
    let attributes = attr::NODEV | if extent == Extent::Tools { attr::NOSUID } else { 0 };
    let overlays = Overlays { shift, owner, user_xattrs, attributes, stage: None };
    let made = overlays.make(&tmpfs("coracle")?, &found.overlays).or_else(|error| match error {
        Error::System { source, .. } if source.errno == sys::Errno::INVAL => {
            let stage = Stage::enter(place)?;
            Overlays { stage: Some(&stage), ..overlays }.make(stage.tmpfs(), &found.overlays)
        }
        other => Err(other),
    })?;
    let mut items = vec![Item::Mount { at: "/".to_owned(), mount: root }];
    items.extend(made);
    for path in found.files {
        items.push(file(&path)?);
    }
    items.extend(hide(locations, extent));
    Ok(items)
}

/// Where the dynamic linker finds libraries that are in none of its own places (ldconfig(8)).
const CACHE: &str = "/etc/ld.so.cache";

/// Of what the root is made, for who makes one like it.
pub fn explained(locations: &Locations, user_xattrs: bool) -> Result<Pieces> {
    let mut pieces = Pieces::of_machine(locations, user_xattrs, Extent::Whole)?;
    pieces.covered = hidden(locations);
    Ok(pieces)
}

const WHAT: &str = "put together the root of host:";

fn tmpfs(source: &str) -> Result<OwnedFd> {
    let tmpfs = FsContext::open("tmpfs").map_err(Error::system(WHAT))?;
    tmpfs.set("mode", "755").and_then(|tmpfs| tmpfs.set("source", source)).map_err(Error::system(WHAT))?;
    tmpfs.mount(attr::NODEV).map_err(Error::system(WHAT))
}

/// A file beside a directory that had to be taken apart; read-only, since it is the machine's own.
fn file(path: &Path) -> Result<Item> {
    use sys::mount::{CLONE, EMPTY_PATH, MountAttr, mount_setattr, open_tree, propagation};
    let mount = open_tree(CWD, path, CLONE).map_err(Error::system(WHAT))?;
    let attributes = MountAttr { set: attr::RDONLY, propagation: propagation::PRIVATE, ..MountAttr::default() };
    mount_setattr(&mount, "", EMPTY_PATH, &attributes).map_err(Error::system(WHAT))?;
    Ok(Item::Mount { at: path.to_string_lossy().into_owned(), mount })
}

fn directory(root: &OwnedFd, path: &Path, mode: u32) -> Result<()> {
    let (path, mode) = (path.strip_prefix("/").unwrap_or(path), Mode::from_raw_mode(mode));
    sys::fs::mkdirat(root, path, mode).and_then(|()| sys::fs::fchmodat(root, path, mode)).map_err(Error::system(WHAT))
}

/// The container's root, as this process knows him: uid and gid. Only where he is not who makes the directories.
pub type Owner = (u32, u32);

/// Gives a directory to the container's root: in it nobody else could make anything.
fn give(root: &OwnedFd, path: &Path, owner: Option<Owner>) -> Result<()> {
    use rustix::fs::{AtFlags, Gid, Uid};
    let Some((uid, gid)) = owner else { return Ok(()) };
    let path = path.strip_prefix("/").unwrap_or(path);
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    sys::fs::fchownat(root, path, uid, gid, AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::system(WHAT))
}

/// How the overlays are made.
#[derive(Clone, Copy)]
struct Overlays<'a> {
    shift: Option<(&'a OwnedFd, &'a IdMaps)>,
    owner: Option<Owner>,
    user_xattrs: bool,
    attributes: u64,
    stage: Option<&'a Stage>,
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
            Some(Ok(mapped)) => match self.stage {
                Some(stage) => stage.attach(mapped).map_err(what)?,
                None => mapped,
            },
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
        self.copy_meta(path, &own).map_err(what)?;
        let xattrs = if self.user_xattrs { store::XattrStyle::User } else { store::XattrStyle::Trusted };
        let options = store::overlay::Options { xattrs, volatile: true, attributes: self.attributes };
        store::overlay::mount(&[lower], Some(own.as_fd()), &options).map(Some).map_err(what)
    }

    /// The upper's root is what the directory looks like.
    fn copy_meta(&self, path: &Path, scratch: &OwnedFd) -> sys::Result<()> {
        use rustix::fs::{AtFlags, Gid, Uid};
        use std::os::unix::fs::MetadataExt;
        let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
        let (uid, gid) = match (self.shift, self.owner) {
            (Some((_, maps)), _) => {
                (maps.host_uid(meta.uid()).unwrap_or(meta.uid()), maps.host_gid(meta.gid()).unwrap_or(meta.gid()))
            }
            // Most of the machine's directories belong to ids that are none here.
            (None, Some(owner)) => owner,
            (None, None) => (meta.uid(), meta.gid()),
        };
        if (uid, gid) != (0, 0) && rustix::process::geteuid().is_root() {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            // An id that is not mapped here cannot be given: the directory is root's then.
            let _ = sys::fs::fchownat(scratch, store::UPPER, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
        }
        sys::fs::fchmodat(scratch, store::UPPER, Mode::from_raw_mode(meta.mode() & 0o7777))
    }
}

/// Coracle's own directories, and places where others leave sockets, covered by something empty.
fn hide(locations: &Locations, extent: Extent) -> Vec<Item> {
    hidden(locations).iter().filter(|path| extent.has(path)).map(|path| covered(path)).collect()
}

/// Directories of this machine that are not there.
pub(crate) fn hidden(locations: &Locations) -> Vec<PathBuf> {
    let standard = [PathBuf::from("/var/lib/coracle"), PathBuf::from("/var/tmp")];
    let ours = [locations.root.clone(), locations.runroot.clone()];
    let mut hidden: Vec<PathBuf> = Vec::new();
    for path in standard.into_iter().chain(ours) {
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let gone = EMPTY.iter().any(|(empty, _)| path.starts_with(empty));
        let covered = hidden.iter().any(|other| path.starts_with(other));
        if !gone && !covered && path.is_dir() {
            hidden.push(path);
        }
    }
    hidden
}

fn covered(path: &Path) -> Item {
    use runtime::rootfs::{FileSystem, Parameter};
    let mode = if path == Path::new("/var/tmp") { "1777" } else { "755" };
    let parameters = vec![Parameter::Text("mode".to_owned(), mode.to_owned())];
    let file_system = FileSystem { kind: "tmpfs".to_owned(), parameters, attributes: attr::NODEV | attr::NOSUID };
    Item::FileSystem { at: path.to_string_lossy().into_owned(), file_system }
}
