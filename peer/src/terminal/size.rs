//! How large the terminal is, and its line discipline as it was found.
//!
//! The only file of the prompt that asks the operating system about the terminal.

/// Rows and columns of a terminal, in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Lines.
    pub(super) rows: usize,
    /// Character cells in a line.
    pub(super) columns: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

/// The size of the terminal that standard output is, if it is one and says so.
#[cfg(unix)]
pub(super) fn of_output() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let known = size.ws_row > 0 && size.ws_col > 0;
    known.then(|| Size { rows: size.ws_row.into(), columns: size.ws_col.into() })
}

/// The size is not asked for here: the default is assumed, and no status area is made.
#[cfg(not(unix))]
pub(super) fn of_output() -> Option<Size> {
    None
}

/// How standard input's terminal was set before anything was changed.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Discipline(rustix::termios::Termios);

#[cfg(unix)]
impl Discipline {
    /// Takes note of it; nothing when standard input is not a terminal.
    pub(super) fn found() -> Option<Self> {
        rustix::termios::tcgetattr(std::io::stdin()).ok().map(Self)
    }

    /// Sets it again, as found: echo, line by line, Ctrl-C as a signal.
    pub(super) fn put_back(&self) {
        let when = rustix::termios::OptionalActions::Now;
        // The terminal may be gone; then there is nothing to put back.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), when, &self.0);
    }
}

/// Elsewhere the line editor alone puts it back.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Discipline;

#[cfg(not(unix))]
impl Discipline {
    /// Nothing to note.
    pub(super) fn found() -> Option<Self> {
        None
    }

    /// Nothing to put back.
    pub(super) fn put_back(&self) {}
}
