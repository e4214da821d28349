//! What the Tab key offers: verbs, names that others share, own names, people, paths.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::control::{Rooms, Search, Who};
use tokio::sync::Notify;

use crate::context::Context;
use crate::link::AskError;
use crate::terminal::Complete;
use crate::verb::{self, Offer, VERBS};

/// Names are fetched from the tracker no more often than this.
const REFRESH: Duration = Duration::from_secs(2);
/// Pages of a thousand names that are fetched at most.
const PAGES: usize = 20;
/// The most candidates that are shown.
const MOST: usize = 100;

#[derive(Debug, Default)]
struct Known {
    names: Vec<String>,
    nicks: Vec<String>,
    rooms: Vec<String>,
}

/// The completer of the prompt. Names come from a copy that a task keeps fresh: Tab never waits.
#[derive(Debug)]
pub struct Completion {
    context: Context,
    known: Arc<Mutex<Known>>,
    typing: Arc<Notify>,
}

impl Completion {
    /// A completer, and the task that keeps its names fresh.
    pub fn new(context: Context) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let typing = Arc::new(Notify::new());
        if context.screen.is_terminal() {
            let refresh = refresh(context.clone(), Arc::clone(&known), Arc::clone(&typing));
            drop(runtime::spawn("names for completion", refresh));
        }
        Self { context, known, typing }
    }

    fn candidates(&self, offer: Offer, typed: &str) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match offer {
            Offer::Nothing => Vec::new(),
            Offer::Verbs => fitting(VERBS.iter().map(|verb| verb.name().to_owned()), typed),
            Offer::Remote => fitting(known.names.iter().cloned(), typed),
            Offer::Nicks => fitting(known.nicks.iter().chain(&known.rooms).cloned(), typed),
            Offer::Rooms => fitting(known.rooms.iter().cloned(), typed),
            Offer::Own => {
                let list = self.context.session().map(engine::Session::list).unwrap_or_default();
                fitting(list.into_iter().map(|one| one.name), typed)
            }
            Offer::Paths => paths(typed),
        }
    }
}

impl Complete for Completion {
    fn remembers(&self, line: &str) -> bool {
        is_without_secret(line)
    }

    fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let before = line.get(..at).unwrap_or(line);
        let Some((word, rest)) = before.split_once(' ') else {
            let slash = before.strip_prefix('/').unwrap_or(before);
            let names = VERBS.iter().flat_map(|verb| verb.names.iter()).filter(|name| name.len() > 1);
            return (at - slash.len(), fitting(names.map(|name| (*name).to_owned()), slash));
        };
        let Some(verb) = verb::find(word) else { return (at, Vec::new()) };
        let start = last_word(rest);
        let typed = rest.get(start..).unwrap_or_default();
        let first_word_only = matches!(verb.offer, Offer::Nicks | Offer::Rooms) && start > 0;
        if first_word_only {
            return (at, Vec::new());
        }
        let plain = typed.trim_start_matches(['"', '\'']);
        let offered = self.candidates(verb.offer, plain);
        (word.len() + 1 + start, offered)
    }

    /// No hint is given; that somebody types is what matters.
    fn hint(&self, _: &str) -> Option<String> {
        self.typing.notify_one();
        None
    }
}

/// Where the word that is being typed begins.
fn last_word(rest: &str) -> usize {
    let mut start = 0;
    let mut quote = None;
    for (at, letter) in rest.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, ' ') => start = at + 1,
            _ => {}
        }
    }
    start
}

fn fitting(names: impl Iterator<Item = String>, typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let mut fitting: Vec<String> =
        names.filter(|name| name.to_lowercase().starts_with(&typed)).take(MOST).collect();
    fitting.sort();
    fitting.dedup();
    fitting
}

fn paths(typed: &str) -> Vec<String> {
    let (folder, start) = typed.rsplit_once('/').map_or(("", typed), |(folder, start)| (folder, start));
    let base = match (folder, typed.starts_with('/')) {
        ("", true) => PathBuf::from("/"),
        ("", false) => PathBuf::from("."),
        (folder, _) => match (folder.strip_prefix('~'), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(folder),
        },
    };
    let prefix = typed.get(..typed.len() - start.len()).unwrap_or_default();
    let entries = std::fs::read_dir(&base).into_iter().flatten().filter_map(Result::ok).take(10_000);
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !start.starts_with('.');
        let slash = if Path::new(&entry.path()).is_dir() { "/" } else { "" };
        (name.starts_with(start) && !hidden).then(|| format!("{prefix}{name}{slash}"))
    });
    let mut names: Vec<String> = names.take(MOST).collect();
    names.sort();
    names
}

/// Fetches names when somebody types, and at most once in [`REFRESH`]: who only shares asks nothing.
async fn refresh(context: Context, known: Arc<Mutex<Known>>, typing: Arc<Notify>) {
    loop {
        let names = all_names(&context).await;
        let nicks = context.link.ask(Who::default()).await;
        let rooms = context.link.ask(Rooms {}).await;
        {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(names) = names {
                known.names = names;
            }
            if let Ok(here) = nicks {
                known.nicks = here.peers.into_iter().map(|person| person.nick).collect();
            }
            if let Ok(list) = rooms {
                known.rooms = list.rooms.into_iter().map(|entry| entry.room).collect();
            }
        }
        tokio::time::sleep(REFRESH).await;
        typing.notified().await;
    }
}

/// The names of everything that is shared, page by page.
async fn all_names(context: &Context) -> Result<Vec<String>, AskError> {
    let mut names = Vec::new();
    let mut after = None;
    for _ in 0..PAGES {
        let page = context.link.ask(Search { after, limit: Some(1000), ..Search::default() }).await?;
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    Ok(names)
}

/// Whether a line may lie in the history: not one with the key of a room.
fn is_without_secret(line: &str) -> bool {
    let mut words = line.trim().trim_start_matches('/').split_whitespace();
    let joins = words.next().and_then(verb::find).is_some_and(|verb| verb.names.contains(&"join"));
    !joins || words.count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_room_does_not_stay_in_the_history() {
        for line in ["join @a key", "unirse  @a dos palabras", "/join @a key"] {
            assert!(!is_without_secret(line), "{line}");
        }
        for line in ["join @a", "say @a key", "", "rooms", "joining @a b"] {
            assert!(is_without_secret(line), "{line}");
        }
    }

    #[test]
    fn the_word_being_typed_is_found_in_quotes_too() {
        assert_eq!(last_word("lin"), 0);
        assert_eq!(last_word("a lin"), 2);
        assert_eq!(last_word("\"tema 3"), 0);
        assert_eq!(last_word("\"tema 3\" b"), 9);
    }

    #[test]
    fn names_fit_in_any_case_and_once() {
        let names = ["Tema 3".to_owned(), "tema 4".to_owned(), "tema 4".to_owned(), "x".to_owned()];
        assert_eq!(fitting(names.into_iter(), "TEM"), ["Tema 3", "tema 4"]);
    }
}
