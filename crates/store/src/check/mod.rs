//! Whether all in the store is what it should be: blobs, images, layers, containers, volumes and names, and what nothing needs.
//!
//! What can be made again is: a layer out of its blob, an index out of the manifests that are there. What cannot be mended
//! is dropped, each with a word about it. Where nothing is to be changed, others can work meanwhile; a repair locks
//! them out.

mod containers;
mod images;
mod layers;
mod volumes;

use crate::layers::LAYERS;
use crate::{LayerId, Lease, Removed, Result, Store};
use oci::digest::Digest;
use std::collections::BTreeSet;
use std::error::Error as _;

/// How closely a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// At names, records and lengths.
    Quick,
    /// At every byte: blobs are hashed, layers made again and compared.
    Whole,
}

/// What is done about what a check finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// Nothing.
    Nothing,
    /// What can be made again is, and images that cannot are dropped.
    Images,
    /// Containers that cannot be saved are dropped as well, and with them what was written in them.
    Containers,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, such as `blob sha256:…`.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
    /// What was done about it.
    pub done: Option<String>,
}

/// What a check saw.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Nobody could tell what is not needed: somebody pulls, or something cannot be read.
    pub orphans_unknown: bool,
    /// How many blobs it looked at.
    pub blobs: usize,
    /// How many layers, copies for other ids included.
    pub layers: usize,
    /// How many images.
    pub images: usize,
    /// How many containers.
    pub containers: usize,
    /// How many volumes.
    pub volumes: usize,
}

impl Checked {
    /// How many things are still wrong.
    pub fn left(&self) -> usize {
        self.findings.iter().filter(|finding| finding.done.is_none()).count()
    }
}

/// A check on its way.
struct Check<'a> {
    store: &'a Store,
    depth: Depth,
    repair: Repair,
    /// Layers of running containers, under whom nothing is pulled away.
    in_use: &'a BTreeSet<LayerId>,
    lease: Lease,
    checked: Checked,
    /// Blobs that are not what they are called.
    damaged: BTreeSet<Digest>,
    /// Layers that are not what they are called.
    bad_layers: BTreeSet<Digest>,
}

impl Store {
    /// Looks at everything. Layers in `in_use` are not replaced.
    pub fn check(&self, depth: Depth, repair: Repair, in_use: &BTreeSet<LayerId>) -> Result<Checked> {
        let swept = self.sweep()?;
        // Found before anything long begins: to tell what is not needed, others are locked out.
        let orphans = self.orphans()?;
        let layers = self.dir(LAYERS)?;
        let lease = if repair == Repair::Nothing { Lease::shared(layers)? } else { Lease::alone(layers)? };
        let (damaged, bad_layers) = (BTreeSet::new(), BTreeSet::new());
        let checked = Checked { orphans_unknown: orphans.is_none(), ..Checked::default() };
        let mut check = Check { store: self, depth, repair, in_use, lease, checked, damaged, bad_layers };
        for error in swept.failed {
            check.found("what a killed command left", reason(&error), None);
        }
        check.index()?;
        check.blobs()?;
        check.images()?;
        check.layers()?;
        check.containers()?;
        check.volumes()?;
        let mut done = None;
        if check.mends() {
            self.collect(&mut Removed::default())?;
            done = Some("removed");
        }
        for orphan in orphans.unwrap_or_default() {
            check.found(orphan, "nothing needs it", done);
        }
        Ok(check.checked)
    }
}

impl Check<'_> {
    fn found(&mut self, what: impl Into<String>, problem: impl Into<String>, done: Option<&str>) {
        let done = done.map(str::to_owned);
        self.checked.findings.push(Finding { what: what.into(), problem: problem.into(), done });
    }

    /// Whether something is to be done.
    fn mends(&self) -> bool {
        self.repair >= Repair::Images
    }

    /// Does something about what was found, if that is wanted.
    fn mend(
        &mut self,
        what: impl Into<String>,
        problem: impl Into<String>,
        done: &str,
        mend: impl FnOnce(&Store) -> Result<()>,
    ) -> Result<()> {
        let done = if self.mends() {
            mend(self.store)?;
            Some(done)
        } else {
            None
        };
        self.found(what, problem, done);
        Ok(())
    }
}

/// An error with all reasons below it.
fn reason(error: &crate::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
