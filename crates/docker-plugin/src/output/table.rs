//! Tables as docker prints them: no borders, columns of ten or more, three spaces between.
//!
//! Written here because rows may be printed as they come, for which the `tabwriter` crate, like Go's
//! package of that name, wants to see the last one first. Letters that are two columns wide on a screen
//! count as two, as they do for docker since its docker/cli#3568.

use unicode_width::UnicodeWidthStr;

/// The width of a column without cells, and the least space behind the widest cell of one.
const LEAST: usize = 10;
const BETWEEN: usize = 3;

/// The width of a column whose widest cell is this one.
fn width(cell: &str) -> usize {
    LEAST.max(cell.width() + BETWEEN)
}

fn push(line: &mut String, cell: &str, width: usize) {
    line.push_str(cell);
    // A cell that is too long pushes the rest of its row to the right.
    line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()).max(1)));
}

/// Text with a tab behind every cell but the last of a line, as columns. As for Go, a column is made of
/// lines that follow each other: one without a cell there ends it.
pub(super) fn aligned(text: &str) -> String {
    let rows: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut lines = vec![String::new(); rows.len()];
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    for column in 0..columns {
        let goes_on = |row: &Vec<&str>| row.len() > column + 1;
        let mut rest = lines.iter_mut();
        for block in rows.chunk_by(|one, next| goes_on(one) == goes_on(next)) {
            let widest = block.iter().filter(|row| goes_on(row)).map(|row| width(row[column])).max();
            for (row, line) in block.iter().zip(rest.by_ref()) {
                match (row.get(column), widest) {
                    (Some(cell), Some(width)) => push(line, cell, width),
                    (Some(cell), None) => line.push_str(cell),
                    (None, _) => {}
                }
            }
        }
    }
    lines.join("\n")
}

/// Columns whose widths are fixed before the first row, so that rows can be printed as they come.
#[derive(Clone, Debug)]
pub struct Table {
    /// The widths of all columns but the last, the space behind them included.
    widths: Vec<usize>,
}

impl Table {
    /// Columns wide enough for `rows`, headers among them. A later, longer cell pushes the rest
    /// of its row to the right.
    #[must_use]
    pub fn fitting<'a, const N: usize>(rows: impl IntoIterator<Item = &'a [String; N]>) -> Self {
        let mut widths = vec![LEAST; N.saturating_sub(1)];
        for row in rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        Self { widths }
    }

    /// One row, without its line end.
    #[must_use]
    pub fn row(&self, cells: &[impl AsRef<str>]) -> String {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            match self.widths.get(index) {
                Some(width) => push(&mut line, cell.as_ref(), *width),
                None => line.push_str(cell.as_ref()),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, aligned};

    /// What docker's tabwriter makes of the same text.
    #[test]
    fn a_column_ends_where_a_line_has_no_cell_for_it() {
        let cases = [
            ("", ""),
            ("A\tB\na-longer-one\tb\n", "A              B\na-longer-one   b\n"),
            ("äöü-äöü-äöü\tx\ny\tz\n", "äöü-äöü-äöü   x\ny             z\n"),
            ("汉化汉化汉\tx\n", "汉化汉化汉   x\n"),
            ("a-longer-one\tb\nplain\nc\td\n", "a-longer-one   b\nplain\nc         d\n"),
            ("a\tb\tc\nd\te\n", "a         b         c\nd         e\n"),
            ("a\t\n", "a         \n"),
        ];
        for (text, wanted) in cases {
            assert_eq!(aligned(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [["ID", "SIZE", "END"], ["a-longer-id", "1B", "x"]].map(|row| row.map(str::to_owned));
        let table = Table::fitting(&rows);
        assert_eq!(table.row(&rows[0]), "ID            SIZE      END");
        assert_eq!(table.row(&rows[1]), "a-longer-id   1B        x");
    }
}
