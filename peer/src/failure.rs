//! How the peer says no: an exit code for scripts, a stable word for programs, a line or two for a person.
//!
//! Every verb that cannot do what it was asked ends in a [`Failure`]. It never prints itself: the
//! screen does, as plain lines or as one JSON object.

/// Why a one-shot verb ended, as the number that the shell sees. The numbers never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Ok = 0,
    /// Something that should not happen; a fault of this program.
    Unexpected = 1,
    /// The command cannot be understood or lacks something.
    Usage = 2,
    /// No such name, nick, room or file.
    NotFound = 3,
    /// The tracker or the other peer cannot be reached.
    Unreachable = 4,
    /// Somebody, or the system, does not allow it.
    Refused = 5,
    /// It is known, but nobody who has it is online.
    NoSource = 6,
    /// Stopped half way; it goes on the next time.
    Interrupted = 7,
    /// The data is not what it claims to be.
    Unverified = 8,
    /// No room on the disk, or it cannot be written.
    DiskFull = 9,
    /// The time given has passed.
    Timeout = 10,
    /// Another process holds the folder or the port.
    AlreadyRunning = 11,
    /// The receiver said no.
    Declined = 12,
    /// It is there already.
    AlreadyExists = 13,
}

impl Exit {
    /// Every code, in order, as `help exit-codes` lists them.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Unexpected,
        Self::Usage,
        Self::NotFound,
        Self::Unreachable,
        Self::Refused,
        Self::NoSource,
        Self::Interrupted,
        Self::Unverified,
        Self::DiskFull,
        Self::Timeout,
        Self::AlreadyRunning,
        Self::Declined,
        Self::AlreadyExists,
    ];

    /// The process exit code, 0 to 13.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Unexpected => "unexpected: a fault of this program",
            Self::Usage => "wrong usage",
            Self::NotFound => "no such name, nick or file",
            Self::Unreachable => "the tracker or the peer cannot be reached",
            Self::Refused => "not allowed",
            Self::NoSource => "nobody who has it is online",
            Self::Interrupted => "unfinished; it goes on next time",
            Self::Unverified => "the data is not what it claims to be",
            Self::DiskFull => "the disk is full or cannot be written",
            Self::Timeout => "the time given has passed",
            Self::AlreadyRunning => "already running, or locked by another",
            Self::Declined => "the receiver said no",
            Self::AlreadyExists => "it is there already",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// One refusal, complete: what a shell, a program and a person each need of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What the process exits with if this ends it.
    pub exit: Exit,
    /// A stable word for programs, such as `no_source`.
    pub code: &'static str,
    /// What was wrong, where, and the limit: one whole sentence, already escaped by whoever built it.
    pub text: String,
    /// What to do about it: commands to type, already escaped.
    pub advice: Option<String>,
}

impl Failure {
    /// A refusal without advice. What `text` quotes from outside went through [`shared::display::escape`].
    pub fn new(exit: Exit, code: &'static str, text: impl Into<String>) -> Self {
        Self { exit, code, text: text.into(), advice: None }
    }

    /// The same, with what to try. `advice` is the part after `try: `.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The lines for a person: the text, and below it what to try.
    pub fn lines(&self) -> Vec<String> {
        let advice = self.advice.iter().map(|advice| format!("  try: {advice}"));
        std::iter::once(self.text.clone()).chain(advice).collect()
    }

    /// The object for a program: the fields of the `error` line.
    pub fn json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "type": "error", "code": self.code, "exit": self.exit.code(), "text": self.text,
        });
        if let Some(advice) = &self.advice {
            object["try"] = advice.clone().into();
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_places() {
        for (place, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), place, "{exit:?}");
        }
    }

    #[test]
    fn advice_stands_on_its_own_line_and_in_its_own_field() {
        let bare = Failure::new(Exit::NotFound, "not_found", "Nobody shares \"linx.iso\".");
        assert_eq!(bare.lines(), ["Nobody shares \"linx.iso\"."]);
        assert!(bare.json().get("try").is_none());
        let advised = bare.advise("get linux.iso");
        assert_eq!(advised.lines()[1], "  try: get linux.iso");
        assert_eq!(advised.json()["try"], "get linux.iso");
        assert_eq!(advised.json()["exit"], 3);
    }
}
