//! What an overlay's upper directory changes of its lower layers, and what one tree has otherwise than another.

use crate::apply::OverlayXattrs;
use crate::error::Result;
use crate::lowers::{Lowers, is_whiteout};
use crate::walk::{Seen, walk};
use rustix::fs::{FileType, Stat};
use std::collections::BTreeMap;
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

/// What an upper directory changes of the layers below it, lowest first; in the order of the paths.
pub fn changes(upper: impl AsFd, style: OverlayXattrs, lowers: &[BorrowedFd<'_>]) -> Result<Vec<Changed>> {
    let lowers = Lowers::new(lowers, style);
    let mut changes = Vec::new();
    walk(upper.as_fd(), &mut |seen| {
        let below = lowers.find(seen.path)?.is_some();
        let change = match (is_whiteout(seen.stat), below) {
            (true, false) => return Ok(()),
            (true, true) => Change::Deleted,
            (false, true) => Change::Changed,
            (false, false) => Change::Added,
        };
        changes.push(([b"/", seen.path].concat(), change));
        Ok(())
    })?;
    changes.sort_unstable();
    Ok(changes)
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
    walk(root, &mut |seen| {
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
