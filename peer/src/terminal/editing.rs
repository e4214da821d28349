//! The screen while a line is edited: what the prompt alone may do with it, and how all of it is
//! given back.
//!
//! The editor owns the cursor line; lines said meanwhile wait here until a thread prints them above
//! it. Never prints by its own decision.

use std::sync::PoisonError;

use super::paint::{Canvas, Outlet};
use super::screen::{Inner, Screen};

impl Screen {
    /// Marks that an editor holds the foot of the screen from now on, so that rows have a place.
    pub(super) fn attach_prompt(&self) {
        let mut canvas = self.lock();
        canvas.prompted = true;
        canvas.restored = false;
    }

    /// From now on [`Screen::take_pending`] is called: lines said while a line is edited go there.
    pub(super) fn print_above_editor(&self) {
        self.lock().above = true;
    }

    /// The editor takes the cursor line: lines go above it from now on.
    pub(super) fn begin_editing(&self) {
        let mut canvas = self.lock();
        if canvas.live.is_some() && !canvas.has_area() {
            canvas.live = None;
            canvas.outlet.write("\r\x1b[K");
        }
        canvas.editing = true;
    }

    /// The editor has left the cursor at the start of a fresh line; what waited is printed there.
    pub(super) fn end_editing(&self) {
        let mut canvas = self.lock();
        canvas.editing = false;
        for line in std::mem::take(&mut canvas.pending) {
            canvas.write_line(&line, false);
        }
        self.0.changed.notify_all();
    }

    /// Waits for lines to be printed above the editor and takes them all, each with its line feed;
    /// nothing once the prompt is gone.
    pub(super) fn take_pending(&self) -> Option<String> {
        let mut canvas = self.lock();
        loop {
            if canvas.restored {
                return None;
            }
            if canvas.editing && !canvas.pending.is_empty() {
                break;
            }
            canvas = self.0.changed.wait(canvas).unwrap_or_else(PoisonError::into_inner);
        }
        let text = canvas.pending.drain(..).fold(String::new(), |text, line| text + &line + "\n");
        self.0.changed.notify_all();
        Some(text)
    }
}

impl Inner {
    pub(super) fn restore(&self, canvas: &mut Canvas) {
        if canvas.restored {
            return;
        }
        canvas.close_area();
        let interrupted = std::mem::take(&mut canvas.editing);
        if interrupted {
            // The editor is left in the middle of a line: its modes are undone for it.
            canvas.outlet.write("\x1b[?2004l\x1b[?25h\r\n");
        } else if canvas.live.take().is_some() && self.view.terminal {
            canvas.outlet.write("\n");
        }
        for line in std::mem::take(&mut canvas.pending) {
            canvas.write_line(&line, false);
        }
        if let Some(discipline) = self.discipline.as_ref().filter(|_| canvas.prompted) {
            discipline.put_back();
        }
        canvas.restored = true;
        self.changed.notify_all();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut canvas = std::mem::replace(
            self.canvas.get_mut().unwrap_or_else(PoisonError::into_inner),
            Canvas::new(
                Outlet::Here { out: Box::new(std::io::sink()), err: Box::new(std::io::sink()) },
                || None,
            ),
        );
        self.restore(&mut canvas);
    }
}
