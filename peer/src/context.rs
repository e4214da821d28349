//! What a verb may touch: the session, the tracker, the screen and what the last list showed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Session, SessionConfig, TorrentStatus};
use runtime::Shutdown;
use shared::InfoHash;

use crate::chat::Chat;
use crate::failure::{Exit, Failure};
use crate::link::TrackerLink;
use crate::settings::Settings;
use crate::swarms::Swarms;
use crate::terminal::Screen;

/// One row that a list showed, so that its number can stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// An entry of the tracker's catalog, by its short id.
    Entry(String),
    /// A torrent of this peer.
    Torrent(InfoHash),
}

/// The running peer as its verbs see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The engine and what keeps it in step with the tracker; none for verbs that only ask the tracker.
    pub swarms: Option<(Session, Swarms)>,
    /// The connection to the tracker.
    pub link: TrackerLink,
    /// Where words go.
    pub screen: Screen,
    /// What the person set.
    pub settings: Arc<Settings>,
    /// The rows of the last list.
    pub rows: Arc<Mutex<Vec<Row>>>,
    /// The person's wish to end the verb that runs (or, at the prompt, the whole peer).
    pub stop: Shutdown,
    /// What ends the trace that runs beside the prompt.
    pub trace: Arc<Mutex<Option<Shutdown>>>,
    /// Who wrote last, and whether the person looks.
    pub chat: Chat,
    /// Whether a person sits at a prompt that goes on after the verb.
    pub at_prompt: bool,
}

impl Context {
    /// The engine's session.
    pub fn session(&self) -> Result<&Session, Failure> {
        self.both().map(|(session, _)| session)
    }

    /// What keeps session and tracker in step.
    pub fn swarms(&self) -> Result<&Swarms, Failure> {
        self.both().map(|(_, swarms)| swarms)
    }

    fn both(&self) -> Result<&(Session, Swarms), Failure> {
        let missing = || Failure::new(Exit::Unexpected, "no_session", "this verb needs a session");
        self.swarms.as_ref().ok_or_else(missing)
    }

    /// Where downloads go when nothing else is said.
    pub fn download_folder(&self) -> PathBuf {
        let mut config = SessionConfig::new(self.settings.dir.clone());
        config.into.clone_from(&self.settings.into);
        config.download_folder()
    }

    /// Keeps the rows of a list that is being shown.
    pub fn remember(&self, rows: impl IntoIterator<Item = Row>) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows.into_iter().collect();
    }

    /// Row `number` of the last list, counted from 1.
    pub fn row(&self, number: usize) -> Option<Row> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(number.checked_sub(1)?).cloned()
    }

    /// The torrent that a person means: a name, a prefix that only one has, `#id`, or a row's number.
    pub fn torrent(&self, said: &str) -> Result<TorrentStatus, Failure> {
        let list = self.session()?.list();
        if let Ok(number) = said.parse::<usize>()
            && let Some(Row::Torrent(id)) = self.row(number)
            && let Some(status) = list.iter().find(|status| status.id == id)
        {
            return Ok(status.clone());
        }
        let plain = said.trim_end_matches('/');
        if let Some(status) = list.iter().find(|status| status.name == plain) {
            return Ok(status.clone());
        }
        let by_id = |status: &&TorrentStatus| {
            let id = said.strip_prefix('#').unwrap_or(said);
            id.len() >= 4 && status.id.to_string().starts_with(&id.to_ascii_lowercase())
        };
        let by_prefix = |status: &&TorrentStatus| !plain.is_empty() && status.name.starts_with(plain);
        let fits: Vec<&TorrentStatus> = list.iter().filter(|one| by_prefix(one) || by_id(one)).collect();
        match fits.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(self.unknown_torrent(said, &list)),
            several => {
                let names: Vec<String> =
                    several.iter().map(|one| shared::display::fit(&one.name, 40)).collect();
                let text = format!("\"{}\" could be {}.", shared::display::fit(said, 40), names.join(", "));
                Err(Failure::new(Exit::Usage, "ambiguous", text)
                    .advise("say more of the name, or the number that downloads shows"))
            }
        }
    }

    /// The torrents that several words mean: each word one, unless all of them together are a name.
    pub fn torrents(&self, words: &[String]) -> Result<Vec<TorrentStatus>, Failure> {
        let whole = words.join(" ");
        match self.session()?.list().into_iter().find(|status| status.name == whole) {
            Some(status) => Ok(vec![status]),
            None => words.iter().map(|word| self.torrent(word)).collect(),
        }
    }

    #[expect(clippy::unused_self, reason = "belongs to the look-up above")]
    fn unknown_torrent(&self, said: &str, list: &[TorrentStatus]) -> Failure {
        let names = list.iter().map(|status| status.name.as_str());
        let text =
            format!("There is no download or share called \"{}\" here.", shared::display::fit(said, 60));
        match crate::words::nearest(said, names) {
            Some(near) => {
                let text = format!("{text} Did you mean {}?", shared::display::fit(near, 60));
                Failure::new(Exit::NotFound, "not_found", text)
                    .advise(format!("the same with {}", shared::display::fit(&crate::words::quote(near), 80)))
            }
            None => Failure::new(Exit::NotFound, "not_found", text).advise("downloads --all"),
        }
    }
}
