//! What is not here any more and the tracker is still to hear of: taken back as soon as it can be told.
//!
//! Kept on disk, as the tracker goes on naming its people's shares while they are away. Whoever shares
//! the same again has nothing to take back.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use engine::config::PRIVATE_FOLDER;
use serde::{Deserialize, Serialize};
use shared::InfoHash;
use shared::control::{Code, EntryId, Find, SourcesOf, Unshare};

use super::Swarms;
use crate::link::{AskError, LinkState};

/// The most torrents that are remembered, the oldest of which are forgotten first.
const MOST: usize = 1_000;
/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// A torrent that a tracker still counts as shared here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Debt {
    /// HOST:PORT; it may be met elsewhere.
    tracker: String,
    id: InfoHash,
    /// Under which hash the tracker knows it: the same file may have been shared before as another torrent.
    known_as: InfoHash,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    debts: VecDeque<Debt>,
    home: PathBuf,
}

impl TakenBack {
    fn path(home: &Path) -> PathBuf {
        home.join(PRIVATE_FOLDER).join("taken_back.json")
    }

    /// What an earlier run could not tell; nothing when there is no file that can be read.
    pub(super) fn load(home: PathBuf) -> Self {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(Self::path(&home));
        if let Err(error) = file.and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
            tracing::debug!(%error, "nothing is to be taken back from an earlier run");
        }
        let mut debts: VecDeque<Debt> = serde_json::from_slice(&bytes).unwrap_or_default();
        debts.truncate(MOST);
        Self { debts, home }
    }

    fn save(&self) {
        let write = || -> io::Result<()> {
            let path = Self::path(&self.home);
            let beside = path.with_extension("json.tmp");
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec(&self.debts)?)?;
            file.sync_all()?;
            std::fs::rename(beside, path)
        };
        if let Err(error) = runtime::in_place(write) {
            tracing::warn!(%error, "what the tracker is to hear of cannot be written down");
        }
    }

    fn add(&mut self, debt: Debt) {
        self.debts.retain(|known| known.id != debt.id);
        if self.debts.len() >= MOST {
            self.debts.pop_front();
        }
        self.debts.push_back(debt);
        self.save();
    }

    /// The tracker has heard of it, or it is here again.
    pub(super) fn settled(&mut self, id: InfoHash) {
        let before = self.debts.len();
        self.debts.retain(|known| known.id != id);
        if self.debts.len() != before {
            self.save();
        }
    }

    /// `tracker` knows nothing of it: another one may.
    fn unknown_to(&mut self, tracker: &str, id: InfoHash) {
        if self.debts.iter().any(|known| known.id == id && known.tracker == tracker) {
            self.settled(id);
        }
    }
}

impl Swarms {
    pub(super) fn taken_back(&self) -> MutexGuard<'_, TakenBack> {
        self.taken_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the tracker that we have no part any more of a torrent that the session has let go. When it
    /// cannot be told now, it is after the next login: the error says why not now.
    pub async fn withdraw(&self, id: InfoHash) -> Result<(), AskError> {
        let (entry, known_as) = {
            let mut book = self.book();
            let page = book.page(id);
            let known = (page.entry.clone(), page.known_as.unwrap_or(id));
            book.remove(id);
            known
        };
        self.latecomers().taken_back(id);
        self.tell_gone(id, known_as, entry).await
    }

    /// Takes back what the session has let go, now or when the tracker is there again.
    pub(super) async fn tell_gone(
        &self,
        id: InfoHash,
        known_as: InfoHash,
        entry: Option<EntryId>,
    ) -> Result<(), AskError> {
        let tracker = self.link.tracker().to_owned();
        self.taken_back().add(Debt { tracker, id, known_as });
        if let LinkState::Lost { reason } = self.link.state() {
            return Err(AskError::NotConnected { tracker: self.link.tracker().to_owned(), reason });
        }
        self.take_back(id, known_as, entry).await
    }

    /// After a login: what could not be told before.
    pub(super) async fn take_back_all(&self) {
        let owed = self.taken_back().debts.clone();
        for debt in owed {
            if let Err(error) = self.take_back(debt.id, debt.known_as, None).await {
                tracing::info!(%error, id = %debt.id, "not taken back yet");
            }
        }
    }

    /// Takes one back, unless it is shared again.
    async fn take_back(
        &self,
        id: InfoHash,
        known_as: InfoHash,
        entry: Option<EntryId>,
    ) -> Result<(), AskError> {
        match self.ask_to_take_back(id, known_as, entry).await {
            Ok(()) => self.taken_back().settled(id),
            Err(AskError::Refused(refusal))
                if matches!(refusal.code, Code::NoSuchEntry | Code::NotShared) =>
            {
                self.taken_back().unknown_to(self.link.tracker(), id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn ask_to_take_back(
        &self,
        id: InfoHash,
        known_as: InfoHash,
        entry: Option<EntryId>,
    ) -> Result<(), AskError> {
        let entry = match entry {
            Some(entry) => entry,
            None => self.link.ask(Find::Hash { info_hash: known_as }).await?.entry.entry,
        };
        // While others have it, the tracker would go on to tell of newcomers. It may know nothing of it.
        let unfollow = SourcesOf { entry: entry.clone(), want: 0, subscribe: false };
        match self.link.ask(unfollow).await {
            Ok(_) | Err(AskError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        if self.session.status(id).is_some() {
            return Ok(());
        }
        self.link.ask(Unshare { entry }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debt(tracker: &str, number: u16) -> Debt {
        let mut id = [0; 20];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Debt { tracker: tracker.to_owned(), id: InfoHash(id), known_as: InfoHash([7; 20]) }
    }

    #[test]
    fn what_is_owed_outlasts_the_run_until_its_tracker_has_heard_of_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(PRIVATE_FOLDER)).unwrap();
        let mut taken_back = TakenBack::load(home.path().to_owned());
        taken_back.add(debt("a:1", 1));
        taken_back.add(debt("a:1", 2));
        taken_back.add(debt("a:1", 3));
        taken_back.add(debt("a:1", 1));
        taken_back.settled(debt("a:1", 2).id);
        taken_back.unknown_to("a:1", debt("a:1", 3).id);
        taken_back.unknown_to("b:1", debt("a:1", 1).id);
        let again = TakenBack::load(home.path().to_owned());
        assert_eq!(again.debts, [debt("a:1", 1)]);
    }

    #[test]
    fn the_oldest_are_forgotten_and_nonsense_is_nothing() {
        let home = tempfile::tempdir().unwrap();
        let most = u16::try_from(MOST).unwrap();
        let mut taken_back = TakenBack::default();
        for number in 0..=most {
            taken_back.add(debt("a:1", number));
        }
        assert_eq!((taken_back.debts.len(), &taken_back.debts[0]), (MOST, &debt("a:1", 1)));
        std::fs::create_dir_all(home.path().join(PRIVATE_FOLDER)).unwrap();
        std::fs::write(TakenBack::path(home.path()), b"[{\"tracker\":").unwrap();
        assert_eq!(TakenBack::load(home.path().to_owned()).debts.len(), 0);
    }
}
