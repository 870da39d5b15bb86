//! Keys that stand for flags: tables, and how they are read.

use crate::words::split;
use crate::{Error, Unit};
use std::path::{Component, Path};

/// What becomes of a key's values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Becomes {
    /// The last value, behind this flag.
    Value(&'static str),
    /// Each value, behind this flag.
    Each(&'static str),
    /// Each word of each value, behind this flag.
    Words(&'static str),
    /// This flag, if it is true.
    Switch(&'static str),
    /// This flag, with `=true` or `=false`.
    Truth(&'static str),
    /// Each value, behind a flag and the beginning of its value.
    Begins(&'static str, &'static str),
    /// Each word of each value, as it is.
    Bare,
    /// Looked at elsewhere.
    Elsewhere,
}

pub(crate) type Table = &'static [(&'static str, Becomes)];

/// The flags that a section asks for, in the order of the table.
pub(crate) fn flags(unit: &Unit, section: &'static str, table: Table) -> Result<Vec<String>, Error> {
    if let Some((key, _)) = unit.keys(section).iter().find(|(key, _)| !table.iter().any(|(known, _)| known == key)) {
        return Err(Error::Unknown { section: section.to_owned(), key: key.clone() });
    }
    let mut given = Vec::new();
    for (key, becomes) in table {
        let values = unit.values(section, key);
        match becomes {
            Becomes::Value(flag) => given.extend(values.last().into_iter().flat_map(|value| pair(flag, value))),
            Becomes::Each(flag) => given.extend(values.iter().flat_map(|value| pair(flag, value))),
            Becomes::Begins(flag, begin) => {
                given.extend(values.iter().flat_map(|value| pair(flag, &format!("{begin}{value}"))));
            }
            Becomes::Words(flag) => {
                given.extend(words(unit, section, key)?.iter().flat_map(|word| pair(flag, word)));
            }
            Becomes::Bare => given.extend(words(unit, section, key)?),
            Becomes::Switch(flag) => {
                given.extend(truth(unit, section, key)?.filter(|on| *on).map(|_| (*flag).to_owned()));
            }
            Becomes::Truth(flag) => given.extend(truth(unit, section, key)?.map(|on| format!("{flag}={on}"))),
            Becomes::Elsewhere => {}
        }
    }
    Ok(given)
}

/// All words of a key.
pub(crate) fn words(unit: &Unit, section: &str, key: &str) -> Result<Vec<String>, Error> {
    Ok(unit.values(section, key).into_iter().map(split).collect::<Result<Vec<_>, _>>()?.concat())
}

fn pair(flag: &str, value: &str) -> [String; 2] {
    [flag.to_owned(), value.to_owned()]
}

/// A truth as systemd writes it.
pub(crate) fn truth(unit: &Unit, section: &'static str, key: &str) -> Result<Option<bool>, Error> {
    let Some(value) = unit.last(section, key) else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(Some(true)),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(Some(false)),
        _ => Err(Error::Value { section, key: key.to_owned(), value: value.to_owned(), why: "neither true nor false" }),
    }
}

/// A path of the machine: one that begins with a dot starts beside the file that says it.
pub(crate) fn beside(file: &Path, path: &str) -> String {
    if !path.starts_with('.') {
        return path.to_owned();
    }
    let mut whole = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole.to_string_lossy().into_owned()
}
