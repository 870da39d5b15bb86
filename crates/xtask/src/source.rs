//! Our own source as text: which files there are, and what of a file is code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Result};

/// All Rust files below a directory, in order of their paths; directories named `target` are passed over.
pub fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).doing(|| format!("reading {}", dir.display()))? {
            let entry = entry.doing(|| format!("reading {}", dir.display()))?;
            let (path, kind) = (entry.path(), entry.file_type().doing(|| format!("reading {}", dir.display()))?);
            if kind.is_dir() && entry.file_name() != "target" {
                open.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The same text with the insides of comments, strings and character literals blanked, line for line.
pub fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let in_word = previous.is_alphanumeric() || previous == '_';
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !in_word => raw_string(rest).unwrap_or(0),
            '\'' => character(rest),
            _ => 0,
        };
        let (kept, skipped) = if length == 0 { (c.len_utf8(), 0) } else { (0, length) };
        code.push_str(&rest[..kept]);
        // Line numbers must stay right.
        code.extend(rest[kept..kept + skipped].chars().filter(|c| *c == '\n'));
        if skipped > 0 {
            code.push(' ');
        }
        previous = c;
        rest = &rest[kept + skipped..];
    }
    code
}

/// The length of the block comment that the text starts with; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the string literal that the text starts with, quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal (`r"…"`, `br#"…"#`) that the text starts with, or nothing where it is none.
fn raw_string(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = after_prefix.bytes().take_while(|byte| *byte == b'#').count();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// The length of the character literal that the text starts with, or zero where the quote begins a lifetime.
fn character(text: &str) -> usize {
    let body = &text[1..];
    match body.chars().next() {
        Some('\\') => body[1..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 3),
        Some(c) if body[c.len_utf8()..].starts_with('\'') => 2 + c.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_and_the_rest_is_blanked() {
        let text =
            "let a = 'x'; // one\nlet b = \"two\\\"\"; let 'c = '\\''; /* three /* four */ */ let d = r#\"five\"#;";
        let code = without_comments_and_strings(text);
        for gone in ["one", "two", "three", "four", "five", "x"] {
            assert!(!code.contains(gone), "{gone} is in {code}");
        }
        for kept in ["let a", "let b", "let 'c", "let d"] {
            assert!(code.contains(kept), "{kept} is not in {code}");
        }
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(without_comments_and_strings("fn a<'a>(b: &'a str) {}"), "fn a<'a>(b: &'a str) {}");
    }

    #[test]
    fn an_identifier_that_ends_in_r_starts_no_raw_string() {
        assert_eq!(without_comments_and_strings("for\"x\" after"), "for  after");
    }
}
