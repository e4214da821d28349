//! The screen: the one place that prints.
//!
//! Every line of this program, from any task or thread, goes through a [`Screen`]. It decides what
//! a line becomes: above the prompt while somebody types, plain where output is a file or a pipe, a
//! JSON object for programs, or a line for the screen of another process. Text from outside comes
//! here escaped. It never reads; the prompt does.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::display::fit;
use tokio::sync::mpsc;

use super::paint::{Canvas, Outlet, Tint};
use super::size::{self, Discipline};
use crate::failure::Failure;

/// Lines that may wait to be printed above the prompt; whoever says more waits for the terminal.
const PENDING_LINES: usize = 1024;
/// Starts a line that is a progress line, on its way to another process's screen.
const LIVE_MARK: char = '\r';
/// Starts a line that belongs on standard error, on its way to another process's screen.
const ERROR_MARK: char = '\u{15}';
/// Columns where nobody knows better.
const PLAIN_COLUMNS: usize = 100;

/// What a person or program sees this screen through: enough to compose lines for it elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Lines are JSON objects.
    pub json: bool,
    /// A line may be drawn over.
    pub terminal: bool,
    /// Colours are wanted and understood.
    pub colour: bool,
    /// Character cells in a line.
    pub columns: usize,
}

/// A handle to the screen; clones are the same screen.
#[derive(Debug, Clone)]
pub struct Screen(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) view: View,
    pub(super) canvas: Mutex<Canvas>,
    /// Rung when `pending` or `editing` changes.
    pub(super) changed: Condvar,
    pub(super) discipline: Option<Discipline>,
    /// Lines go to another process.
    remote: bool,
}

impl Screen {
    /// The screen of this process: what standard output is decides, with `NO_COLOR` and `TERM`.
    /// `json` makes every line an object; `plain` leaves colours out.
    ///
    /// Also makes a panic give the terminal back before it is reported.
    pub fn start(json: bool, plain: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let terminal = !json && !dumb && std::io::stdout().is_terminal();
        let view = View { json, terminal, colour: terminal && !plain && !set("NO_COLOR"), columns: 0 };
        let outlet = Outlet::Here { out: Box::new(std::io::stdout()), err: Box::new(std::io::stderr()) };
        let screen = Self::over(view, Canvas::new(outlet, size::of_output), Discipline::found());
        screen.give_back_on_panic();
        screen
    }

    /// A screen whose lines go to another process, which hands each to [`Screen::relay`] of its own
    /// screen. `view` is that screen's [`Screen::view`].
    ///
    /// A full channel makes the speaker wait on a multi-threaded runtime; elsewhere the line is lost.
    pub fn remote(lines: mpsc::Sender<String>, view: View) -> Self {
        Self::over(view, Canvas::new(Outlet::There(lines), || None), None)
    }

    pub(super) fn over(view: View, canvas: Canvas, discipline: Option<Discipline>) -> Self {
        let remote = matches!(canvas.outlet, Outlet::There(_));
        Self(Arc::new(Inner {
            view,
            canvas: Mutex::new(canvas),
            changed: Condvar::new(),
            discipline,
            remote,
        }))
    }

    /// Prints a line, or several: above the prompt, without disturbing what is being typed.
    /// Silent in JSON mode, where [`Screen::json`] speaks.
    pub fn say(&self, line: &str) {
        if !self.is_json() {
            self.print(line);
        }
    }

    /// Prints one object as a line, with `v` and `ts` added. Silent unless in JSON mode.
    pub fn json(&self, mut object: Value) {
        if !self.is_json() {
            return;
        }
        if let Some(fields) = object.as_object_mut() {
            fields.entry("v").or_insert_with(|| 1.into());
            fields.entry("ts").or_insert_with(|| runtime::clock::timestamp().into());
        }
        self.print(&object.to_string());
    }

    /// Prints a refusal: an `error` object in JSON mode; else lines, on standard error when no
    /// prompt is there.
    pub fn failure(&self, failure: &Failure) {
        if self.is_json() {
            return self.json(failure.json());
        }
        let lines = failure.lines().join("\n");
        if self.0.remote {
            for line in lines.lines() {
                self.send(format!("{ERROR_MARK}{line}"));
            }
            return;
        }
        self.patiently(|mut canvas| {
            if canvas.prompted && self.0.view.terminal {
                drop(canvas);
                return self.print(&lines);
            }
            // The progress line stays where it was, as the last thing seen before the reason.
            if canvas.live.take().is_some() && self.0.view.terminal {
                canvas.outlet.write("\n");
            }
            canvas.outlet.complain(&format!("{lines}\n"));
        });
    }

    /// Shows `rows` below the prompt, in place of the rows before; none gives the place back.
    ///
    /// Call at most four times a second, also when nothing changed: it heals what a resize broke.
    /// On a terminal they wait for the prompt. Where rows cannot be held they are printed as lines,
    /// once in ten seconds.
    pub fn rows(&self, rows: Vec<String>) {
        if self.is_json() {
            return;
        }
        self.patiently(|mut canvas| {
            if canvas.restored {
                return;
            }
            canvas.rows = rows;
            if self.0.view.terminal && !canvas.prompted {
                return;
            }
            if self.0.view.terminal && canvas.has_area() {
                canvas.draw_rows();
                self.0.changed.notify_all();
                return;
            }
            // The terminal has become too small for what is still held.
            canvas.close_area();
            if canvas.rows.is_empty() || !canvas.plain_is_due() {
                return;
            }
            let lines = canvas.rows.join("\n");
            drop(canvas);
            self.print(&lines);
        });
    }

    /// Shows the progress of the one thing that is going on: a line that is drawn over in place, or
    /// the first status row when there is a prompt; where neither can be, a line once in ten seconds.
    pub fn live(&self, line: &str) {
        if self.is_json() {
            return;
        }
        if self.0.remote {
            return self.send(format!("{LIVE_MARK}{line}"));
        }
        self.patiently(|mut canvas| {
            if !self.0.view.terminal {
                if canvas.plain_is_due() {
                    canvas.outlet.write(&format!("{line}\n"));
                }
                return;
            }
            let columns = self.width();
            let line = fit(line, columns.saturating_sub(1));
            if canvas.has_area() {
                canvas.live = Some(line);
                canvas.draw_rows();
            } else if !canvas.editing && !canvas.restored {
                canvas.outlet.write(&format!("\r\x1b[K{line}"));
                canvas.live = Some(line);
            }
        });
    }

    /// Ends the progress line with `last` as a whole line that stays; nothing stays when it is empty.
    pub fn finish_live(&self, last: &str) {
        if self.is_json() {
            return;
        }
        if self.0.remote {
            self.send(LIVE_MARK.to_string());
        } else {
            self.patiently(|mut canvas| {
                let shown = canvas.live.take().is_some();
                canvas.last_plain = None;
                if shown && canvas.has_area() {
                    canvas.draw_rows();
                } else if shown {
                    canvas.outlet.write("\r\x1b[K");
                }
            });
        }
        if !last.is_empty() {
            self.say(last);
        }
    }

    /// Prints a line that came from [`Screen::remote`] in another process, as that one meant it.
    pub fn relay(&self, line: &str) {
        if let Some(progress) = line.strip_prefix(LIVE_MARK) {
            if progress.is_empty() { self.finish_live("") } else { self.live(progress) }
        } else if let Some(complaint) = line.strip_prefix(ERROR_MARK) {
            self.patiently(|mut canvas| {
                if canvas.live.take().is_some() {
                    canvas.outlet.write("\n");
                }
                canvas.outlet.complain(&format!("{complaint}\n"));
            });
        } else {
            self.print(line);
        }
    }

    /// Whether lines are JSON objects.
    pub fn is_json(&self) -> bool {
        self.0.view.json
    }

    /// Whether a person looks at a terminal that can draw over a line.
    pub fn is_terminal(&self) -> bool {
        self.0.view.terminal
    }

    /// Character cells in a line: the terminal's as it is now, or 100 where there is none.
    pub fn width(&self) -> usize {
        match self.0.view.columns {
            0 => size::of_output().map_or(PLAIN_COLUMNS, |size| size.columns),
            fixed => fixed,
        }
    }

    /// What [`Screen::remote`] needs to know of this screen.
    pub fn view(&self) -> View {
        View { columns: self.width(), ..self.0.view }
    }

    /// `text` in a tint, where colours are wanted; else as it is.
    pub fn colour<'a>(&self, tint: Tint, text: &'a str) -> Cow<'a, str> {
        if self.0.view.colour { tint.paint(text).into() } else { text.into() }
    }

    /// Gives the whole terminal back, as found, for good: lines still print, rows no longer.
    /// May be called again, and from anywhere.
    pub fn restore(&self) {
        self.0.restore(&mut self.lock());
    }

    fn print(&self, line: &str) {
        if self.0.remote {
            return line.lines().for_each(|line| self.send(line.to_owned()));
        }
        self.patiently(|mut canvas| {
            let above = canvas.editing && canvas.above;
            while canvas.editing && above && canvas.pending.len() >= PENDING_LINES {
                canvas = self.0.changed.wait(canvas).unwrap_or_else(PoisonError::into_inner);
            }
            if canvas.editing && above {
                canvas.pending.push_back(line.to_owned());
                self.0.changed.notify_all();
            } else {
                canvas.write_line(line, self.0.view.terminal);
            }
        });
    }

    /// Draws. A terminal that somebody has halted takes nothing for as long as it is halted: whoever draws
    /// waits, and what is transferred must not wait with it.
    fn patiently(&self, draw: impl FnOnce(MutexGuard<'_, Canvas>)) {
        runtime::in_place(|| draw(self.lock()));
    }

    fn send(&self, line: String) {
        let lines = match &self.lock().outlet {
            Outlet::There(lines) => lines.clone(),
            Outlet::Here { .. } => return,
        };
        if let Err(mpsc::error::TrySendError::Full(line)) = lines.try_send(line) {
            let flavour = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
            // A receiver that has gone away is no error: the work goes on without it.
            if matches!(flavour, Ok(tokio::runtime::RuntimeFlavor::MultiThread)) {
                let _ = tokio::task::block_in_place(|| lines.blocking_send(line));
            } else {
                tracing::warn!("a line for another process's screen is lost: the channel is full");
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Canvas> {
        self.0.canvas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back_on_panic(&self) {
        let inner = Arc::downgrade(&self.0);
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Whoever panics may hold the lock; a report in the wrong place is better than none.
            if let Some(inner) = inner.upgrade()
                && let Ok(mut canvas) = inner.canvas.try_lock()
            {
                canvas.close_area();
                if std::thread::current().name() == Some("main") {
                    inner.restore(&mut canvas);
                }
            }
            report(panic);
        }));
    }
}
