//! What is wrong with a template, or with what it asks of a value.

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: at byte {at}: {reason}")]
pub struct Error {
    /// Bytes from the template's start.
    pub at: usize,
    /// What is wrong.
    pub reason: String,
}

impl Error {
    pub(crate) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}
