//! Rows and columns of words, set for a terminal or for Markdown.

/// A table; its first column is set to the left, the others to the right.
pub(crate) struct Grid {
    rows: Vec<Vec<String>>,
}

/// What is between two columns.
const GAP: &str = "  ";

impl Grid {
    /// A table with these headings.
    pub(crate) fn new(headings: impl IntoIterator<Item = String>) -> Self {
        Self { rows: vec![headings.into_iter().collect()] }
    }

    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table for a terminal of this width: columns that find no room go below, the first one
    /// before them again.
    pub(crate) fn lines(&self, width: usize) -> String {
        let widths = self.widths();
        let first = widths.first().copied().unwrap_or(0);
        let mut lines = String::new();
        let mut from = 1;
        while from < widths.len().max(2) {
            let mut used = first;
            let fits = widths[from.min(widths.len())..].iter().take_while(|column| {
                used += *column + GAP.len();
                used <= width
            });
            let to = from + fits.count().max(1);
            for row in &self.rows {
                lines.push_str(set_row(row, &widths, from..to).trim_end());
                lines.push('\n');
            }
            if to < widths.len() {
                lines.push('\n');
            }
            from = to;
        }
        lines
    }

    /// The table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (row, at) in self.rows.iter().zip(0..) {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if at == 0 {
                text.push_str("|---|");
                row.iter().skip(1).for_each(|_| text.push_str("---:|"));
                text.push('\n');
            }
        }
        text
    }

    /// The width of each column, in letters.
    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            self.rows
                .iter()
                .filter_map(move |row| row.get(column))
                .map(|cell: &String| len(cell))
                .max()
        };
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

/// The first cell and those of the range.
fn set_row(row: &[String], widths: &[usize], columns: std::ops::Range<usize>) -> String {
    let mut line = String::new();
    for (cell, at) in row.iter().zip(0..).filter(|(_, at)| *at == 0 || columns.contains(at)) {
        let room = " ".repeat(widths[at].saturating_sub(len(cell)));
        line.push_str(&if at == 0 {
            format!("{cell}{room}")
        } else {
            format!("{GAP}{room}{cell}")
        });
    }
    line
}

fn len(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut grid = Grid::new(words(&["", "µs", "ratio"]));
        grid.push(words(&["epoll", "1", "1.00"]));
        grid.push(words(&["tokio", "250", "2.50"]));
        grid
    }

    #[test]
    fn numbers_are_set_to_the_right() {
        let lines = "        µs  ratio\nepoll    1   1.00\ntokio  250   2.50\n";
        assert_eq!(grid().lines(80), lines);
    }

    #[test]
    fn columns_without_room_go_below() {
        let lines =
            "        µs\nepoll    1\ntokio  250\n\n       ratio\nepoll   1.00\ntokio   2.50\n";
        assert_eq!(grid().lines(12), lines);
        assert_eq!(grid().lines(1), lines);
    }

    #[test]
    fn markdown_says_how_columns_are_set() {
        let text = "|  | µs | ratio |\n|---|---:|---:|\n| epoll | 1 | 1.00 |\n";
        assert!(grid().markdown().starts_with(text), "{}", grid().markdown());
    }
}
