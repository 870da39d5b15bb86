//! What an overlay's upper directory changes of its lower layers, and what one tree has otherwise than another.

use crate::apply::OverlayXattrs;
use crate::error::Result;
use crate::lowers::{Found, Lowers, is_whiteout};
use crate::ownership::Ownership;
use crate::walk::{Mounts, Seen, walk, walk_while};
use rustix::fs::{FileType, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is new.
    Added,
    /// It, or something in it, is not as it was.
    Changed,
    /// It is gone.
    Deleted,
}

/// A path below the root, with a slash before it, and what happened to it.
pub type Changed = (Vec<u8>, Change);

/// How to read the upper directory of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// The attributes that the overlay was mounted with.
    pub style: OverlayXattrs,
    /// The layers below, lowest first.
    pub lowers: &'a [BorrowedFd<'a>],
    /// Where something was mounted, without a slash at either end. What lies there and not below was made for that, and
    /// nobody in the container could see it.
    pub mounts: &'a [Vec<u8>],
}

impl Upper<'_> {
    pub(crate) fn is_mount_point(&self, path: &[u8], lowers: &Lowers<'_>) -> sys::Result<bool> {
        let within =
            |mount: &Vec<u8>| path.strip_prefix(&**mount).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        Ok(self.mounts.iter().any(within) && lowers.find(path)?.is_none())
    }
}

/// A path that an upper directory changes, and what it holds there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The path, with a slash before it.
    pub path: Vec<u8>,
    /// What happened to it.
    pub change: Change,
    /// It is a directory.
    pub directory: bool,
    /// Bytes that can be read of it.
    pub size: u64,
    /// Bytes that it takes on disk.
    pub disk: u64,
}

/// What an upper directory changes of the layers below it, in the order of the paths. `ownership` maps the ids of its files
/// to those below. A directory counts as changed when something in it has, or its owner or mode.
pub fn changes(root: impl AsFd, upper: &Upper<'_>, ownership: Ownership<'_>) -> Result<Vec<Changed>> {
    let (details, _) = details(root, upper, ownership, usize::MAX)?;
    Ok(details.into_iter().map(|detail| (detail.path, detail.change)).collect())
}

/// The same with sizes; `false` where there is more than `most` to be looked at, and these are only what came first.
pub fn details(
    root: impl AsFd,
    upper: &Upper<'_>,
    ownership: Ownership<'_>,
    most: usize,
) -> Result<(Vec<Detail>, bool)> {
    let lowers = Lowers::new(upper.lowers, upper.style);
    let (mut changes, mut seen_so_far) = (Vec::new(), 0);
    // Overlayfs copies a directory up before anything is made in it, be it only the place of a mount.
    let mut same = BTreeSet::new();
    walk_while(root.as_fd(), Mounts::Refused, &mut |seen| {
        seen_so_far += 1;
        if seen_so_far > most {
            return Ok(false);
        }
        let below = lowers.find(seen.path)?;
        let path = [b"/", seen.path].concat();
        let change = match (is_whiteout(seen.stat), below) {
            (true, None) => return Ok(true),
            (true, Some(_)) => Change::Deleted,
            (false, None) if upper.is_mount_point(seen.path, &lowers)? => return Ok(true),
            (false, None) => Change::Added,
            (false, Some(Found::Directory(was))) if seen.kind() == FileType::Directory => {
                let owner = ownership.on_disk(seen.stat.st_uid, seen.stat.st_gid, (0, 0));
                if was.mode == seen.stat.st_mode & 0o7777 && owner == Ok((was.uid, was.gid)) {
                    same.insert(path.clone());
                }
                Change::Changed
            }
            (false, Some(_)) => Change::Changed,
        };
        changes.push(detail(path, change, seen));
        Ok(true)
    })?;
    changes.sort_unstable_by(|a, b| (&a.path, a.change).cmp(&(&b.path, b.change)));
    let paths = changes.iter().map(|detail| detail.path.clone());
    let paths: BTreeSet<Vec<u8>> = paths.filter(|path| !same.contains(path)).collect();
    changes.retain(|Detail { path, .. }| {
        let inside = [&**path, b"/"].concat();
        !same.contains(path) || paths.range(inside.clone()..).next().is_some_and(|next| next.starts_with(&inside))
    });
    Ok((changes, seen_so_far <= most))
}

fn detail(path: Vec<u8>, change: Change, seen: &Seen<'_>) -> Detail {
    let bytes = |number: i64| u64::try_from(number).unwrap_or(0);
    let (size, disk) = match (change, seen.kind()) {
        (Change::Added | Change::Changed, FileType::RegularFile) => {
            (bytes(seen.stat.st_size), bytes(seen.stat.st_blocks).saturating_mul(512))
        }
        _ => (0, 0),
    };
    Detail { path, change, directory: seen.kind() == FileType::Directory, size, disk }
}

/// What `new` has otherwise than `old`, two whole trees; in the order of the paths. A directory in which something is
/// otherwise is changed, too.
pub fn differences(old: impl AsFd, new: impl AsFd) -> Result<Vec<Changed>> {
    let (old, new) = (look(old.as_fd())?, look(new.as_fd())?);
    let mut changes: BTreeMap<Vec<u8>, Change> = BTreeMap::new();
    for (path, is) in &new {
        match old.get(path) {
            None => drop(changes.insert(path.clone(), Change::Added)),
            Some(was) if was != is => drop(changes.insert(path.clone(), Change::Changed)),
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    changes.extend(gone.map(|path| (path.clone(), Change::Deleted)));
    for path in changes.keys().cloned().collect::<Vec<_>>() {
        let mut above = &path[..];
        while let Some(slash) = above.iter().rposition(|&byte| byte == b'/') {
            above = &above[..slash];
            if new.contains_key(above) && old.contains_key(above) {
                changes.entry(above.to_vec()).or_insert(Change::Changed);
            }
        }
    }
    // Of a whole directory that is gone only its name is told.
    let told = |(path, change): &(Vec<u8>, Change)| {
        let above = path.iter().rposition(|&byte| byte == b'/').map(|slash| &path[..slash]);
        *change != Change::Deleted || above.is_none_or(|above| changes.get(above) != Some(&Change::Deleted))
    };
    let all = changes.clone().into_iter().filter(told);
    Ok(all.map(|(path, change)| ([b"/", &*path].concat(), change)).collect())
}

/// What can be told of a path without reading it.
#[derive(PartialEq)]
struct Look {
    mode: u32,
    owner: (u32, u32),
    device: u64,
    content: Content,
}

#[derive(PartialEq)]
enum Content {
    Directory,
    File { size: i64, modified: (i64, i64) },
    Link(Vec<u8>),
    Other,
}

fn look(root: BorrowedFd<'_>) -> Result<BTreeMap<Vec<u8>, Look>> {
    let mut all = BTreeMap::new();
    walk(root, Mounts::Refused, &mut |seen| {
        all.insert(seen.path.to_vec(), of(seen)?);
        Ok(())
    })?;
    Ok(all)
}

#[allow(clippy::useless_conversion, reason = "the types differ between architectures")]
fn of(seen: &Seen<'_>) -> Result<Look> {
    let Stat { st_mode, st_uid, st_gid, st_rdev, st_size, st_mtime, st_mtime_nsec, .. } = *seen.stat;
    let content = match seen.kind() {
        FileType::Directory => Content::Directory,
        FileType::RegularFile => {
            let nanoseconds = i64::try_from(st_mtime_nsec).unwrap_or(0);
            Content::File { size: st_size.into(), modified: (st_mtime.into(), nanoseconds) }
        }
        FileType::Symlink => Content::Link(seen.link()?),
        _ => Content::Other,
    };
    Ok(Look { mode: st_mode, owner: (st_uid, st_gid), device: st_rdev, content })
}
