//! What a container has changed of its image, the biggest first.

use super::Mounts;
use crate::error::Result;
use crate::view::{Back, Held};
use layer::{Change, Detail, OverlayXattrs, Upper, details};
use serde::Serialize;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// What was changed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Files, the biggest first; directories only where nothing in them was changed.
    pub list: Vec<ChangedFile>,
    /// How many more there are.
    pub more: usize,
    /// How many were added, changed and deleted.
    pub counts: [usize; 3],
    /// Bytes on disk of all.
    pub disk: u64,
    /// All of it was looked at; else these are only the first of it.
    pub complete: bool,
}

/// A path that was changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedFile {
    /// The path.
    pub path: String,
    /// `added`, `changed` or `deleted`.
    pub change: &'static str,
    /// Bytes that can be read of it.
    pub size: u64,
    /// Bytes that it takes on disk.
    pub disk: u64,
}

/// So many paths are looked at, for a container may have made millions; and so many are told.
const MOST_SEEN: usize = 20_000;
const MOST_TOLD: usize = 1000;

pub(super) fn look(
    upper: &OwnedFd,
    lowers: &[BorrowedFd<'_>],
    style: OverlayXattrs,
    held: &Held,
    mounted: &Mounts,
) -> Result<Changes> {
    let mut mounts = held.mounts();
    let points = mounted.table.iter().map(|line| line.point.trim_matches('/'));
    mounts.extend(points.filter(|point| !point.is_empty()).map(|point| point.as_bytes().to_vec()));
    let back = Back::upper(&held.record);
    let read = || details(upper.as_fd(), &Upper { style, lowers, mounts: &mounts }, back.ownership(), MOST_SEEN);
    // Somebody may have taken away what was about to be opened.
    let (found, complete) = read().or_else(|_| read()).or_else(|_| read()).map_err(store::Error::Tree)?;
    let mut changes = Changes { complete, ..Changes::default() };
    for detail in &found {
        changes.disk += detail.disk;
        changes.counts[detail.change as usize] += 1;
    }
    let holds_others = |at: usize, detail: &Detail| {
        let next = found.get(at + 1);
        let inside = next.and_then(|next| next.path.strip_prefix(&detail.path[..]));
        detail.directory && detail.change != Change::Deleted && inside.is_some_and(|rest| rest.starts_with(b"/"))
    };
    let mut told: Vec<&Detail> =
        found.iter().enumerate().filter(|(at, detail)| !holds_others(*at, detail)).map(|(_, detail)| detail).collect();
    told.sort_by_key(|detail| std::cmp::Reverse((detail.disk, detail.size)));
    changes.more = told.len().saturating_sub(MOST_TOLD);
    let file = |detail: &Detail| ChangedFile {
        path: String::from_utf8_lossy(&detail.path).into_owned(),
        change: match detail.change {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Deleted => "deleted",
        },
        size: detail.size,
        disk: detail.disk,
    };
    changes.list = told.into_iter().take(MOST_TOLD).map(file).collect();
    Ok(changes)
}
