//! The index behind `search`: finds entries by the words of their names and of the paths inside them.
//!
//! ```text
//! hub ── keys that changed ─▶ inbox ─▶ writer thread ─▶ texts, terms (SQLite FTS5, trigrams), sets of rows
//! session ── question ─▶ terms that have each word ─▶ sets of rows ─▶ order ─▶ hub ─▶ registry
//! ```
//!
//! It is not the truth: it is made anew from the registry at each start, lies in memory, and names
//! candidates only; what may be seen of them, and as what, the registry says. Words of one or two letters
//! have no trigram: for them all terms are looked through.

mod documents;
mod looking;
mod orders;
mod question;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use registry::{Candidate, Candidates, Cursor, Listing};
use shared::InfoHash;
use shared::control::Search;
use tokio::sync::{Semaphore, watch};

use self::documents::{Document, Documents};
use self::orders::{Order, Orders};
use self::question::Question;
use self::terms::Terms;

/// Entries of a page when nobody says how many.
const PAGE: usize = 50;
/// Entries that are taken in at once, while nobody searches.
const BATCH: usize = 32;
/// Bytes of their texts.
const WRITTEN: usize = 512 * 1024;
/// Entries that are taken in at once while the index is made.
const LOADED: usize = 4_096;
/// How long a search waits for what was shared just before it.
const PATIENCE: Duration = Duration::from_millis(250);

/// The index could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The table of terms cannot be made.
    #[error("the table of words cannot be made: {0}")]
    Table(#[from] rusqlite::Error),
    /// There is no thread for it.
    #[error("no thread for the index: {0}")]
    Thread(#[from] std::io::Error),
}

/// Gives entries as they are now, each with or without its texts; `None` for what is not listed.
pub type Pull = Box<dyn Fn(&[(InfoHash, bool)]) -> Vec<Option<Listing>> + Send>;

/// The index. Copies are the same one; its thread ends with the last of them.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
    _thread: Arc<Ending>,
}

struct Shared {
    texts: RwLock<Texts>,
    orders: Mutex<Orders>,
    /// How many questions that take long are answered at once.
    slow: Semaphore,
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// The newest touch whose texts are in the index.
    done: watch::Sender<u64>,
    broken: AtomicBool,
}

#[derive(Debug)]
struct Texts {
    documents: Documents,
    terms: Terms,
}

/// An entry on its way in: its text, or only how many have it; `None` when it is not listed any more.
type Change = (InfoHash, Option<(Option<Document>, usize)>);

#[derive(Debug, Default)]
struct Inbox {
    keys: BTreeMap<InfoHash, bool>,
    /// How often texts were touched.
    touched: u64,
    closed: bool,
}

/// Ends the writer's thread.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.0.inbox).closed = true;
        self.0.wake.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an index holds, for those who measure it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Entries.
    pub entries: usize,
    /// Different terms of their texts.
    pub terms: usize,
}

impl Index {
    /// An index of `keys`, which is made while this returns, that works on as many slow questions at once.
    pub fn start(keys: Vec<InfoHash>, slow: usize, pull: Pull) -> Result<Self, IndexError> {
        let shared = Arc::new(Shared {
            texts: RwLock::new(Texts { documents: Documents::default(), terms: Terms::new()? }),
            orders: Mutex::default(),
            slow: Semaphore::new(slow.max(1)),
            inbox: Mutex::default(),
            wake: Condvar::new(),
            done: watch::Sender::new(0),
            broken: AtomicBool::new(false),
        });
        let index = Self { _thread: Arc::new(Ending(Arc::clone(&shared))), shared: Arc::clone(&shared) };
        index.touch(keys.into_iter().map(|key| (key, true)).collect());
        std::thread::Builder::new().name("index".to_owned()).spawn(move || shared.write_all(&pull))?;
        Ok(index)
    }

    /// These entries changed, each with whether its texts did.
    pub fn touch(&self, keys: BTreeMap<InfoHash, bool>) {
        if keys.is_empty() {
            return;
        }
        let mut inbox = lock(&self.shared.inbox);
        inbox.touched += u64::from(keys.values().any(|anew| *anew));
        for (key, anew) in keys {
            *inbox.keys.entry(key).or_default() |= anew;
        }
        self.shared.wake.notify_one();
    }

    /// Waits until all that was touched is found; whether that is so within `patience`.
    pub async fn settled(&self, patience: Duration) -> bool {
        let touched = lock(&self.shared.inbox).touched;
        if *self.shared.done.borrow() >= touched {
            return true;
        }
        let mut done = self.shared.done.subscribe();
        let settled = done.wait_for(|done| *done >= touched);
        tokio::time::timeout(patience, settled).await.is_ok_and(|settled| settled.is_ok())
    }

    /// What fits, of all or among some entries; `None` while the index is not able to tell.
    pub async fn search(&self, search: &Search, among: Option<BTreeSet<InfoHash>>) -> Option<Candidates> {
        // What was not there when the tracker started is waited for a moment, and then left out.
        self.settled(PATIENCE).await;
        if *self.shared.done.borrow() == 0 && lock(&self.shared.inbox).touched > 0 {
            return None;
        }
        let (question, page) = (Question::new(search), Page::of(search));
        if let Some(found) = self.shared.at_once(&question, page, among.as_ref()) {
            return Some(found);
        }
        let _slow = self.shared.slow.acquire().await.ok()?;
        let shared = Arc::clone(&self.shared);
        let looking = tokio::task::spawn_blocking(move || shared.in_time(&question, page, among.as_ref()));
        looking.await.ok().flatten()
    }

    /// The same at once, on this thread: for measuring.
    pub fn answer(&self, search: &Search) -> Option<Candidates> {
        self.shared.in_time(&Question::new(search), Page::of(search), None)
    }

    /// What it holds.
    pub fn size(&self) -> Size {
        let texts = self.shared.read();
        Size { entries: texts.documents.len(), terms: texts.terms.len() }
    }
}

/// The place of a row, or of a term's number, in a list.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What may be done for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Nothing that takes long: no near names, and little text to look at.
    Little,
    /// Whatever it takes, on a thread of its own.
    Any,
}

/// Which results are wanted.
#[derive(Debug, Clone, Copy)]
struct Page {
    at: Cursor,
    limit: usize,
}

impl Page {
    fn of(search: &Search) -> Self {
        let limit = search.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
        Self { at: search.after.map(Cursor::from_number).unwrap_or_default(), limit }
    }

    fn of_order(self, question: &Question, order: &Order, number: u64, texts: &Texts) -> Candidates {
        let path = |place: usize, hit| match order.paths.get(place) {
            Some(known) => known.clone(),
            None => texts.path(question, hit),
        };
        let page = order.hits.iter().enumerate().skip(self.at.place).take(self.limit);
        Candidates {
            page: page.map(|(place, hit)| Candidate { key: hit.key, path: path(place, hit) }).collect(),
            at: Cursor { order: number, place: self.at.place },
            total: order.total,
            near: order.near.clone(),
        }
    }
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Texts> {
        self.texts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, where nobody is held up for it: the writer is not at work, and there is little to do.
    fn at_once(
        &self,
        question: &Question,
        page: Page,
        among: Option<&BTreeSet<InfoHash>>,
    ) -> Option<Candidates> {
        let texts = match self.texts.try_read() {
            Ok(texts) => texts,
            Err(TryLockError::Poisoned(texts)) => texts.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let known = self.known(&texts, question, page, among.is_some(), Effort::Little);
        known.or_else(|| {
            question.is_quick().then(|| self.answer(&texts, question, page, among, Effort::Little))?
        })
    }

    /// The answer, however long that takes.
    fn in_time(
        &self,
        question: &Question,
        page: Page,
        among: Option<&BTreeSet<InfoHash>>,
    ) -> Option<Candidates> {
        let texts = self.read();
        // Meanwhile somebody else may have asked the same.
        let known = self.known(&texts, question, page, among.is_some(), Effort::Any);
        known.or_else(|| self.answer(&texts, question, page, among, Effort::Any))
    }

    /// The page of an order that is remembered: of the one that the cursor names, or for a first page of
    /// one that is as good as new.
    fn known(
        &self,
        texts: &Texts,
        question: &Question,
        page: Page,
        among: bool,
        effort: Effort,
    ) -> Option<Candidates> {
        let (number, order) = if page.at.place > 0 {
            (page.at.order, lock(&self.orders).numbered(page.at.order, &question.asked())?)
        } else if among {
            return None;
        } else {
            // Whether it is fresh is told while others may ask.
            let newest = lock(&self.orders).newest(question);
            newest.filter(|(_, order)| order.is_fresh(question, &texts.documents))?
        };
        let is_told = effort == Effort::Any || order.tells(page.at.place, page.limit);
        is_told.then(|| page.of_order(question, &order, number, texts))
    }

    fn answer(
        &self,
        texts: &Texts,
        question: &Question,
        page: Page,
        among: Option<&BTreeSet<InfoHash>>,
        effort: Effort,
    ) -> Option<Candidates> {
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let first = page.at.place.saturating_add(page.limit);
        let looked = texts.look(question, among, first, effort).and_then(|looked| {
            let Some(mut order) = looked else { return Ok(None) };
            if order.total == 0 && among.is_none() {
                if effort == Effort::Little {
                    return Ok(None);
                }
                order.near = texts.near(question)?;
            }
            Ok(Some(order))
        });
        let order = match looked {
            Ok(order) => Arc::new(order?),
            Err(error) => {
                tracing::warn!(%error, "the index cannot be read; names are looked through instead");
                return None;
            }
        };
        let number = lock(&self.orders).add(question.asked(), Arc::clone(&order));
        Some(page.of_order(question, &order, number, texts))
    }

    /// The writer's thread.
    fn write_all(&self, pull: &Pull) {
        let mut loading = true;
        loop {
            let (batch, touched) = {
                let mut inbox = lock(&self.inbox);
                while inbox.keys.is_empty() && !inbox.closed && !loading {
                    inbox = self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
                }
                if inbox.closed {
                    return;
                }
                let size = if loading { LOADED } else { BATCH };
                let batch: Vec<_> = std::iter::from_fn(|| inbox.keys.pop_first()).take(size).collect();
                (batch, inbox.keys.is_empty().then_some(inbox.touched))
            };
            let change = |((key, anew), listing): (&(InfoHash, bool), Option<Listing>)| {
                let read = |listing: Listing| (anew.then(|| Document::new(&listing)), listing.sources);
                (*key, listing.map(read))
            };
            let mut changes = batch.iter().zip(pull(&batch)).map(change).peekable();
            while changes.peek().is_some() {
                // Part by part: the lock is not held for long at a time.
                let mut left = if loading { usize::MAX } else { WRITTEN };
                let part = std::iter::from_fn(|| {
                    let change = (left > 0).then(|| changes.next())??;
                    left = left.saturating_sub(weight(&change));
                    Some(change)
                });
                let part = part.collect();
                let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = texts.change(part) {
                    tracing::warn!(%error, "the index cannot be written; names are looked through instead");
                    self.broken.store(true, Ordering::Relaxed);
                    return;
                }
            }
            if let Some(touched) = touched {
                loading = false;
                self.done.send_replace(touched);
            }
        }
    }
}

/// About how much there is to write for a change, in bytes of text: what goes is not looked at.
fn weight((_, change): &Change) -> usize {
    let document = change.as_ref().and_then(|(document, _)| document.as_ref());
    document.map_or(0, Document::length).max(WRITTEN / BATCH)
}

impl Texts {
    fn change(&mut self, changes: Vec<Change>) -> rusqlite::Result<()> {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (key, change) in changes {
            match change {
                Some((None, sources)) => self.documents.set_sources(key, sources),
                Some((Some(document), sources)) => {
                    gone.extend(self.documents.remove(key));
                    new.push(self.documents.add(document, sources));
                }
                None => gone.extend(self.documents.remove(key)),
            }
        }
        let new: Vec<_> = new.iter().filter_map(|row| Some((*row, self.documents.get(*row)?))).collect();
        self.terms.change(&gone, &new)
    }
}
