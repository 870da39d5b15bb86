//! Rows of cells below each other, made to fit a terminal, and text that is harmless there.

/// Text that somebody else may have chosen, as it can be shown: on its line, out of the terminal's controls, and in the order
/// in which it is written.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        // What turns the direction round, and what cannot be seen.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '?',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A table without lines.
#[derive(Debug)]
pub struct Columns {
    indent: usize,
    right: &'static [usize],
    rows: Vec<Vec<String>>,
}

/// No column becomes narrower than that to make a line fit.
const NARROWEST: usize = 12;

impl Columns {
    /// One whose lines begin with so many blanks; the columns with the numbers in `right` are numbers, and stand so.
    pub fn new(indent: usize, right: &'static [usize]) -> Self {
        Self { indent, right, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(plain).to_vec());
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its lines, none longer than `width` where that can be.
    pub fn lines(&self, width: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let apart = |widths: &[usize]| 2 * widths.iter().filter(|width| **width > 0).count().saturating_sub(1);
        while self.indent + widths.iter().sum::<usize>() + apart(&widths) > width {
            match widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > NARROWEST) {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (number, (cell, width)) in row.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0) {
                let cell = cut(cell, *width);
                let blanks = " ".repeat(width - cell.chars().count());
                let (before, after) =
                    if self.right.contains(&number) { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
                line.extend([before, &cell, after, "  "]);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// So much of a text as fits; of a path the end, of anything else the beginning.
pub fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    if text.starts_with('/') {
        return std::iter::once('…').chain(text.chars().skip(length - kept)).collect();
    }
    text.chars().take(kept).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_loses_of_its_widest_cell() {
        let mut columns = Columns::new(2, &[1]);
        columns.row(["name", "7", "a text that goes on and on"]);
        columns.row(["n", "100", "/a/path/that/goes/on/and/on"]);
        let expected = "  name    7  a text that …\n  n     100  …/goes/on/and/on\n";
        let lines = columns.lines(29);
        assert!(lines.lines().all(|line| line.chars().count() <= 29), "{lines}");
        assert_eq!(lines.lines().next().map(|line| &line[..13]), expected.lines().next().map(|line| &line[..13]));
        assert!(lines.ends_with("on/and/on\n"), "the end of a path says more: {lines}");
    }

    #[test]
    fn what_would_move_the_cursor_or_turn_the_line_round_is_a_question_mark() {
        assert_eq!(plain("a\u{1b}[2J\n\u{9b}\u{202e}b\u{feff}é"), "a?[2J???b?é");
    }
}
