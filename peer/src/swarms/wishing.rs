//! Fetches what is wanted when it appears. The tracker tells what is new, but may leave that out for a
//! reader that lags; so it is searched after every login and from time to time too.

use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{AddOptions, AddSource, Beginning};
use shared::control::{Entry, Find, Search};
use shared::metainfo::Info;
use tokio::sync::mpsc;

use super::wishes::{Unfit, Wish, Wishes};
use super::{News, Swarms};
use crate::link::{AskError, LinkState};
use crate::verb::download;

/// How long after a login, or after something new, it is searched: more may follow.
const SOON: Duration = Duration::from_secs(2);
/// How long after a search it is searched again, whatever was told.
const AGAIN: Duration = Duration::from_secs(600);
/// Results of one search that are looked at.
const LOOKED_AT: u64 = 200;

/// The wishes of this peer, and when to look for them.
#[derive(Debug)]
pub(super) struct Wishing {
    pub(super) wishes: Wishes,
    home: PathBuf,
    /// When to search; `None` while nobody stays to fetch anything, or while it is being searched.
    due: Option<Instant>,
    /// Where things go, once this peer stays to fetch any.
    folder: Option<PathBuf>,
    /// Something new came while it was being searched.
    again: bool,
}

impl Wishing {
    pub(super) fn load(home: PathBuf) -> Self {
        Self { wishes: Wishes::load(&home), home, due: None, folder: None, again: false }
    }

    fn soon(&mut self) {
        self.again = true;
        if let Some(due) = &mut self.due {
            *due = (*due).min(Instant::now() + SOON);
        }
    }

    fn save(&self) {
        if let Err(error) = runtime::in_place(|| self.wishes.save(&self.home)) {
            tracing::warn!(%error, "what is wanted cannot be written down");
        }
    }
}

impl Swarms {
    fn wishing(&self) -> MutexGuard<'_, Wishing> {
        self.wishing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wanted.
    pub fn wishes(&self) -> Wishes {
        self.wishing().wishes.clone()
    }

    /// Changes what is wanted, and writes it down.
    pub fn change_wishes<T>(&self, change: impl FnOnce(&mut Wishes) -> T) -> T {
        let mut wishing = self.wishing();
        let before = wishing.wishes.clone();
        let changed = change(&mut wishing.wishes);
        if wishing.wishes != before {
            wishing.save();
        }
        wishing.soon();
        changed
    }

    /// This peer stays: from now on it fetches what is wanted, into the session's folder, which this is.
    pub fn fulfil_wishes(&self, folder: PathBuf) {
        let mut wishing = self.wishing();
        if wishing.folder.replace(folder).is_none() {
            wishing.due = Some(Instant::now() + SOON);
        }
    }

    /// Something new is shared, or the tracker is: it is searched soon, when anything is wanted.
    pub(super) fn something_appeared(&self) {
        self.wishing().soon();
    }

    /// Searches, when it is time.
    pub(super) fn look_for_wishes(&self, news: &mpsc::Sender<News>) {
        if !matches!(self.link.state(), LinkState::Connected(_)) {
            return;
        }
        let wanted: Vec<Wish> = {
            let mut wishing = self.wishing();
            if wishing.due.is_none_or(|due| due > Instant::now()) {
                return;
            }
            wishing.due = None;
            wishing.again = false;
            wishing.wishes.list().to_vec()
        };
        let (swarms, news) = (self.clone(), news.clone());
        drop(runtime::spawn("wishes", async move {
            for wish in wanted {
                if let Err(error) = swarms.look_for(&wish, &news).await {
                    tracing::info!(%error, "the tracker was not asked for what is wanted");
                }
            }
            let mut wishing = swarms.wishing();
            let pause = if wishing.again { SOON } else { AGAIN };
            wishing.due = Some(Instant::now() + pause);
        }));
    }

    async fn look_for(&self, wish: &Wish, news: &mpsc::Sender<News>) -> Result<(), AskError> {
        let search = Search {
            query: wish.words.clone(),
            kind: wish.kind,
            by: wish.by.clone(),
            limit: Some(LOOKED_AT),
            ..Search::default()
        };
        let found = match self.link.ask(search).await {
            // Whoever it is wanted from was not here yet.
            Err(AskError::Refused(_)) => return Ok(()),
            found => found?,
        };
        for entry in &found.entries {
            self.consider(wish, entry, news).await?;
        }
        Ok(())
    }

    /// Fetches one thing for a wish, or tells once why not.
    async fn consider(&self, wish: &Wish, entry: &Entry, news: &mpsc::Sender<News>) -> Result<(), AskError> {
        let is_here = self.session.list().iter().any(|one| one.hashes.matches(&entry.hashes.primary()));
        let judged = {
            let mut wishing = self.wishing();
            let free = wishing.folder.as_deref().and_then(download::free);
            let judged = wishing.wishes.judge(&wish.words, entry, is_here, free);
            match judged {
                Ok(()) => {
                    wishing.wishes.take(&wish.words, &entry.hashes);
                    wishing.save();
                }
                Err(Unfit::Silent) => return Ok(()),
                Err(_) if !wishing.wishes.is_new(&entry.hashes) => return Ok(()),
                Err(_) => {}
            }
            judged
        };
        let fetched = match judged {
            Ok(()) => self.fetch(entry).await,
            Err(why) => {
                let told = News::NotFetched { wish: wish.clone(), entry: Box::new(entry.clone()), why };
                drop(news.try_send(told));
                return Ok(());
            }
        };
        match fetched {
            Ok(()) => {
                let told = News::Fetching { wish: wish.clone(), entry: Box::new(entry.clone()) };
                drop(news.try_send(told));
                Ok(())
            }
            Err(error) => {
                let mut wishing = self.wishing();
                wishing.wishes.give_back(wish, &entry.hashes);
                wishing.save();
                Err(error)
            }
        }
    }

    async fn fetch(&self, entry: &Entry) -> Result<(), AskError> {
        let found = self.link.ask(Find::Entry { entry: entry.entry.clone() }).await?;
        let info = found.info.as_deref().and_then(|info| Info::parse(info).ok());
        let source = match info.filter(|info| info.hashes() == entry.hashes) {
            Some(info) => AddSource::Info(Box::new(info)),
            None => AddSource::Hashes { hashes: entry.hashes, name: entry.name.clone() },
        };
        match self.session.add(source, AddOptions::default()).await {
            Ok(added) if matches!(added.beginning, Beginning::Already { .. }) => Ok(()),
            Ok(added) => self.publish(added.id, None, false).await.map(drop),
            Err(error) => {
                tracing::warn!(%error, "what is wanted cannot be fetched");
                Ok(())
            }
        }
    }
}
