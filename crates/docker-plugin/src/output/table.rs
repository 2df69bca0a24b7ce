//! Tables as docker prints them: no borders, columns of ten or more, three spaces between.

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
        let mut widths = vec![10; N.saturating_sub(1)];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count() + 3);
            }
        }
        Self { widths }
    }

    /// One row, without its line end.
    #[must_use]
    pub fn row(&self, cells: &[impl AsRef<str>]) -> String {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let cell = cell.as_ref();
            line.push_str(cell);
            if let Some(width) = self.widths.get(index) {
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()).max(1)));
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_line_up() {
        let rows = [["ID", "SIZE", "END"], ["a-longer-id", "1B", "x"]].map(|row| row.map(str::to_owned));
        let table = Table::fitting(&rows);
        assert_eq!(table.row(&rows[0]), "ID            SIZE      END");
        assert_eq!(table.row(&rows[1]), "a-longer-id   1B        x");
    }
}
