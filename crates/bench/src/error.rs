//! What can end a benchmark.

use std::path::{Path, PathBuf};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program resisted.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error(transparent)]
    System(#[from] sys::Error),
    /// Cgroups resisted.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// One of those under test failed; a time of failing says nothing.
    #[error("{name} failed with {code}: {command}")]
    Failed {
        /// Who.
        name: String,
        /// Its exit code.
        code: u8,
        /// How it was called.
        command: String,
    },
    /// The process that measures in another mount namespace is gone or talks nonsense.
    #[error("the measuring process in another view said {0:?}")]
    View(String),
    /// A path that cannot be an argument.
    #[error("{} is not UTF-8", .0.display())]
    Path(PathBuf),
    /// The command line is wrong; the text says how.
    #[error("{0} (bench --help)")]
    Usage(String),
}

/// What the parts of the benchmark return.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Says what was being done when the system refused.
pub trait Doing<T> {
    /// Attaches the description, made only on failure.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source: source.into() })
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::Path(path.to_owned()))
}
