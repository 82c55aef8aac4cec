//! Rows that stand under each other.

use super::words::{aside, shown};

/// A table that is printed a stretch at a time: columns grow with what is in them, and never shrink.
pub(crate) struct Table<const N: usize> {
    head: Option<[&'static str; N]>,
    /// Columns of numbers, which stand to the right.
    right: [bool; N],
    widths: [usize; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these words above its columns; those of numbers begin with `>`.
    pub(crate) fn new(head: [&'static str; N]) -> Table<N> {
        let right = head.map(|word| word.starts_with('>'));
        let head = head.map(|word| word.trim_start_matches('>'));
        Table { head: Some(head), right, widths: head.map(str::len), rows: Vec::new() }
    }

    /// Adds a row, with what a terminal would obey shown as escapes.
    pub(crate) fn add(&mut self, row: [String; N]) {
        let row = row.map(|cell| shown(&cell));
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.chars().count().max(*width);
        }
        self.rows.push(row);
    }

    /// The rows that wait, as lines; the head before the first of all.
    pub(crate) fn take(&mut self) -> String {
        let mut out = String::new();
        if self.rows.is_empty() {
            return out;
        }
        if let Some(head) = self.head.take() {
            out.push_str(&aside(&self.line(&head.map(str::to_owned))));
            out.push('\n');
        }
        for row in std::mem::take(&mut self.rows) {
            out.push_str(&self.line(&row));
            out.push('\n');
        }
        out
    }

    fn line(&self, row: &[String; N]) -> String {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            let blanks = " ".repeat(self.widths[place].saturating_sub(cell.chars().count()));
            let (before, after) = if self.right[place] { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
            if place > 0 {
                line.push_str("  ");
            }
            line.extend([before, cell, after]);
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(["name", ">events"]);
        table.add(["a longer name".into(), "3".into()]);
        table.add(["é\u{1b}[2J".into(), "12345678".into()]);
        let lines = "name             events\na longer name         3\né\\u{1b}[2J     12345678\n";
        let plain = anstream::adapter::strip_str(&table.take()).to_string();
        assert_eq!(plain, lines);
        table.add(["b".into(), "4".into()]);
        assert_eq!(table.take(), "b                     4\n");
    }
}
