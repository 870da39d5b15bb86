//! Words of a shell: whatever is in a value, it stays one word, and whatever is in a comment, it stays one line.

use engine::explanation::{Asked, Explanation};
use std::fmt::Write;

/// A word that means itself.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with(['-', '=']) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Text for a comment: nothing in it ends the line, or speaks to a terminal.
pub fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A script that is being written.
#[derive(Debug, Default)]
pub struct Script {
    /// What is written of it.
    pub text: String,
}

impl Script {
    /// A line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// The comment over a block: under which of the four questions it stands, what it is for, and who asked for it.
    pub fn block(&mut self, heading: &str, intent: &str, asked: Option<String>) {
        let asked = asked.map(|asked| format!("  [{asked}]")).unwrap_or_default();
        _ = writeln!(self.text, "\n# {heading}: {}{}", comment(intent), comment(&asked));
    }
}

/// Who asked for a part of the specification.
pub fn asked(explanation: &Explanation, path: &str) -> Option<String> {
    explanation.origins.iter().find(|(known, _)| known == path).map(|(_, asked)| match asked {
        Asked::Default => "every container".to_owned(),
        other => other.to_string(),
    })
}

/// The same of the first of these that somebody asked for.
pub fn asked_any(explanation: &Explanation, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| asked(explanation, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for text in ["", "a b", "'; rm -rf /; '", "$(x)", "`x`", "a\nb", "-n", "~", "*", "a\\", "é", "#", "=x"] {
            let script = format!("printf %s {}", quote(text));
            let printed = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&printed.stdout), text);
        }
        assert_eq!(quote("/etc/hosts"), "/etc/hosts");
    }

    #[test]
    fn a_comment_stays_one_line() {
        assert_eq!(comment("a\nrm -rf /\u{1b}[2J"), "a?rm -rf /?[2J");
    }
}
