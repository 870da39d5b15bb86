//! The one error of all parsers here.

use std::borrow::Cow;
use std::fmt;

/// A value that a flag cannot take: what it was, why not, and what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    value: String,
    why: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
}

impl Invalid {
    /// `value` cannot be taken because of `why`, a lowercase fragment.
    pub fn new(value: impl Into<String>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { value: value.into(), why: why.into(), hint: None }
    }

    /// With what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With "did you mean", if one of `known` is near to `word`; else with `otherwise`, if given.
    #[must_use]
    pub fn suggest<'a>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
        otherwise: Option<&'static str>,
    ) -> Self {
        match (super::nearest(word, known), otherwise) {
            (Some(near), _) => self.hint(format!("did you mean {near}?")),
            (None, Some(text)) => self.hint(text),
            (None, None) => self,
        }
    }

    /// The value as it was given; of a list, the one item that is wrong.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What to do instead, if we know.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.value, self.why)
    }
}

impl std::error::Error for Invalid {}
