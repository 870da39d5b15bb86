//! What can end a task: a check that found something, a program that failed, a system call that did. The exit code is
//! part of it, because `cargo xtask guest` passes on the code of what it ran.

use std::process::ExitCode;

/// The end of a task before its time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is wrong; the text says how.
    #[error("{0} (cargo xtask help)")]
    Usage(String),
    /// A check found something, or something needed is missing; the text says what and, where it is known, what to do.
    #[error("{0}")]
    Found(String),
    /// A file or a program resisted.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another program has said what was wrong; this is its exit code.
    #[error("exit code {0}")]
    Code(u8),
}

/// What tasks return.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// The exit code of the whole task.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Code(code) => ExitCode::from(*code),
            Self::Found(_) | Self::Io { .. } => ExitCode::FAILURE,
        }
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Says what was being done when a system call failed.
pub trait Doing<T> {
    /// Attaches the description, made only on failure.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source: source.into() })
    }
}
