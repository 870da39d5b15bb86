//! What the verbs that print have in common.

use super::Failure;
use engine::flags::Invalid;
use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;

/// The help of one of our verbs.
pub fn help<T>(text: &flag::Help, flags: &[flag::Flag<T>], width: usize) -> String {
    flag::help("coracle", text, flags, width)
}

/// `--format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: docker's field names, one object a line.
    Json,
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "table" => Ok(Self::Table),
            "json" | "{{json .}}" => Ok(Self::Json),
            _ if word.contains("{{") => {
                Err(Invalid::new(word, "templates are not there yet").hint("give table or json"))
            }
            _ => Err(Invalid::new(word, "not a format").hint("give table or json")),
        }
    }
}

/// Prints to standard output, all at once.
pub fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::output)
}

/// Lines of text, each with its end.
pub fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// An id as people see it.
pub fn id(id: &str, whole: bool) -> String {
    if whole { id.to_owned() } else { id.chars().take(12).collect() }
}

/// `a=b,c=d`.
pub fn label_list(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}
