//! Where a path comes from: what each layer has there, which one is seen, and which are hidden by it.
//!
//! Links are followed as the kernel would follow them in the merged tree, one component at a time and by fds within a
//! layer; what is mounted over the layers is somebody else's to know, and ends the search.

use crate::apply::OverlayXattrs;
use crate::lowers::{is_opaque, is_whiteout};
use crate::name::components;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use sys::{Errno, Error, Result};

/// What a layer has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which layer, counted from the lowest, which is 0.
    pub layer: usize,
    /// What it is there.
    pub kind: PlaceKind,
    /// It is what is seen, or a part of it: directories are merged.
    pub seen: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, on disk.
    pub owner: (u32, u32),
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A directory, merged with those below.
    Directory,
    /// One that hides what is below it.
    Opaque,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Special,
    /// Nothing: it says that what is below is gone.
    Whiteout,
}

/// Where a path leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The path without links, with a slash before it.
    pub path: Vec<u8>,
    /// Links on the way, each with its target.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the layers have there, the topmost first.
    pub places: Vec<Place>,
}

/// As many links as the kernel follows.
const LINKS: usize = 40;
/// PATH_MAX.
const LONGEST: usize = 4096;

/// Follows a path through layers, lowest first. Where `is_mounted` says that something lies over a path, nothing below it
/// is looked at for links.
pub fn trace(
    layers: &[BorrowedFd<'_>],
    style: OverlayXattrs,
    path: &[u8],
    is_mounted: &dyn Fn(&[u8]) -> bool,
) -> Result<Trace> {
    let mut trace = Trace::default();
    let mut pending: VecDeque<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
    let mut done: Vec<Vec<u8>> = Vec::new();
    while let Some(part) = pending.pop_front() {
        if part == b".." {
            done.pop();
            continue;
        }
        done.push(part);
        let here = joined(&done);
        if here.len() > LONGEST {
            return Err(Error::new("openat2", String::from_utf8_lossy(path), Errno::NAMETOOLONG));
        }
        if is_mounted(&here) {
            continue;
        }
        let Some(target) = link(layers, style, &here)? else { continue };
        if trace.links.len() == LINKS {
            return Err(Error::new("openat2", String::from_utf8_lossy(path), Errno::LOOP));
        }
        done.pop();
        if target.starts_with(b"/") {
            done.clear();
        }
        for part in components(&target).rev() {
            pending.push_front(part.to_vec());
        }
        trace.links.push((here, target));
    }
    trace.path = joined(&done);
    trace.places = places(layers, style, &trace.path)?;
    Ok(trace)
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    if parts.is_empty() {
        return b"/".to_vec();
    }
    parts.iter().flat_map(|part| [b"/", &part[..]].concat()).collect()
}

/// The target of what is seen at a path, if that is a link.
fn link(layers: &[BorrowedFd<'_>], style: OverlayXattrs, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let seen = places(layers, style, path)?.into_iter().find(|place| place.seen);
    let Some(place) = seen.filter(|place| place.kind == PlaceKind::Link) else { return Ok(None) };
    let Some((dir, name)) = parent(layers[place.layer], path)? else { return Ok(None) };
    let failed = |errno| Error::new("readlinkat", String::from_utf8_lossy(path), errno);
    Ok(Some(rustix::fs::readlinkat(&dir, name, Vec::new()).map_err(failed)?.into_bytes()))
}

/// The directory in a layer that something lies in, and its name; `None` for the root, and where there is none such.
fn parent<'a>(layer: BorrowedFd<'_>, path: &'a [u8]) -> Result<Option<(OwnedFd, &'a [u8])>> {
    let mut parts: Vec<_> = components(path).collect();
    let Some(name) = parts.pop() else { return Ok(None) };
    let mut dir = open_dir(layer, b".")?;
    for part in parts {
        dir = match open_dir(dir.as_fd(), part) {
            Ok(dir) => dir,
            Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(Some((dir, name)))
}

fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    sys::fs::open_beneath(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// What every layer has at a path without links, the topmost first.
fn places(layers: &[BorrowedFd<'_>], style: OverlayXattrs, path: &[u8]) -> Result<Vec<Place>> {
    let parts: Vec<_> = components(path).collect();
    let mut places = Vec::new();
    let mut hidden = false;
    for (layer, root) in layers.iter().enumerate().rev() {
        let (found, hides) = in_layer(*root, style, &parts)?;
        if let Some((kind, stat)) = found {
            let is_directory = matches!(kind, PlaceKind::Directory | PlaceKind::Opaque);
            // A directory is merged with those above it, and whatever else lies below one is hidden.
            let merged = is_directory || !places.iter().any(|place: &Place| place.seen);
            let seen = !hidden && merged && kind != PlaceKind::Whiteout;
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            let size = if kind == PlaceKind::File { size } else { 0 };
            let (mode, owner) = (stat.st_mode & 0o7777, (stat.st_uid, stat.st_gid));
            places.push(Place { layer, kind, seen, size, mode, owner });
            hidden |= !is_directory;
        }
        hidden |= hides;
    }
    Ok(places)
}

/// What one layer has, and whether it hides what those below have.
fn in_layer(root: BorrowedFd<'_>, style: OverlayXattrs, parts: &[&[u8]]) -> Result<(Option<(PlaceKind, Stat)>, bool)> {
    let mut dir = open_dir(root, b".")?;
    let mut hides = false;
    let failed = |name: &[u8], errno| Error::new("newfstatat", String::from_utf8_lossy(name), errno);
    let Some((last, above)) = parts.split_last() else {
        let stat = rustix::fs::fstat(&dir).map_err(|errno| failed(b"/", errno))?;
        return Ok((Some((PlaceKind::Directory, stat)), false));
    };
    for part in above.iter().chain([last]) {
        let is_last = std::ptr::eq(part, last);
        let stat = match rustix::fs::statat(&dir, *part, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok((None, hides)),
            other => other.map_err(|errno| failed(part, errno))?,
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            _ if is_whiteout(&stat) => PlaceKind::Whiteout,
            FileType::Directory => PlaceKind::Directory,
            FileType::RegularFile => PlaceKind::File,
            FileType::Symlink => PlaceKind::Link,
            _ => PlaceKind::Special,
        };
        if kind != PlaceKind::Directory {
            // No directory: nothing of those below is in it.
            return Ok((is_last.then_some((kind, stat)), true));
        }
        dir = open_dir(dir.as_fd(), part)?;
        let opaque = is_opaque(&dir, style)?;
        hides |= opaque;
        if is_last {
            return Ok((Some((if opaque { PlaceKind::Opaque } else { kind }, stat)), hides));
        }
    }
    Ok((None, hides))
}

/// What is seen at a path, if that is a plain file, up to so many bytes. Whoever runs in the container may put something
/// else there at any moment: it is opened without following anything, and without waiting for it.
pub fn read_regular(
    layers: &[BorrowedFd<'_>],
    style: OverlayXattrs,
    path: &[u8],
    most: u64,
) -> Result<Option<Vec<u8>>> {
    let trace = trace(layers, style, path, &|_| false)?;
    let Some(place) = trace.places.iter().find(|place| place.seen && place.kind == PlaceKind::File) else {
        return Ok(None);
    };
    let Some((dir, name)) = parent(layers[place.layer], &trace.path)? else { return Ok(None) };
    let file = sys::fs::open_beneath(&dir, name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
    let is_regular = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !rustix::fs::fstat(&file).is_ok_and(is_regular) {
        return Ok(None);
    }
    // Opened again through procfs only now that it is known to be a plain file.
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    let file = sys::fs::open(again, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
    let mut bytes = Vec::new();
    let read = File::from(file).take(most).read_to_end(&mut bytes);
    Ok(read.is_ok().then_some(bytes))
}
