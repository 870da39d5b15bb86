//! What can go wrong while a container is held.

use std::path::PathBuf;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A container could not be started, held or cleaned up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The container could not be made or started.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// A file of the run directory.
    #[error("{what} {path}")]
    File {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: sys::Error,
    },
    /// The state file is damaged.
    #[error("the state {path} is damaged")]
    State {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The kernel refused something.
    #[error("{what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: sys::Error,
    },
    /// What it needs beside its process could not be had.
    #[error("the container is not complete")]
    Incomplete,
    /// A signal came before the container was there.
    #[error("interrupted by signal {0} before the container was started")]
    Interrupted(i32),
}

impl Error {
    /// What the kernel refused, as an error of ours.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(sys::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
