//! The status rows at the foot of the terminal, as the control sequences that put them there.
//!
//! The rows lie outside the scroll region (DECSTBM), so that whatever is printed or typed scrolls
//! above them. Every sequence saves the cursor and puts it back, holds no line feed, and is meant
//! to be written in one piece: the line editor never notices. Nothing here writes or asks the
//! terminal anything; the screen does.

use std::fmt::Write as _;

use shared::display::fit;

use super::size::Size;

/// A terminal with fewer rows than this has none to spare.
pub(super) const LEAST_TERMINAL_ROWS: usize = 8;
/// More rows than this are a table, not a status.
const MOST_ROWS: usize = 10;

/// Which rows of the terminal are held at the moment.
#[derive(Debug, Default)]
pub(super) struct StatusArea {
    held: usize,
    size: Size,
}

impl StatusArea {
    /// Whether a terminal of this size has room for an area at all.
    pub(super) fn fits(size: Size) -> bool {
        size.rows >= LEAST_TERMINAL_ROWS && size.columns >= 20
    }

    /// Whether rows are held on a terminal that has another size by now.
    pub(super) fn is_displaced(&self, size: Size) -> bool {
        self.held > 0 && self.size != size
    }

    /// The sequence that shows `rows` at the foot of a terminal of `size`, in place of what was there.
    ///
    /// The last row says how many did not fit. No rows, or no room, gives the whole terminal back.
    pub(super) fn draw(&mut self, size: Size, rows: &[String]) -> String {
        if rows.is_empty() || !Self::fits(size) {
            return self.close(size);
        }
        let room = (size.rows / 3).clamp(1, MOST_ROWS);
        let wanted = rows.len().min(room);
        let mut out = String::new();
        if wanted != self.held || size != self.size {
            self.make_room(&mut out, wanted);
            self.held = wanted;
            self.size = size;
        }
        let top = size.rows - wanted;
        // Said again at each draw: a terminal that was reset or resized heals by itself.
        let _ = write!(out, "\x1b7\x1b[1;{top}r");
        let hidden = rows.len() - wanted;
        for (place, row) in rows.iter().take(wanted).enumerate() {
            let more = format!("and {} more", hidden + 1);
            let text = if hidden > 0 && place + 1 == wanted { &more } else { row };
            let _ = write!(out, "\x1b[{};1H\x1b[2K{}", top + 1 + place, fit(text, size.columns - 1));
        }
        out.push_str("\x1b8");
        out
    }

    /// The sequence that blanks the rows and gives the whole terminal back to scrolling; empty when
    /// nothing is held.
    pub(super) fn close(&mut self, size: Size) -> String {
        let mut out = String::new();
        if self.held > 0 {
            self.make_room(&mut out, 0);
            self.held = 0;
        }
        self.size = size;
        out
    }

    /// Opens the scroll region, blanks everything below the cursor's row, and scrolls up as far as
    /// it takes for `wanted` rows to be free below it.
    ///
    /// Where the old rows went after a resize differs between terminals, but they are always
    /// below the cursor. A vertical tab moves down in the same column, scrolls only at the foot, and
    /// unlike a line feed is the same in every line discipline.
    fn make_room(&self, out: &mut String, wanted: usize) {
        let below = self.held.max(wanted);
        out.push_str("\x1b7\x1b[r\x1b8");
        for _ in 0..below {
            out.push_str("\x0b\x1b[2K");
        }
        let _ = write!(out, "\x1b[J\x1b[{below}A");
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;

    fn rows(count: usize) -> Vec<String> {
        (0..count).map(|row| format!("row {row}")).collect()
    }

    fn cells(count: u16) -> NonZero<u16> {
        NonZero::new(count).unwrap()
    }

    fn terminal(rows: u16, columns: u16) -> vt100::Parser {
        vt100::Parser::new(cells(rows), cells(columns), 0)
    }

    fn feed(terminal: &mut vt100::Parser, sequence: &str) {
        terminal.process(sequence.as_bytes());
    }

    fn text(terminal: &vt100::Parser) -> Vec<String> {
        let columns = terminal.screen().size().1.get();
        terminal.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    #[test]
    fn rows_stay_at_the_foot_while_lines_scroll_above() {
        let size = Size { rows: 12, columns: 40 };
        let mut terminal = terminal(12, 40);
        let mut area = StatusArea::default();
        for line in 0..30 {
            feed(&mut terminal, &format!("line {line}\r\n"));
        }
        feed(&mut terminal, "ana> half a li");
        let before = terminal.screen().cursor_position().1;
        feed(&mut terminal, &area.draw(size, &rows(2)));
        assert_eq!(terminal.screen().cursor_position(), (9, before));
        feed(&mut terminal, "\r\x1b[Ka message\r\nana> half a li");
        let shown = text(&terminal);
        assert_eq!(shown[8..], ["a message", "ana> half a li", "row 0", "row 1"]);
        feed(&mut terminal, &area.draw(size, &rows(3)));
        assert_eq!(text(&terminal)[7..], ["a message", "ana> half a li", "row 0", "row 1", "row 2"]);
        feed(&mut terminal, &area.draw(size, &[]));
        assert_eq!(text(&terminal)[7..], ["a message", "ana> half a li", "", "", ""]);
        for line in 0..6 {
            feed(&mut terminal, &format!("\r\nafter {line}"));
        }
        assert_eq!(text(&terminal)[11], "after 5", "the whole terminal scrolls again");
    }

    #[test]
    fn nothing_is_scrolled_away_when_there_is_room_below() {
        let mut terminal = terminal(24, 80);
        feed(&mut terminal, "hello\r\nana> ");
        feed(&mut terminal, &StatusArea::default().draw(Size { rows: 24, columns: 80 }, &rows(1)));
        let shown = text(&terminal);
        assert_eq!((shown[0].as_str(), shown[1].as_str(), shown[23].as_str()), ("hello", "ana>", "row 0"));
        assert_eq!(terminal.screen().cursor_position(), (1, 5));
    }

    #[test]
    fn after_a_resize_no_old_row_is_left() {
        for (higher, wider) in [(20, 60), (10, 30), (20, 30), (10, 60)] {
            let mut terminal = terminal(14, 40);
            let mut area = StatusArea::default();
            feed(&mut terminal, "ana> typed");
            feed(&mut terminal, &area.draw(Size { rows: 14, columns: 40 }, &rows(2)));
            terminal.screen_mut().set_size(cells(higher), cells(wider));
            let size = Size { rows: higher.into(), columns: wider.into() };
            feed(&mut terminal, &area.draw(size, &rows(2)));
            let shown = text(&terminal);
            assert_eq!(shown.iter().filter(|row| row.starts_with("row")).count(), 2, "{shown:?}");
            assert_eq!(shown.last().map(String::as_str), Some("row 1"), "{shown:?}");
            assert!(shown.contains(&"ana> typed".to_owned()), "{shown:?}");
        }
    }

    #[test]
    fn many_rows_are_counted_and_a_small_terminal_has_none() {
        let mut area = StatusArea::default();
        let mut terminal = terminal(12, 40);
        feed(&mut terminal, &area.draw(Size { rows: 12, columns: 40 }, &rows(9)));
        assert_eq!(text(&terminal)[8..], ["row 0", "row 1", "row 2", "and 6 more"]);
        assert!(StatusArea::default().draw(Size { rows: 7, columns: 80 }, &rows(2)).is_empty());
        assert_eq!(StatusArea::default().close(Size::default()), "");
    }

    #[test]
    fn a_row_cannot_speak_to_the_terminal() {
        let drawn = StatusArea::default().draw(Size { rows: 24, columns: 80 }, &["a\x1b[2Jb\nc".to_owned()]);
        assert!(drawn.contains("a\\u{1b}[2Jb\\nc") && !drawn.contains('\n'));
    }
}
