//! For whom the layers of a store were unpacked: which user ids stand in them, and which overlay attributes.
//!
//! A layer unpacked by the machine's root carries the image's ids as they are and `trusted.overlay.*`; one unpacked in
//! a user namespace carries the ids of that namespace's map and `user.overlay.*`, since `trusted.*` needs privileges
//! over the machine. The two cannot be mixed in one overlay, so a store remembers its kind from its first layer on.

use crate::file::{Sync, read_record, write_record};
use crate::lease::Flock;
use crate::{Error, Result, Store};
use serde::{Deserialize, Serialize};

/// The inode number of the machine's own user namespace (`PROC_USER_INIT_INO`, linux/proc_ns.h).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Where overlayfs looks for its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XattrStyle {
    /// `trusted.overlay.*`.
    Trusted,
    /// `user.overlay.*`, with the mount option `userxattr` (Linux 5.11).
    User,
}

impl XattrStyle {
    /// As the layers' crate names it.
    pub fn overlay(self) -> layer::OverlayXattrs {
        match self {
            Self::Trusted => layer::OverlayXattrs::Trusted,
            Self::User => layer::OverlayXattrs::User,
        }
    }
}

/// A line of a user namespace's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// The first id inside.
    pub inside: u32,
    /// What it is outside.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

/// How the layers of a store are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerMode {
    /// The overlay's attributes.
    pub xattrs: XattrStyle,
    /// The map of user ids; empty for the machine's own.
    pub uids: Vec<IdRange>,
    /// The map of group ids; empty for the machine's own.
    pub gids: Vec<IdRange>,
}

impl LayerMode {
    /// What this process would write: read off its user namespace.
    pub fn current() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        let namespace =
            rustix::fs::stat("/proc/self/ns/user").map_err(Error::errno("cannot stat /proc/self/ns/user"))?;
        if namespace.st_ino == INITIAL_USER_NAMESPACE {
            return Ok(Self { xattrs: XattrStyle::Trusted, uids: Vec::new(), gids: Vec::new() });
        }
        let (uids, gids) = (id_map("/proc/self/uid_map")?, id_map("/proc/self/gid_map")?);
        Ok(Self { xattrs: XattrStyle::User, uids, gids })
    }

    /// Whether there is only one id, so that every file belongs to it whatever its tar says.
    pub fn single_id(&self) -> bool {
        !self.uids.is_empty() && self.uids.iter().map(|range| u64::from(range.count)).sum::<u64>() == 1
    }
}

impl std::fmt::Display for LayerMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.uids.is_empty() {
            return f.write_str("the machine's own user ids");
        }
        f.write_str("user ids")?;
        self.uids.iter().try_for_each(|IdRange { inside, outside, count }| write!(f, " {inside}={outside}+{count}"))
    }
}

fn id_map(path: &str) -> Result<Vec<IdRange>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(format!("cannot read {path}")))?;
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next().and_then(std::result::Result::ok);
        Some(IdRange { inside: next()?, outside: next()?, count: next()? })
    };
    let ranges: Option<Vec<_>> = text.lines().map(line).collect();
    ranges.ok_or_else(|| Error::io(format!("cannot understand {path}"))(std::io::ErrorKind::InvalidData.into()))
}

/// `store.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreRecord {
    /// Version of the whole format.
    pub version: u32,
    /// How layers are written, once there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<LayerMode>,
    /// How new layers are unpacked, once that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<crate::Driver>,
}

impl Store {
    /// How this store's layers are written; the first call decides it. Refuses when this process would write them
    /// otherwise.
    pub fn layer_mode(&self) -> Result<LayerMode> {
        let current = LayerMode::current()?;
        if let Some(stored) = self.record()?.layers {
            return self.same(&stored, current);
        }
        let _lock = Flock::exclusive(self.dir(".")?)?;
        let mut record = self.record()?;
        if let Some(stored) = record.layers {
            return self.same(&stored, current);
        }
        record.layers = Some(current.clone());
        write_record(self.root(), crate::store::RECORD, &record, Sync::Durable)?;
        Ok(current)
    }

    fn same(&self, stored: &LayerMode, current: LayerMode) -> Result<LayerMode> {
        if *stored == current {
            return Ok(current);
        }
        let (stored, current) = (stored.to_string(), current.to_string());
        Err(Error::Mode { path: self.path().to_owned(), stored, current })
    }

    pub(crate) fn record(&self) -> Result<StoreRecord> {
        read_record(self.root(), crate::store::RECORD)?.ok_or_else(|| Error::Damaged {
            path: crate::store::RECORD.to_owned(),
            source: serde::de::Error::custom("it is gone"),
        })
    }
}
