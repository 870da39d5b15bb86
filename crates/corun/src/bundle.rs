//! A bundle: a directory with `config.json` and, as a rule, the root file system.

use crate::error::{Error, Result};
use oci::runtime::Spec;
use std::path::{Path, PathBuf};

/// A bundle that was read.
#[derive(Debug)]
pub struct Bundle {
    /// Absolute.
    pub dir: PathBuf,
    /// Its `config.json`.
    pub spec: Spec,
}

impl Bundle {
    /// Reads it; `config` is the name of the specification's file, relative to the bundle.
    pub fn read(dir: &Path, config: &str) -> Result<Self> {
        let path = dir.join(config);
        let bytes = std::fs::read(&path).map_err(|source| Error::NoSpec { path: path.clone(), source })?;
        let spec: Spec = serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path, source })?;
        Ok(Self { dir: std::fs::canonicalize(dir).map_err(|source| Error::file(dir, source))?, spec })
    }
}
