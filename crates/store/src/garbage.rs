//! What nothing needs any more: blobs and layers that no image and no container leads to.
//!
//! Nobody counts references: what is needed is what the index and the containers' records lead to, looked up while all
//! leases are locked out. Where something cannot be read, what it leads to is not known, and nothing is removed that
//! it might need.
//!
//! Who makes garbage leaves a mark first. Whoever then finds that nobody holds a lease removes it, and the mark; a pull
//! that holds one for minutes makes nobody wait, but looks for the mark when it ends, as does every sweep.

use crate::blob::place;
use crate::container::Container;
use crate::file::{if_there, names, open_dir};
use crate::image::Tagged;
use crate::layers::LAYERS;
use crate::layers::MAPPED;
use crate::lease::Flock;
use crate::{LayerId, LayerMode, Removed, Result, Store};
use oci::digest::{ChainId, Digest};
use oci::image::{Descriptor, Index, LARGEST_DOCUMENT, media_type};
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The mark, in `trash/`.
pub(crate) const GARBAGE: &str = "garbage";
/// How long a lease is waited for: a start holds one for no longer.
const PATIENCE: Duration = Duration::from_millis(500);

impl Store {
    /// There will be something that nothing needs. A disk too full for the mark must not keep anybody from making room.
    pub(crate) fn mark_garbage(&self) {
        let mark = || -> Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE;
            sys::fs::open_beneath(self.dir("trash")?, GARBAGE, flags, Mode::RUSR | Mode::WUSR)?;
            Ok(())
        };
        let _ = mark();
    }

    /// Removes what nothing needs, if somebody has left the mark, and nobody holds a lease now.
    pub fn tidy(&self) -> Result<()> {
        let marked =
            rustix::fs::accessat(self.root(), format!("trash/{GARBAGE}"), rustix::fs::Access::EXISTS, AtFlags::empty());
        if marked.is_ok() { self.collect_within(Duration::ZERO, &mut Removed::default()) } else { Ok(()) }
    }

    /// Removes what nothing needs. Where somebody holds a lease for long, it is left to him.
    pub(crate) fn collect_soon(&self, removed: &mut Removed) -> Result<()> {
        self.collect_within(PATIENCE, removed)
    }

    fn collect_within(&self, patience: Duration, removed: &mut Removed) -> Result<()> {
        match self.alone(patience)? {
            Some(_lock) => self.collect(removed),
            None => Ok(()),
        }
    }

    /// Locks all leases out, if those that are held end in time.
    fn alone(&self, patience: Duration) -> Result<Option<Flock>> {
        let begun = Instant::now();
        loop {
            let lock = Flock::try_exclusive(self.dir(LAYERS)?)?;
            if lock.is_some() || begun.elapsed() >= patience {
                return Ok(lock);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Blobs and layers that nothing leads to, by name; `None` where nobody can tell, because somebody is about to need
    /// some, or because something that leads to others cannot be read.
    pub(crate) fn orphans(&self) -> Result<Option<Vec<String>>> {
        let Some(_lock) = self.alone(PATIENCE)? else { return Ok(None) };
        let Ok(needed) = self.needed() else { return Ok(None) };
        if needed.blobs_unknown || needed.layers_unknown {
            return Ok(None);
        }
        let digests = |dir: BorrowedFd<'_>| -> Result<BTreeSet<Digest>> {
            Ok(names(dir)?.iter().filter_map(|name| Digest::from_hex(name).ok()).collect())
        };
        let blobs = self.all_blobs()?;
        let mut orphans: Vec<_> = blobs.difference(&needed.blobs).map(|digest| format!("blob {digest}")).collect();
        for layers in self.layer_dirs()? {
            let layers = digests(layers.as_fd())?;
            orphans.extend(layers.difference(&needed.layers).map(|digest| format!("layer {digest}")));
        }
        Ok(Some(orphans))
    }

    /// Removes blobs and layers that nothing leads to. All leases are locked out.
    pub(crate) fn collect(&self, removed: &mut Removed) -> Result<()> {
        let needed = self.needed()?;
        if !needed.blobs_unknown {
            for digest in self.all_blobs()?.difference(&needed.blobs) {
                sys::fs::unlinkat(self.root(), place(*digest), AtFlags::empty())?;
                removed.blobs.push(*digest);
            }
        }
        let may_write = LayerMode::current().is_ok_and(|_| self.layer_mode().is_ok());
        if may_write && !needed.blobs_unknown && !needed.layers_unknown {
            self.collect_layers(&needed, removed)?;
        }
        match sys::fs::unlinkat(self.dir("trash")?, GARBAGE, AtFlags::empty()) {
            Err(error) if error.errno != sys::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What images and containers lead to.
    pub(crate) fn needed(&self) -> Result<Needed> {
        let mut needed = Needed::default();
        for tagged in self.tagged()? {
            self.need(&tagged.descriptor, &mut needed, 0);
        }
        for container in self.containers::<IgnoredAny>()? {
            match container {
                Ok(Container { layers, .. }) => needed.layers.extend(layers.iter().map(|id| id.0)),
                Err(_) => needed.layers_unknown = true,
            }
        }
        Ok(needed)
    }

    fn collect_layers(&self, needed: &Needed, removed: &mut Removed) -> Result<()> {
        let trash = self.dir("trash")?;
        let mut in_trash = Vec::new();
        let mut collect = |layers: BorrowedFd<'_>| -> Result<()> {
            for name in names(layers)? {
                let Ok(digest) = Digest::from_hex(&name) else { continue };
                if !needed.layers.contains(&digest) {
                    // Out of sight first: what is cut short is then no half layer, but rubbish.
                    in_trash.push(self.throw_away(layers, &name)?);
                    removed.layers.push(LayerId(digest));
                }
            }
            Ok(())
        };
        collect(self.dir(LAYERS)?.as_fd())?;
        if let Some(mapped) = if_there(self.dir(MAPPED))? {
            for map in names(mapped.as_fd())? {
                collect(open_dir(&mapped, &map)?.as_fd())?;
                // The last layer of a map takes its directory along; nobody makes one meanwhile, without a lease.
                match sys::fs::unlinkat(&mapped, &*map, AtFlags::REMOVEDIR) {
                    Err(error) if error.errno != sys::Errno::NOTEMPTY => return Err(error.into()),
                    _ => {}
                }
            }
        }
        removed.layers.sort_unstable();
        removed.layers.dedup();
        Ok(in_trash.iter().try_for_each(|name| layer::remove_tree(&trash, &**name))?)
    }

    /// Adds what an entry of the index leads to.
    pub(crate) fn need(&self, descriptor: &Descriptor, needed: &mut Needed, depth: usize) {
        needed.blobs.insert(descriptor.digest);
        if media_type::is_index(&descriptor.media_type) && depth < 8 {
            let index = self.read_blob(descriptor, LARGEST_DOCUMENT, "").ok();
            match index.and_then(|bytes| Index::parse(&bytes).ok()) {
                // Manifests for other machines need not be there.
                Some(index) => index
                    .manifests
                    .iter()
                    .filter(|entry| self.has_blob(entry))
                    .for_each(|entry| self.need(entry, needed, depth + 1)),
                None => needed.blobs_unknown = true,
            }
            return;
        }
        match self.image(Tagged { descriptor: descriptor.clone(), names: Vec::new() }) {
            Ok(image) => {
                needed.blobs.insert(image.manifest.config.digest);
                needed.blobs.extend(image.manifest.layers.iter().map(|layer| layer.digest));
                let diff_ids = &image.config.rootfs.diff_ids;
                needed.layers.extend(diff_ids.iter().map(|diff_id| diff_id.0));
                needed.layers.extend(ChainId::of_layers(diff_ids).iter().map(|chain_id| chain_id.0));
            }
            Err(_) => needed.blobs_unknown = true,
        }
    }
}

/// What must stay.
#[derive(Default)]
pub(crate) struct Needed {
    pub blobs: BTreeSet<Digest>,
    pub layers: BTreeSet<Digest>,
    /// Something could not be read, so there may be more.
    pub blobs_unknown: bool,
    pub layers_unknown: bool,
}
