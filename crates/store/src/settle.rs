//! Layers that are directories, put on disk long after they were unpacked, by a process that nobody waits for.
//!
//! A directory layer is a cache of its blob; while its record has a boot id, only this boot knows that it is whole. One
//! syncfs(2) covers all that were there before it, and their records then lose the id. Which these are is fixed first,
//! by open directories and not by names: a layer that is removed and unpacked again meanwhile was not covered.

use crate::file::{Sync, names, open_dir, read_record, write_record};
use crate::layers::{LAYERS, MAPPED};
use crate::lease::Flock;
use crate::record::{RECORD, Record};
use crate::temporary::still_named;
use crate::{Result, Store};
use oci::digest::Digest;
use std::os::fd::{AsFd, OwnedFd};

/// A layer whose record says that it may not be on disk.
struct Unsettled {
    /// The directory of layers.
    parent: usize,
    name: String,
    dir: OwnedFd,
}

impl Store {
    /// Whether a layer waits to be put on disk.
    pub fn is_unsettled(&self) -> Result<bool> {
        Ok(!unsettled(&self.layer_dirs()?)?.is_empty())
    }

    /// Puts all layers that are directories on disk, so that a power cut takes none of them. Takes its time. One process
    /// at a time does it; whoever finds another at it leaves it to that one, which looks again before it ends.
    pub fn settle(&self) -> Result<()> {
        while self.is_unsettled()? {
            let Some(_lock) = Flock::try_exclusive(self.dir("tmp")?)? else { return Ok(()) };
            let parents = self.layer_dirs()?;
            let found = unsettled(&parents)?;
            sys::fs::syncfs(self.root())?;
            // Without a lease: who removes a layer meanwhile is not kept from it, and what is written goes along.
            for Unsettled { parent, name, dir } in found {
                if !still_named(parents[parent].as_fd(), &name, &dir) {
                    continue;
                }
                let Some(record) = read_record::<Record>(&dir, RECORD)? else { continue };
                match write_record(dir.as_fd(), RECORD, &Record { boot: None, ..record }, Sync::Durable) {
                    Err(error) if error.is_absent() => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// The directories that layers lie in: those with the store's own ids, then those of each other map.
    pub(crate) fn layer_dirs(&self) -> Result<Vec<OwnedFd>> {
        let mut dirs = vec![self.dir(LAYERS)?];
        let mapped = match self.dir(MAPPED) {
            Err(error) if error.is_absent() => return Ok(dirs),
            other => other?,
        };
        for map in names(mapped.as_fd())? {
            if Digest::from_hex(&map).is_ok() {
                match open_dir(&mapped, &map) {
                    Err(error) if error.is_absent() => {}
                    dir => dirs.push(dir?),
                }
            }
        }
        Ok(dirs)
    }
}

fn unsettled(parents: &[OwnedFd]) -> Result<Vec<Unsettled>> {
    let mut found = Vec::new();
    for (parent, layers) in parents.iter().enumerate() {
        for name in names(layers.as_fd())? {
            let Ok(dir) = open_dir(layers, &name) else { continue };
            // One of another boot is unpacked again by who needs it; a sync would keep what the power cut left.
            if let Ok(Some(record)) = read_record::<Record>(&dir, RECORD)
                && record.boot.is_some()
                && !record.is_doubtful()?
            {
                found.push(Unsettled { parent, name, dir });
            }
        }
    }
    Ok(found)
}
