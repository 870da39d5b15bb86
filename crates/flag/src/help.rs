//! The help of a verb, written from its table.

use super::{Flag, Value};
use std::fmt::Write;

/// What the help says beside the flags.
#[derive(Debug, Clone, Copy)]
pub struct Help {
    /// `run [OPTIONS] IMAGE [COMMAND [ARG...]]`; several forms stand on lines of their own.
    pub usage: &'static [&'static str],
    /// One line.
    pub about: &'static str,
    /// Paragraphs below it.
    pub more: &'static [&'static str],
}

/// The column in which the help of a flag begins; longer flags have it on the next line.
const COLUMN: usize = 34;

/// Writes it, for a terminal of `width` columns; `program` is whose verb it is.
pub fn help<T>(program: &str, help: &Help, flags: &[Flag<T>], width: usize) -> String {
    let width = width.clamp(60, 120);
    let mut text = String::new();
    _ = writeln!(text, "{}\n", help.about);
    for (index, usage) in help.usage.iter().enumerate() {
        let lead = if index == 0 { "Usage:" } else { "      " };
        _ = writeln!(text, "{lead} {program} {usage}");
    }
    for paragraph in help.more {
        text.push('\n');
        wrap(&mut text, paragraph, 0, width);
    }
    let mut headings: Vec<&str> = Vec::new();
    for heading in flags.iter().filter_map(|flag| flag.heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        _ = write!(text, "\n{heading}:\n");
        for flag in flags.iter().filter(|flag| flag.heading == Some(heading)) {
            one(&mut text, flag, width);
        }
    }
    text
}

fn one<T>(text: &mut String, flag: &Flag<T>, width: usize) {
    let mut left = match flag.short {
        Some(short) => format!("  -{short}, --{}", flag.long),
        None => format!("      --{}", flag.long),
    };
    match flag.value {
        Value::Switch(_) => {}
        Value::Takes(name, _) => _ = write!(left, " {name}"),
        Value::May(name, _) => _ = write!(left, " [{name}]"),
    }
    text.push_str(&left);
    if left.len() + 2 > COLUMN {
        text.push('\n');
        text.push_str(&" ".repeat(COLUMN));
    } else {
        text.push_str(&" ".repeat(COLUMN - left.len()));
    }
    wrap(text, flag.help, COLUMN, width);
}

/// Writes `words` up to `width`, further lines from `indent` on; the first line is there already up to `indent`.
fn wrap(text: &mut String, words: &str, indent: usize, width: usize) {
    let mut column = indent;
    for (index, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        const HELP: Help =
            Help { usage: &["x"], about: "About", more: &["many words of a paragraph that goes on and on"] };
        let flags: [Flag<()>; 2] = [
            Flag::<()>::switch("a", |(), _| {}, "short help").under("Some"),
            Flag::<()>::takes(
                "a-very-long-flag",
                "VALUE-WITH-A-NAME",
                |(), _| Ok(()),
                "help that is long enough to wrap twice",
            )
            .short('v')
            .under("Some"),
        ];
        for width in [60, 80, 120] {
            let text = help("coracle", &HELP, &flags, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        }
    }
}
