//! `NAME=VALUE` pairs: labels, annotations, and the line format that `--env-file` and `--label-file` share.

use super::Invalid;
use std::collections::BTreeMap;

/// One line of such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without blanks; not empty.
    pub name: &'a str,
    /// `None` when the line holds no `=`.
    pub value: Option<&'a str>,
}

/// The lines of a file that say something. Blanks before the name go, a line that starts with `#` is a comment, a
/// byte order mark is skipped; quotes and all blanks of the value are part of it. An error names its line.
pub fn lines(content: &[u8]) -> Result<Vec<Line<'_>>, Invalid> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut found = Vec::new();
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let number = number + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(Invalid::new(String::from_utf8_lossy(line), format!("not UTF-8 on line {number}")));
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        if name.is_empty() {
            return Err(Invalid::new(line, format!("no name on line {number}")));
        }
        if name.contains([' ', '\t']) {
            return Err(Invalid::new(name, format!("a name with blanks on line {number}"))
                .hint("quotes and `export` mean nothing in such a file"));
        }
        if line.contains('\0') {
            return Err(Invalid::new(line, format!("a NUL byte on line {number}")));
        }
        found.push(Line { name, value });
    }
    Ok(found)
}

/// `--label-file` contents, then `--label` values, which win: `NAME[=VALUE]`.
pub fn labels<'a>(
    files: impl IntoIterator<Item = &'a [u8]>,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, Invalid> {
    let mut labels = BTreeMap::new();
    for content in files {
        for line in lines(content)? {
            labels.insert(line.name.to_owned(), line.value.unwrap_or_default().to_owned());
        }
    }
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let name = name.trim_start_matches([' ', '\t']);
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(Invalid::new(word, "not a label").hint("write NAME=VALUE; a name holds no blanks"));
        }
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}

/// `--annotation` values: `NAME=VALUE`.
pub fn annotations<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>, Invalid> {
    let pair = |word: &'a str| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Invalid::new(word, "not an annotation").hint("write NAME=VALUE")),
    };
    words.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_command_line_win_over_files() {
        let read = labels([&b"a=file\nb"[..]], ["a=flag", "c", "d=x=y"]).unwrap();
        let expected = [("a", "flag"), ("b", ""), ("c", ""), ("d", "x=y")];
        assert!(read.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn a_label_needs_a_name_without_blanks() {
        for word in ["", "=x", "a b=c", "\t=x"] {
            assert!(labels([], [word]).is_err(), "{word:?}");
        }
    }

    #[test]
    fn an_annotation_needs_a_value() {
        assert!(annotations(["a=1", "b="]).is_ok());
        for word in ["", "a", "=1"] {
            assert!(annotations([word]).is_err(), "{word:?}");
        }
    }
}
