//! Causes, as values: each has the data that was found, reads as a sentence, and knows its remedy.

use super::{Files, Ids, Kernel, Limits, Place, Ports, Program};
use std::fmt;

/// Why a container could not be started, by what it is about.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The command.
    #[error(transparent)]
    Program(Program),
    /// Mounts, and the directory in which the command is to run.
    #[error(transparent)]
    Files(Files),
    /// Users, and their namespaces.
    #[error(transparent)]
    Ids(Ids),
    /// Cgroups and limits.
    #[error(transparent)]
    Limits(Limits),
    /// Published ports.
    #[error(transparent)]
    Ports(Ports),
    /// Where the engine's own data lies.
    #[error(transparent)]
    Place(Place),
    /// What the machine has not.
    #[error(transparent)]
    Kernel(Kernel),
}

impl Cause {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Program(cause) => cause.remedy(),
            Self::Files(cause) => cause.remedy(),
            Self::Ids(cause) => cause.remedy(),
            Self::Limits(cause) => cause.remedy(),
            Self::Ports(cause) => cause.remedy(),
            Self::Place(cause) => cause.remedy(),
            Self::Kernel(cause) => cause.remedy(),
        }
    }
}

/// A cause that was looked for and found.
#[derive(Debug)]
pub struct Diagnosis {
    /// What could not be done, and what the kernel said.
    pub what: String,
    /// Why.
    pub cause: Cause,
    /// What was seen that shows it, where the cause itself does not say so.
    pub evidence: String,
}

impl Diagnosis {
    /// Of a cause that speaks for itself; what could not be done is the error's to say.
    pub(super) fn new(cause: Cause) -> Self {
        Self { what: String::new(), cause, evidence: String::new() }
    }

    /// With what was seen.
    pub(super) fn seen(self, evidence: impl Into<String>) -> Self {
        Self { evidence: evidence.into(), ..self }
    }

    /// With what could not be done.
    pub(super) fn of(self, what: impl Into<String>) -> Self {
        Self { what: what.into(), ..self }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cause)?;
        if self.evidence.is_empty() { Ok(()) } else { write!(f, "; {}", self.evidence) }
    }
}

/// A file of a container, and where it lies on this machine, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// In the container.
    pub inside: String,
    /// On this machine; `None` in an image.
    pub outside: Option<String>,
}

impl Spot {
    /// A command that changes it, to be given where that can be done.
    pub(super) fn change(&self, command: &str) -> String {
        match &self.outside {
            Some(outside) => format!("{command} {outside}"),
            None => format!("in the image: {command} {}", self.inside),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inside)
    }
}
