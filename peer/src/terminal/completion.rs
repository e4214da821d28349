//! What Tab offers: the application's candidates, written so that they can be typed.

use std::borrow::Cow;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper, Result};
use shared::display::escape;

use crate::words::{quote, quote_always};

/// More candidates than this are never shown; typing one letter more is quicker than reading them.
const MOST_CANDIDATES: usize = 500;

/// The application's knowledge of what may come next on a line. Asked from the prompt's thread, for
/// each Tab and, for hints, each key: it must answer from memory, within milliseconds.
pub trait Complete: Send + Sync {
    /// The byte offset in `line` where the word at the cursor (byte offset `at`) begins, and what it
    /// could become, each unquoted and as a whole word: the prompt quotes what needs quotes.
    /// A candidate that ends in `/` is open: no blank follows it.
    fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>);

    /// What would be typed after the end of `line`, shown dim; taken with the right arrow.
    fn hint(&self, line: &str) -> Option<String> {
        let _ = line;
        None
    }

    /// Whether a typed line may be written to the history: not one that holds a secret. Lines that
    /// start with a blank are never written.
    fn remembers(&self, line: &str) -> bool {
        let _ = line;
        true
    }
}

/// The line editor's view of a [`Complete`].
pub(super) struct Assistant {
    pub(super) complete: Arc<dyn Complete>,
    pub(super) colour: bool,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        let (start, candidates) = self.complete.complete(line, at);
        let start = start.min(at);
        if !line.is_char_boundary(start) {
            return Ok((at, Vec::new()));
        }
        Ok((start, typed(&candidates, line[start..at].starts_with(['"', '\'']))))
    }
}

/// The candidates as they stand on the line once completed, without those that hold what cannot be
/// shown. If one needs quotes all get them: what they have in common must be a beginning of each.
fn typed(candidates: &[String], quoted: bool) -> Vec<String> {
    let shown: Vec<&String> = candidates
        .iter()
        .filter(|name| matches!(escape(name), Cow::Borrowed(_)))
        .take(MOST_CANDIDATES)
        .collect();
    let quoted = quoted || shown.iter().any(|name| quote(name) != **name);
    let ends = shown.len() == 1;
    let word = |name: &String| {
        let mut word = if quoted { quote_always(name) } else { name.clone() };
        if name.ends_with('/') {
            // Left open, so that typing goes on inside.
            word.truncate(word.len() - usize::from(quoted));
        } else if ends {
            word.push(' ');
        }
        word
    };
    shown.into_iter().map(word).collect()
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<String> {
        let hint = if at == line.len() { self.complete.hint(line)? } else { return None };
        matches!(escape(&hint), Cow::Borrowed(_)).then_some(hint)
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { format!("\x1b[2m{hint}\x1b[0m").into() } else { hint.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_can_be_typed_and_hide_nothing() {
        let offered = |names: &[&str], quoted| {
            typed(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), quoted)
        };
        assert_eq!(offered(&["linux.iso"], false), ["linux.iso "]);
        assert_eq!(offered(&["linux.iso"], true), ["\"linux.iso\" "]);
        assert_eq!(offered(&["película 1.mkv"], false), ["\"película 1.mkv\" "]);
        assert_eq!(offered(&["Tema 3/"], false), ["\"Tema 3/"]);
        assert_eq!(offered(&["docs/"], false), ["docs/"]);
        assert_eq!(offered(&["tema1", "tema 2"], false), ["\"tema1\"", "\"tema 2\""]);
        assert!(offered(&["gpj.\u{202e}exe", "a\x1b[2J"], false).is_empty());
    }
}
