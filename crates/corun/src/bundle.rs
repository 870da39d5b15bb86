//! A bundle: a directory with `config.json` and, as a rule, the root file system.

use crate::error::{Error, Result};
use crate::log::Log;
use oci::runtime::{Process, Spec};
use std::path::{Path, PathBuf};

/// A bundle that was read.
#[derive(Debug)]
pub struct Bundle {
    /// Absolute.
    pub dir: PathBuf,
    /// The name of the specification's file, relative to it.
    pub config: String,
    /// What stands in that.
    pub spec: Spec,
    /// Its process as it stands there, whatever a start adds to that.
    pub process: Process,
}

impl Bundle {
    /// Reads it; `config` is the name of the specification's file, relative to the bundle.
    pub fn read(dir: &Path, config: &str) -> Result<Self> {
        let path = dir.join(config);
        let bytes = std::fs::read(&path).map_err(|source| Error::NoSpec { path: path.clone(), source })?;
        let spec: Spec = oci::runtime::read(&bytes).map_err(|source| Error::Parse { path, source })?;
        let dir = std::fs::canonicalize(dir).map_err(|source| Error::file(dir, source))?;
        let process = spec.process.clone().unwrap_or_default();
        Ok(Self { dir, config: config.to_owned(), spec, process })
    }

    /// Takes the destinations of mounts for what they mean. The specification wants absolute paths in the container; runc
    /// takes others to be relative to the root, and one that begins with the root's own path on the host as if that were
    /// not there.
    pub fn settle_destinations(&mut self, log: &Log) {
        let root = self.spec.root.as_ref().map(|root| self.dir.join(&root.path)).unwrap_or_default();
        let root = root.to_string_lossy();
        for mount in &mut self.spec.mounts {
            let destination = &mut mount.destination;
            if !destination.starts_with('/') {
                log.warning(&format!(
                    "mount destination {destination} is not absolute: it is taken to be relative to /"
                ));
                destination.insert(0, '/');
            }
            let inside = destination.strip_prefix(root.trim_end_matches('/')).filter(|inside| inside.starts_with('/'));
            if let Some(inside) = inside.filter(|_| root.len() > 1) {
                *destination = inside.to_owned();
            }
        }
    }
}
