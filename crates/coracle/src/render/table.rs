//! Columns with three blanks between them, as docker prints them: no lines, no colours, easy to cut.

/// A table whose rows all have as many cells as it has headings.
#[derive(Debug)]
pub struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(headings: [&'static str; N]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row. Control characters, which could only come from a hostile name, are shown as `?`.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| cell.chars().map(|c| if c.is_control() { '?' } else { c }).collect()));
    }
}

impl<const N: usize> std::fmt::Display for Table<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headings = self.headings.map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(headings).chain(self.rows.iter().map(|row| row.to_vec())).collect();
        f.write_str(&columns(&rows))
    }
}

/// Rows below each other, each column as wide as its widest cell.
pub fn columns(rows: &[Vec<String>]) -> String {
    let mut widths = vec![0; rows.iter().map(Vec::len).max().unwrap_or(0)];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 3 - cell.chars().count()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["A", "LONG"]);
        table.row(["wide".to_owned(), "x".to_owned()]);
        table.row(["é\u{1b}[31m".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "A        LONG\nwide     x\né?[31m\n");
    }
}
