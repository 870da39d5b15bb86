//! Who asked for a part of the specification.

use std::borrow::Cow;
use std::fmt;

/// A place in the specification: its JSON field names joined by dots, a list's item by its own key in brackets, such
/// as `process.env[PATH]`, `mounts[/proc]`, `linux.resources.memory.limit`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecPath(pub(super) Cow<'static, str>);

impl SpecPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpecPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A flag, by its long name.
    Flag(&'static str),
    /// Nobody; it is how containers are.
    Default,
    /// The image's configuration.
    Image,
}

impl Origin {
    /// The flag, or a word for who it was else.
    pub fn word(self) -> &'static str {
        match self {
            Self::Flag(flag) => flag,
            Self::Default => "default",
            Self::Image => "image",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Collects origins while a specification is composed.
#[derive(Debug, Default)]
pub(super) struct Origins(pub(super) Vec<(SpecPath, Origin)>);

impl Origins {
    /// `path` is there because of `origin`.
    pub(super) fn note(&mut self, path: impl Into<Cow<'static, str>>, origin: Origin) {
        self.0.push((SpecPath(path.into()), origin));
    }

    /// A flag if `asked`, else the default.
    pub(super) fn note_if(&mut self, path: impl Into<Cow<'static, str>>, asked: bool, flag: &'static str) {
        self.note(path, if asked { Origin::Flag(flag) } else { Origin::Default });
    }
}
