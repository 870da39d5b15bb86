//! `cargo xtask style`: the house's rules for a file that a machine can see. A file opens by saying what it is for, holds
//! one noun and therefore stays short, and nothing in it is left for later.

use std::fs;
use std::path::Path;

use crate::error::{Doing as _, Error, Result};
use crate::programs::workspace;
use crate::source;

/// A longer file holds two things.
const LINES: usize = 600;

/// Written in two halves, or this file would break its own rule.
const FOR_LATER: &[&str] = &[concat!("to", "do!("), concat!("unim", "plemented!("), concat!("#[ig", "nore")];
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Checks all files of the workspace and prints each breach on a line of its own.
pub fn run() -> Result {
    let root = workspace();
    let mut breaches = Vec::new();
    let files = source::rust_files(&root.join("crates"))?;
    for path in &files {
        let text = fs::read_to_string(path).doing(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path);
        breaches.extend(breaches_of(&text).into_iter().map(|breach| format!("{}{breach}", Path::display(name))));
    }
    for breach in &breaches {
        eprintln!("style: {breach}");
    }
    if breaches.is_empty() {
        println!("style: {} files in order", files.len());
        return Ok(());
    }
    Err(Error::Found(format!("{} breaches of style", breaches.len())))
}

fn breaches_of(text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(" does not open with //! and what it is for".to_owned());
    }
    let length = text.lines().count();
    if length > LINES {
        breaches.push(format!(" has {length} lines, more than {LINES}"));
    }
    let code = source::without_comments_and_strings(text);
    for (at, line) in code.lines().enumerate() {
        for mark in FOR_LATER.iter().filter(|mark| line.contains(**mark)) {
            breaches.push(format!(":{} has {mark}", at + 1));
        }
    }
    for (at, line) in text.lines().enumerate().filter(|(_, line)| line.contains("//")) {
        let word = |mark: &&&str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == **mark);
        for mark in NOTES.iter().filter(word) {
            breaches.push(format!(":{} has {mark}", at + 1));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_what_it_is_for_is_in_order() {
        assert_eq!(breaches_of("//! For this.\nfn a() {}\n"), [""; 0]);
    }

    #[test]
    fn a_file_that_does_not_is_not() {
        assert_eq!(breaches_of("fn a() {}\n").len(), 1);
    }

    #[test]
    fn what_is_left_for_later_is_found_with_its_line() {
        let text = format!("//! For this.\nfn a() {{ {}) }}\n// {}: b\n", FOR_LATER[0], NOTES[0]);
        let breaches = breaches_of(&text);
        assert!(breaches[0].starts_with(":2 ") && breaches[1].starts_with(":3 "), "{breaches:?}");
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(breaches_of(&format!("//! For this.\n{}", "\n".repeat(600))).len(), 1);
        assert_eq!(breaches_of(&format!("//! For this.\n{}", "\n".repeat(599))), [""; 0]);
    }
}
