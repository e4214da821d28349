//! Columns that line up on a terminal of any width.
//!
//! Aligned by what a character takes on the screen, not by bytes; every cell is escaped. Titles
//! come from this program, cells from anywhere.

use shared::display::{columns, fit};

/// Blanks between two columns.
const GAP: usize = 2;
/// A column that may be cut keeps this much while others can still be left out.
const KEEP: usize = 16;
/// And this much at the very least.
const LEAST: usize = 6;

/// What one column is and what may happen to it when the line is too long.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    right: bool,
    cut: bool,
    optional: bool,
}

impl Column {
    /// Text: starts at the left.
    pub const fn left(title: &'static str) -> Self {
        Self { title, right: false, cut: false, optional: false }
    }

    /// Numbers: end at the right.
    pub const fn right(title: &'static str) -> Self {
        Self { title, right: true, cut: false, optional: false }
    }

    /// Its cells may be cut (`…`).
    #[must_use]
    pub const fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    /// It may be left out; the rightmost such column goes first.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// Rows under titles.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table of these columns. If all titles are empty there is no title line.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row: one cell for each column, as it came (it is escaped here). Missing cells are
    /// empty, superfluous ones are dropped.
    pub fn row<Cell: Into<String>>(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, none wider than `width` and none with blanks at its end; no rows, no lines.
    pub fn lines(&self, width: usize) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let widths = self.widths(width);
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let titled = self.columns.iter().any(|column| !column.title.is_empty());
        let above = titled.then_some(&titles);
        above.into_iter().chain(&self.rows).map(|row| self.line(row, &widths, width)).collect()
    }

    /// The width of each column, nothing for one that is left out.
    fn widths(&self, width: usize) -> Vec<Option<usize>> {
        let mut widths: Vec<Option<usize>> = (0..self.columns.len())
            .map(|place| {
                let cells = self.rows.iter().filter_map(|row| row.get(place)).map(|cell| columns(cell));
                cells.chain([columns(self.columns[place].title)]).max()
            })
            .collect();
        self.cut(&mut widths, width, KEEP);
        for place in (0..self.columns.len()).rev() {
            if total(&widths) <= width {
                break;
            }
            if self.columns[place].optional {
                widths[place] = None;
            }
        }
        self.cut(&mut widths, width, LEAST);
        widths
    }

    /// Takes what is too much from the columns that may be cut, the widest first, down to `least`.
    fn cut(&self, widths: &mut [Option<usize>], width: usize, least: usize) {
        loop {
            let too_much = total(widths).saturating_sub(width);
            let widest = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, column)| column.cut)
                .filter_map(|(width, _)| width.as_mut())
                .max_by_key(|width| **width);
            match widest {
                Some(widest) if too_much > 0 && *widest > least => {
                    *widest = widest.saturating_sub(too_much).max(least);
                }
                _ => return,
            }
        }
    }

    fn line(&self, row: &[String], widths: &[Option<usize>], width: usize) -> String {
        let mut line = String::new();
        for ((cell, column), kept) in row.iter().zip(&self.columns).zip(widths) {
            let Some(kept) = kept else { continue };
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let shown = fit(cell, *kept);
            let blanks = " ".repeat(kept.saturating_sub(columns(&shown)));
            if column.right {
                line.push_str(&blanks);
                line.push_str(&shown);
            } else {
                line.push_str(&shown);
                line.push_str(&blanks);
            }
        }
        fit(line.trim_end(), width)
    }
}

fn total(widths: &[Option<usize>]) -> usize {
    let kept = widths.iter().flatten();
    kept.clone().sum::<usize>() + GAP * kept.count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn downloads() -> Table {
        let mut table = Table::new([
            Column::right("#"),
            Column::left("name").cut(),
            Column::right("size"),
            Column::right("down").optional(),
            Column::left("by").optional(),
        ]);
        table.row(["1", "linux.iso", "4.70 GB", "54.7 MB/s", "ana"]);
        table.row(["2", "日本 película con nombre muy largo.mkv", "212 MB", "-", "bob carla"]);
        table
    }

    #[test]
    fn columns_line_up_by_what_is_seen() {
        assert_eq!(
            downloads().lines(100),
            [
                "#  name                                       size       down  by",
                "1  linux.iso                               4.70 GB  54.7 MB/s  ana",
                "2  日本 película con nombre muy largo.mkv   212 MB          -  bob carla",
            ]
        );
    }

    #[test]
    fn names_are_cut_before_columns_are_left_out_from_the_right() {
        assert_eq!(downloads().lines(60)[1], "1  linux.iso                   4.70 GB  54.7 MB/s  ana");
        assert_eq!(
            downloads().lines(42),
            [
                "#  name                 size       down",
                "1  linux.iso         4.70 GB  54.7 MB/s",
                "2  日本 película c…   212 MB          -",
            ]
        );
        assert_eq!(downloads().lines(20)[1], "1  linux.i…  4.70 GB");
    }

    #[test]
    fn nothing_to_show_is_no_line_and_titles_may_be_absent() {
        assert!(Table::new([Column::left("name")]).lines(80).is_empty());
        let mut bare = Table::new([Column::left(""), Column::left("")]);
        bare.row(["Shared", "x\x1b[2J\ny"]);
        bare.row(["only one cell"]);
        assert_eq!(bare.lines(80), ["Shared         x\\u{1b}[2J\\ny", "only one cell"]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(cells in prop::collection::vec(".{0,30}", 1..12), width in 0_usize..90) {
            let mut table = Table::new([Column::left("a").cut(), Column::right("b").optional(), Column::left("c")]);
            for row in cells.chunks(3) {
                table.row(row.iter().cloned());
            }
            for line in table.lines(width) {
                prop_assert!(columns(&line) <= width, "{line}");
            }
        }
    }
}
