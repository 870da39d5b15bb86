//! What can be wrong with a file.

/// A mistake, which keeps its file from becoming a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line that is neither a section nor a key with a value.
    #[error("line {0}: neither [SECTION] nor KEY=VALUE")]
    Line(usize),
    /// Words whose quotes do not end.
    #[error("{0:?}: a quote does not end")]
    Quote(String),
    /// A section that must be there.
    #[error("there is no section [{0}]")]
    NoSection(&'static str),
    /// A key that must be there.
    #[error("[{section}] says no {keys}")]
    NoKey {
        /// In which section.
        section: &'static str,
        /// The keys of which one must be there.
        keys: &'static str,
    },
    /// A key that nobody knows.
    #[error("[{section}] {key}= is not known")]
    Unknown {
        /// In which section.
        section: String,
        /// The key.
        key: String,
    },
    /// A value that cannot be.
    #[error("[{section}] {key}={value:?}: {why}")]
    Value {
        /// In which section.
        section: &'static str,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What is wrong with it, or would be right.
        why: &'static str,
    },
    /// A kind of file, or of thing that a file names, that is not there yet.
    #[error("{name}: {what} are not there yet")]
    NotYet {
        /// The file.
        name: String,
        /// What it stands for.
        what: &'static str,
    },
}
