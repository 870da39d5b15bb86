//! The forms in which the steps of a start can be had.

use engine::explanation::Explanation;
use std::path::Path;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A tree, for people.
    Text,
    /// For programs.
    Json,
    /// For Perfetto and Chrome.
    Trace,
    /// A page, for people with a browser.
    Html,
    /// A script that does the same by hand.
    Script,
}

impl Form {
    const ALL: [(&str, Self); 5] = [
        ("text", Self::Text),
        ("json", Self::Json),
        ("trace", Self::Trace),
        ("html", Self::Html),
        ("sh", Self::Script),
    ];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, form)| form)
    }

    /// That which the end of a file's name asks for; text, if none.
    pub fn of_file(path: &Path) -> Self {
        path.extension().and_then(|end| end.to_str()).and_then(Self::named).unwrap_or(Self::Text)
    }

    /// The steps in this form.
    pub fn of(self, explanation: &Explanation) -> String {
        match self {
            Self::Text => crate::text(explanation),
            Self::Json => crate::json(explanation),
            Self::Trace => crate::trace(explanation),
            Self::Html => crate::html(explanation),
            Self::Script => crate::script(explanation),
        }
    }
}
