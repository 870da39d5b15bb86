//! A container from both sides, as a page of text under the four questions, and as JSON.

mod files;
mod may;
mod network;
mod sees;
mod uses;

use crate::columns::{cut, plain};
use engine::sides::Sides;
use runtime::Heading;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One object, `version` of this shape first.
pub fn sides_value(sides: &Sides) -> Value {
    let mut value = serde_json::to_value(sides).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("version".to_owned(), json!(1));
    }
    value
}

/// A page of text, no line of it longer than `width` where that can be. `now` is seconds since 1970.
pub fn sides_text(sides: &Sides, width: usize, now: u64) -> String {
    let mut page = Page { text: String::new(), width };
    head(&mut page, sides, now);
    page.heading(Heading::Sees);
    sees::write(&mut page, sides);
    page.heading(Heading::Uses);
    uses::write(&mut page, sides);
    page.heading(Heading::Files);
    files::write(&mut page, sides);
    page.heading(Heading::MayDo);
    may::write(&mut page, sides);
    for note in &sides.notes {
        page.line(&format!("note: {note}"));
    }
    page.text
}

/// Only where paths come from.
pub fn paths_text(sides: &Sides, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    files::paths(&mut page, sides, 0);
    for note in &sides.notes {
        page.line(&format!("note: {note}"));
    }
    page.text
}

/// A page in the making.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn heading(&mut self, heading: Heading) {
        _ = writeln!(self.text, "\n{}", heading.title());
    }

    fn line(&mut self, line: &str) {
        _ = writeln!(self.text, "{}", plain(line));
    }

    /// Words, on as many lines as they take.
    fn words<'a>(&mut self, indent: usize, words: impl IntoIterator<Item = &'a str>) {
        let mut line = " ".repeat(indent);
        for word in words {
            let word = plain(word);
            if line.trim().is_empty() {
                line.push_str(&word);
            } else if line.chars().count() + 1 + word.chars().count() <= self.width {
                line.extend([" ", &word]);
            } else {
                _ = writeln!(self.text, "{line}");
                line = format!("{}{word}", " ".repeat(indent));
            }
        }
        if !line.trim().is_empty() {
            _ = writeln!(self.text, "{line}");
        }
    }

    fn more(&mut self, indent: usize, more: usize, what: &str) {
        if more > 0 {
            _ = writeln!(self.text, "{}and {more} more {what}", " ".repeat(indent));
        }
    }
}

fn head(page: &mut Page, sides: &Sides, now: u64) {
    let id: String = sides.id.chars().take(12).collect();
    page.line(&format!("{}  {id}  of {}", sides.name, sides.image));
    let command = sides.command.join(" ");
    let since = sides.since.map(|since| span(now.saturating_sub(since))).unwrap_or_default();
    if let (true, Some(pid)) = (sides.runs, sides.pid) {
        let word = if sides.paused { "stands still" } else { "runs" };
        page.line(&format!("{word} for {since}, as process {pid} of this machine"));
        return page.line(&cut(&format!("command: {command}"), page.width));
    }
    let ended = match (sides.exit_code, sides.since) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(_)) => "nobody knows how it ended".to_owned(),
        (None, None) => "it was never started".to_owned(),
    };
    page.line(&format!("does not run: {ended}"));
    page.line(&cut(&format!("command: {command}"), page.width));
    page.line("What follows is what was asked for it, and what it has left.");
}

fn span(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// By 1024, with one digit where that says something.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut unit, mut tenths) = (0, u128::from(bytes) * 10);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths.is_multiple_of(10) || tenths >= 1000 {
        return format!("{}{}", tenths / 10, UNITS[unit]);
    }
    format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Who asked, in brackets as `--explain` has it.
fn by(by: Option<&String>) -> String {
    by.filter(|by| !by.is_empty()).map_or_else(String::new, |by| format!("[{by}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_by_1024() {
        for (number, told) in
            [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (1536, "1.5KiB"), (64 << 20, "64MiB"), (u64::MAX, "15.9EiB")]
        {
            assert_eq!(bytes(number), told, "{number}");
        }
    }

    #[test]
    fn words_go_on_on_the_next_line() {
        let mut page = Page { text: String::new(), width: 12 };
        page.words(2, ["one", "two", "three", "four"]);
        assert_eq!(page.text, "  one two\n  three four\n");
    }
}
