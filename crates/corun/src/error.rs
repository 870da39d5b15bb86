//! Why a command failed, in the words that callers look for: containerd, CRI-O, podman and dockerd tell failures apart by
//! pieces of these texts.

use crate::container::Status;
use std::path::{Path, PathBuf};

/// What verbs return.
pub type Result<T> = std::result::Result<T, Error>;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The words cannot be understood.
    #[error(transparent)]
    Usage(#[from] flag::Usage),
    /// The words that are no flags are not those that the verb takes.
    #[error("{0}")]
    Arguments(String),
    /// There is no container of this id.
    #[error("container {id:?} does not exist")]
    NoContainer {
        /// The id.
        id: String,
    },
    /// There is one already.
    #[error("container with given ID already exists: {id}")]
    Exists {
        /// The id.
        id: String,
    },
    /// An id is a name of directories and cgroups.
    #[error("invalid container ID format: {id:?}")]
    Id {
        /// The id.
        id: String,
    },
    /// It does not run.
    #[error("container not running")]
    NotRunning,
    /// It is in no state for that.
    #[error("{0}")]
    State(String),
    /// A running container is not deleted without force.
    #[error("cannot delete container {id} that is not stopped: {status}")]
    NotStopped {
        /// The id.
        id: String,
        /// What it is.
        status: Status,
    },
    /// There is no readable `config.json`.
    #[error("JSON specification file {path} not found")]
    NoSpec {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not the JSON that it should be; the text has line and column.
    #[error("{path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A cgroup refuses.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
}

impl Error {
    /// A file's error.
    pub fn file(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::File { path: path.as_ref().to_owned(), source }
    }

    /// What to do about it, where we know.
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSpec { .. } => Some("--bundle names the directory with config.json and the root".to_owned()),
            Self::Id { .. } => Some("an id is made of letters, digits and _ + - .".to_owned()),
            Self::NotStopped { .. } => Some("--force kills it first".to_owned()),
            Self::Usage(flag::Usage::Unknown { near: Some(near), .. }) => Some(format!("did you mean {near}?")),
            Self::Usage(_) | Self::Arguments(_) => Some("--help lists what there is".to_owned()),
            Self::Runtime(error) => error.hint(),
            _ => None,
        }
    }

    /// A container was on its way, and its start has failed.
    pub fn is_of_a_start(&self) -> bool {
        use runtime::Error::{BindSource, Ended, NotExecutable, NotFound, Step};
        let Self::Runtime(error) = self else { return false };
        matches!(error, BindSource { .. } | Ended(_) | NotExecutable { .. } | NotFound { .. } | Step { .. })
    }

    /// What the container's process itself has to say: in runc it is that which executes the command, and says what the
    /// kernel answers where no runtime is before it any more. Callers read these words.
    pub fn of_the_command(&self) -> Option<String> {
        match self {
            Self::Runtime(runtime::Error::NotExecutable { command, errno: sys::Errno::NOENT, .. }) => {
                Some(format!("exec {command}: no such file or directory"))
            }
            _ => None,
        }
    }

    /// The error with its causes and its remedy, on one line.
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str(" (");
            text.push_str(&hint);
            text.push(')');
        }
        text.replace('\n', " ")
    }
}

/// Says what a failed call of ours was for.
pub trait What<T> {
    /// Adds the words.
    fn what(self, what: &'static str) -> Result<T>;
}

impl<T> What<T> for sys::Result<T> {
    fn what(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error::Runtime(runtime::Error::System { what, source }))
    }
}
