//! The ways of writing to a screen: plain, in place, JSON lines, or for the screen of another process.
//!
//! Owned by the screen behind its lock. Knows the state of the cursor line, nothing of the editor.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::size::Size;
use super::status_area::StatusArea;

/// How often a progress line appears where lines cannot be drawn over.
pub(super) const PLAIN_PERIOD: Duration = Duration::from_secs(10);

/// What a word is painted as. Colour never carries information alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// It went well.
    Good,
    /// It needs an eye.
    Warning,
    /// It failed.
    Bad,
    /// Of less weight.
    Dim,
    /// Of more weight.
    Strong,
}

impl Tint {
    /// `text` between the sequences that turn the tint on and off.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Where lines end up.
pub(super) enum Outlet {
    /// This process's own output.
    Here {
        /// Standard output, or what stands for it in a test.
        out: Box<dyn Write + Send>,
        /// Standard error, or what stands for it in a test.
        err: Box<dyn Write + Send>,
    },
    /// The screen of another process.
    There(mpsc::Sender<String>),
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here { .. } => "Here",
            Self::There(_) => "There",
        })
    }
}

impl Outlet {
    /// Writes `text` to standard output in one piece. A reader that has gone away is no error: the
    /// work goes on without it.
    pub(super) fn write(&mut self, text: &str) {
        if let Self::Here { out, .. } = self {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }

    /// Writes `text` to standard error.
    pub(super) fn complain(&mut self, text: &str) {
        if let Self::Here { err, .. } = self {
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        }
    }
}

/// Everything about the screen that changes.
#[derive(Debug)]
pub(super) struct Canvas {
    pub(super) outlet: Outlet,
    pub(super) area: StatusArea,
    /// The rows as last given, to be drawn again below a new prompt.
    pub(super) rows: Vec<String>,
    /// The progress line that the cursor stands on or, with a prompt, the first status row.
    pub(super) live: Option<String>,
    /// When a progress line was last written where it cannot be drawn over.
    pub(super) last_plain: Option<Instant>,
    /// Whether the editor holds the cursor line.
    pub(super) editing: bool,
    /// Whether a thread takes `pending` and prints it above the editor.
    pub(super) above: bool,
    /// Whether an editor was ever started: rows are shown only then.
    pub(super) prompted: bool,
    /// Lines on their way above the prompt.
    pub(super) pending: VecDeque<String>,
    /// Whether all was given back for good.
    pub(super) restored: bool,
    /// Sizes are asked of the terminal, but fixed in a test.
    pub(super) size: fn() -> Option<Size>,
}

impl Canvas {
    pub(super) fn new(outlet: Outlet, size: fn() -> Option<Size>) -> Self {
        Self {
            outlet,
            area: StatusArea::default(),
            rows: Vec::new(),
            live: None,
            last_plain: None,
            editing: false,
            above: false,
            prompted: false,
            pending: VecDeque::new(),
            restored: false,
            size,
        }
    }

    /// Whether a progress line that cannot be drawn over is due; if so, the next is due a period later.
    pub(super) fn plain_is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last_plain.is_none_or(|last| now.duration_since(last) >= PLAIN_PERIOD);
        if due {
            self.last_plain = Some(now);
        }
        due
    }

    /// Whether status rows can be drawn at this moment.
    pub(super) fn has_area(&self) -> bool {
        self.prompted && !self.restored && (self.size)().is_some_and(StatusArea::fits)
    }

    /// Draws the status rows anew, or gives their place back when there are none.
    pub(super) fn draw_rows(&mut self) {
        let Some(size) = (self.size)() else { return };
        let shown: Vec<String> = self.live.iter().chain(&self.rows).cloned().collect();
        let displaced = self.area.is_displaced(size);
        let sequence = self.area.draw(size, &shown);
        if !sequence.is_empty() {
            self.outlet.write(&sequence);
        }
        if displaced && self.editing && self.above {
            // Rows drawn between the terminal's resize and our hearing of it may have hit the line
            // that is being typed. A message that goes up a line, and down again by its line feed,
            // makes the editor paint it anew.
            self.pending.push_back("\x1b[A".to_owned());
        }
    }

    /// Writes a whole line, or lines, at the cursor, around a progress line if there is one.
    pub(super) fn write_line(&mut self, line: &str, draws_over: bool) {
        let drawn_over = draws_over && !self.has_area();
        match &self.live {
            Some(live) if drawn_over => {
                let text = format!("\r\x1b[K{line}\n{live}");
                self.outlet.write(&text);
            }
            _ => self.outlet.write(&format!("{line}\n")),
        }
    }

    /// Gives the rows back to the terminal; they come again with the next draw.
    pub(super) fn close_area(&mut self) {
        let size = (self.size)().unwrap_or_default();
        let sequence = self.area.close(size);
        if !sequence.is_empty() {
            self.outlet.write(&sequence);
        }
    }
}
