//! `corun run`: create, start, hold, delete, as one walk.

use crate::usage::Run;
use oci::runtime::Spec;
use runtime::{Foreground, Holding, Newlines, Request, rootfs::Rootfs};
use std::path::PathBuf;
use sys::signal::Signals;

/// Why a container did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no readable `config.json`.
    #[error("JSON specification file {path} not found")]
    NoSpec {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no spec; the text has line and column.
    #[error("{path}")]
    Parse {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// Signals cannot be taken over.
    #[error("take over the signals")]
    Signals(#[source] sys::Error),
}

impl Error {
    /// What to do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSpec { .. } => Some("--bundle names the directory with config.json and the root".to_owned()),
            Self::Runtime(error) => error.hint(),
            _ => None,
        }
    }
}

/// Runs a container in the foreground; its exit code.
pub fn run(arguments: &Run) -> Result<u8, Error> {
    let path = arguments.bundle.join("config.json");
    let bytes = std::fs::read(&path).map_err(|source| Error::NoSpec { path: path.clone(), source })?;
    let spec: Spec = serde_json::from_slice(&bytes).map_err(|source| Error::Parse { path, source })?;
    let bundle = std::path::absolute(&arguments.bundle).unwrap_or_else(|_| arguments.bundle.clone());
    let signals = Signals::block().map_err(Error::Signals)?;
    let layout = runtime::Layout::detect().map_err(runtime::Error::from)?;
    let container = runtime::create(Request {
        id: &arguments.id,
        spec: &spec,
        bundle: &bundle,
        rootfs: Rootfs::Spec,
        filter: None,
        layout: &layout,
        cgroup: Some(runtime::make_cgroup(&arguments.id, &spec, &layout)?),
        holding: Holding {
            preserve_fds: arguments.preserve_fds,
            die_with_parent: true,
            newlines: Newlines::AsWritten,
            ..Holding::default()
        },
        no_new_keyring: arguments.no_new_keyring,
        ring: None,
    })?;
    let how = Foreground { pass_signals: true, input: true, timeout: None, newlines: Newlines::AsWritten };
    let exit = runtime::hold(&container.handle, container.terminal, &signals, how);
    container.handle.delete()?;
    Ok(exit?.code())
}
