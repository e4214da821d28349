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

    /// Whether rows are held, so that the scroll region is not the whole terminal.
    pub(super) fn is_open(&self) -> bool {
        self.held > 0
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
    /// below the cursor. Index (ESC D) keeps the column and scrolls only at the foot.
    fn make_room(&self, out: &mut String, wanted: usize) {
        let below = self.held.max(wanted);
        out.push_str("\x1b7\x1b[r\x1b8");
        for _ in 0..below {
            out.push_str("\x1bD\x1b[2K");
        }
        let _ = write!(out, "\x1b[J\x1b[{below}A");
    }
}
