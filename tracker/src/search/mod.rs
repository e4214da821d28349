//! The index behind `search`: finds entries by the words of their names and of the paths inside them.
//!
//! ```text
//! hub ── keys that changed ─▶ inbox ─▶ writer thread ─▶ table of trigrams (SQLite FTS5) and texts
//! session ── question ─▶ a reader's connection ─▶ candidates ─▶ texts ─▶ order ─▶ hub ─▶ registry
//! ```
//!
//! It is not the truth: it is made anew from the registry at each start, lies in memory, and names
//! candidates only; what may be seen of them, and as what, the registry says. The table narrows a
//! question to rows that have its rarest trigrams, and the texts decide. Words of one or two letters
//! have no trigram: alone, they are looked for in all texts.

mod documents;
mod looking;
mod orders;
mod question;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use registry::{Candidate, Candidates, Cursor, Listing};
use shared::InfoHash;
use shared::control::Search;
use tokio::sync::{Semaphore, watch};

use self::documents::{Document, Documents};
use self::orders::{Order, Orders};
use self::question::{Question, Trigram};
use self::table::{Frequencies, NewRow, Place, Reader, Writer};

/// Entries of a page when nobody says how many.
const PAGE: usize = 50;
/// Entries that are written at once.
const BATCH: usize = 128;
/// The same while the index is made: each write is a piece of the table that must be merged with others.
const LOADED: usize = 4_096;
/// How long a search waits for what was shared just before it.
const PATIENCE: Duration = Duration::from_millis(250);
/// Entries that are looked at on a session's own thread: some tens of microseconds.
const QUICK: u32 = 300;
/// Entries from which on the table is made one piece after the start.
const MANY: usize = 1_000;

/// The index could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The table cannot be made.
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
    readers: Mutex<Vec<Reader>>,
    free: Semaphore,
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// The newest touch whose texts are in the index.
    done: watch::Sender<u64>,
    broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Texts {
    documents: Documents,
    frequencies: Frequencies,
}

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
    /// Bytes of the table of words and of the paths as they are shown.
    pub table: u64,
}

impl Index {
    /// An index of `keys`, which is made while this returns, with as many readers at once.
    pub fn start(keys: Vec<InfoHash>, readers: usize, pull: Pull) -> Result<Self, IndexError> {
        let place = Place::new();
        let writer = Writer::open(&place)?;
        let readers = (0..readers.max(1)).map(|_| Reader::open(&place)).collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared {
            texts: RwLock::default(),
            orders: Mutex::default(),
            free: Semaphore::new(readers.len()),
            readers: Mutex::new(readers),
            inbox: Mutex::default(),
            wake: Condvar::new(),
            done: watch::Sender::new(0),
            broken: AtomicBool::new(false),
        });
        let index = Self { _thread: Arc::new(Ending(Arc::clone(&shared))), shared: Arc::clone(&shared) };
        index.touch(keys.into_iter().map(|key| (key, true)).collect());
        std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || shared.write_all(writer, &pull))?;
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
        let question = Question::new(search);
        let page = Page::of(search);
        // What is remembered is told at once, however many others wait for a reader.
        if let Some(found) = self.shared.known(&question, page, among.is_some(), false) {
            return Some(found);
        }
        if let Ok(_free) = self.shared.free.try_acquire() {
            if let Some(found) = self.shared.known(&question, page, among.is_some(), true) {
                return Some(found);
            }
            // Sooner done here than handed to another thread and back.
            if among.is_none() && self.shared.is_quick(&question) {
                return self.shared.answer(&question, page, None);
            }
        }
        let _free = self.shared.free.acquire().await.ok()?;
        // Meanwhile somebody else may have asked the same.
        if let Some(found) = self.shared.known(&question, page, among.is_some(), true) {
            return Some(found);
        }
        let shared = Arc::clone(&self.shared);
        let looking = tokio::task::spawn_blocking(move || shared.answer(&question, page, among.as_ref()));
        looking.await.ok().flatten()
    }

    /// The same at once, on this thread: for measuring.
    pub fn answer(&self, search: &Search) -> Option<Candidates> {
        let (question, page) = (Question::new(search), Page::of(search));
        self.shared.known(&question, page, false, true).or_else(|| self.shared.answer(&question, page, None))
    }

    /// What it holds.
    pub fn size(&self) -> Size {
        let entries = self.shared.read().documents.len();
        let reader = lock(&self.shared.readers).pop();
        let table = reader.as_ref().and_then(|reader| reader.bytes().ok()).unwrap_or(0);
        lock(&self.shared.readers).extend(reader);
        Size { entries, table }
    }
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
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Texts> {
        self.texts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page of an order that is remembered: of the one that the cursor names, or for a first page of
    /// one that is as good as new. Without a reader, whose turn somebody else may have, only what is told
    /// without one.
    fn known(&self, question: &Question, page: Page, among: bool, has_reader: bool) -> Option<Candidates> {
        let texts = self.read();
        let orders = lock(&self.orders);
        let (number, order) = if page.at.place > 0 {
            (page.at.order, orders.numbered(page.at.order, &question.asked())?)
        } else {
            orders.fresh(question, &texts.documents).filter(|_| !among)?
        };
        drop(orders);
        drop(texts);
        if !has_reader && order.needs_reader(page.at.place, page.limit) {
            return None;
        }
        self.page(question, &order, number, page)
    }

    /// Whether few entries are to be looked at.
    fn is_quick(&self, question: &Question) -> bool {
        let texts = self.read();
        let rarest = texts.frequencies.rarest(question);
        let count =
            |trigrams: &[Trigram]| trigrams.iter().map(|trigram| texts.frequencies.of(*trigram)).min();
        // What is not there at all is looked for among near names, which takes longer.
        rarest.and_then(|rarest| count(&rarest)).is_some_and(|count| (1..=QUICK).contains(&count))
    }

    fn answer(
        &self,
        question: &Question,
        page: Page,
        among: Option<&BTreeSet<InfoHash>>,
    ) -> Option<Candidates> {
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        if page.at.place > 0
            && let Some(found) = self.known(question, page, among.is_some(), true)
        {
            return Some(found);
        }
        let reader = lock(&self.readers).pop()?;
        let looked = self.look(&reader, question, among);
        lock(&self.readers).push(reader);
        let order = match looked {
            Ok(order) => Arc::new(order),
            Err(error) => {
                tracing::warn!(%error, "the index cannot be read; names are looked through instead");
                return None;
            }
        };
        let number = lock(&self.orders).add(question.asked(), Arc::clone(&order));
        self.page(question, &order, number, page)
    }

    fn page(&self, question: &Question, order: &Order, number: u64, page: Page) -> Option<Candidates> {
        let hits = order.hits.get(page.at.place..).unwrap_or_default();
        let hits = hits.get(..page.limit).unwrap_or(hits);
        let mut candidates: Vec<Candidate> =
            hits.iter().map(|hit| Candidate { key: hit.key, path: None }).collect();
        let known = order.paths.get(page.at.place..).unwrap_or_default();
        for (candidate, path) in candidates.iter_mut().zip(known) {
            candidate.path.clone_from(path);
        }
        if let Some(unknown) = hits.get(known.len()..).filter(|hits| hits.iter().any(|hit| hit.by_path)) {
            let reader = lock(&self.readers).pop()?;
            let paths = self.paths(&reader, question, unknown);
            lock(&self.readers).push(reader);
            for (candidate, path) in candidates.iter_mut().skip(known.len()).zip(paths) {
                candidate.path = path;
            }
        }
        Some(Candidates {
            page: candidates,
            at: Cursor { order: number, place: page.at.place },
            total: order.total,
            near: order.near.clone(),
        })
    }

    /// The writer's thread.
    fn write_all(&self, mut writer: Writer, pull: &Pull) {
        let mut loading = true;
        loop {
            let (batch, touched) = {
                let mut inbox = lock(&self.inbox);
                while inbox.keys.is_empty() && !inbox.closed {
                    if loading {
                        break;
                    }
                    inbox = self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
                }
                if inbox.closed {
                    return;
                }
                let mut batch = Vec::new();
                while batch.len() < if loading { LOADED } else { BATCH }
                    && let Some(key) = inbox.keys.pop_first()
                {
                    batch.push(key);
                }
                (batch, inbox.keys.is_empty().then_some(inbox.touched))
            };
            let listings = pull(&batch);
            if let Err(error) = self.take_in(&mut writer, &batch, listings) {
                tracing::warn!(%error, "the index cannot be written; names are looked through instead");
                self.broken.store(true, Ordering::Relaxed);
                return;
            }
            let Some(touched) = touched else { continue };
            if std::mem::take(&mut loading)
                && let Err(error) = writer.loaded(self.read().documents.len() >= MANY)
            {
                tracing::debug!(%error, "the index stays in pieces");
            }
            self.done.send_replace(touched);
        }
    }

    fn take_in(
        &self,
        writer: &mut Writer,
        batch: &[(InfoHash, bool)],
        listings: Vec<Option<Listing>>,
    ) -> rusqlite::Result<()> {
        let prepared: Vec<_> =
            batch
                .iter()
                .zip(listings)
                .map(|((key, anew), listing)| {
                    (
                        *key,
                        listing.map(|listing| {
                            if *anew { Ok(Document::prepare(&listing)) } else { Err(listing.sources) }
                        }),
                    )
                })
                .collect();
        let (gone, new) = self.put(prepared);
        writer.write(&gone, &new)
    }

    /// Changes the texts; gives back what the table must forget, and what it must take in. Until it has,
    /// it names rows that do not fit, and the texts leave them out.
    fn put(
        &self,
        prepared: Vec<(InfoHash, Option<Result<documents::Prepared, usize>>)>,
    ) -> (Vec<u32>, Vec<NewRow>) {
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        let texts = &mut *texts;
        let (mut gone, mut new, mut put) = (Vec::new(), Vec::new(), Vec::new());
        for (key, prepared) in prepared {
            if let Some(Err(sources)) = prepared {
                texts.documents.set_sources(key, sources);
                continue;
            }
            if let Some(row) = texts.documents.row(key)
                && let Some(old) = texts.documents.remove(key)
            {
                texts.frequencies.remove(&old.text());
                gone.push(row);
            }
            if let Some(Ok(prepared)) = prepared {
                let row = texts.documents.assign(key);
                let text = prepared.document.text();
                texts.frequencies.add(&text);
                new.push((row, text, prepared.shown));
                put.push((row, prepared.document));
            }
        }
        for (row, document) in put {
            texts.documents.put(row, document);
        }
        (gone, new)
    }
}
