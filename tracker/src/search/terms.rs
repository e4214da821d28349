//! The terms of all texts, which are their runs of letters and digits, and the rows that have each.
//!
//! A word of a question may be any part of a term: which terms have it, `SQLite`'s full-text index over
//! trigrams tells, in memory. It holds each term once, however many rows have it, so that it is small.
//! Where the terms stand is kept beside it, in sets of rows. Called by the index only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roaring::{MultiOps as _, RoaringBitmap};
use rusqlite::{Connection, params};

use super::documents::Document;
use super::index;

/// Terms of all texts; once there are so many, new ones are taken from names only.
const MAX_TERMS: usize = if cfg!(test) { 5_000 } else { 2_000_000 };
/// Letters of the shortest part that the full-text index finds.
const TRIGRAM: usize = 3;

/// Rows that have something.
#[derive(Debug, Default, Clone)]
pub(super) struct Postings {
    /// In one of their names.
    pub(super) names: RoaringBitmap,
    /// In a path inside them.
    pub(super) paths: RoaringBitmap,
}

/// All terms, each with a number of its own.
#[derive(Debug)]
pub(super) struct Terms {
    numbers: HashMap<Arc<str>, u32>,
    /// By number, each beside its term.
    postings: Vec<(Arc<str>, Postings)>,
    free: Vec<u32>,
    /// A term of a path was left out.
    is_full: bool,
    /// A connection is one thread's at a time; each question of it takes some tens of microseconds.
    parts: Mutex<Connection>,
}

impl Terms {
    /// None yet. Fails when there is no memory for a table.
    pub(super) fn new() -> rusqlite::Result<Self> {
        let parts = Connection::open_in_memory()?;
        parts.execute_batch(
            "PRAGMA journal_mode = OFF;
             CREATE VIRTUAL TABLE terms USING fts5(
                 term, content='', contentless_delete=1, tokenize='trigram case_sensitive 1');",
        )?;
        let (numbers, postings, free) = (HashMap::new(), Vec::new(), Vec::new());
        Ok(Self { numbers, postings, free, is_full: false, parts: Mutex::new(parts) })
    }

    fn parts(&self) -> MutexGuard<'_, Connection> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Forgets the texts of these rows, and takes in those of others. After an error the terms are not
    /// to be asked any more.
    pub(super) fn change(
        &mut self,
        gone: &[(u32, Document)],
        new: &[(u32, &Document)],
    ) -> rusqlite::Result<()> {
        let (mut added, mut left) = (BTreeSet::new(), BTreeSet::new());
        for (row, document) in gone {
            for (term, in_path) in document.terms() {
                let Some(number) = self.numbers.get(term) else { continue };
                let Some((_, postings)) = self.postings.get_mut(index(*number)) else { continue };
                if in_path {
                    postings.paths.remove(*row)
                } else {
                    postings.names.remove(*row)
                };
                left.insert(term);
            }
        }
        for (row, document) in new {
            for (term, in_path) in document.terms() {
                let number = match self.numbers.get(term) {
                    Some(number) => *number,
                    None if in_path && self.numbers.len() >= MAX_TERMS => {
                        self.leave_out();
                        continue;
                    }
                    None => {
                        added.insert(term);
                        self.number(term)
                    }
                };
                let Some((_, postings)) = self.postings.get_mut(index(number)) else { continue };
                if in_path {
                    postings.paths.insert(*row)
                } else {
                    postings.names.insert(*row)
                };
            }
        }
        left.retain(|term| self.exact(term).is_some_and(Postings::is_empty));
        if added.is_empty() && left.is_empty() {
            return Ok(());
        }
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = parts.transaction()?;
        {
            let mut forget = transaction.prepare_cached("DELETE FROM terms WHERE rowid = ?1")?;
            for term in left {
                let Some(number) = self.numbers.remove(term) else { continue };
                self.free.push(number);
                forget.execute([number])?;
            }
            let mut add = transaction.prepare_cached("INSERT INTO terms (rowid, term) VALUES (?1, ?2)")?;
            for term in added {
                add.execute(params![self.numbers.get(term), term])?;
            }
        }
        transaction.commit()
    }

    fn leave_out(&mut self) {
        if !std::mem::replace(&mut self.is_full, true) {
            tracing::warn!(terms = MAX_TERMS, "no more new words of paths are searched, only those of names");
        }
    }

    /// A number for a new term.
    fn number(&mut self, term: &str) -> u32 {
        let term: Arc<str> = term.into();
        let number = self.free.pop().unwrap_or_else(|| {
            self.postings.push((Arc::clone(&term), Postings::default()));
            u32::try_from(self.postings.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some((text, _)) = self.postings.get_mut(index(number)) {
            *text = Arc::clone(&term);
        }
        self.numbers.insert(term, number);
        number
    }

    /// The rows of exactly this term.
    pub(super) fn exact(&self, term: &str) -> Option<&Postings> {
        self.postings.get(index(*self.numbers.get(term)?)).map(|(_, postings)| postings)
    }

    /// The rows of all terms that have this part.
    pub(super) fn having(&self, part: &str) -> rusqlite::Result<Postings> {
        let numbers = if part.chars().count() < TRIGRAM {
            // Too short for a trigram: they are looked through.
            let finder = memchr::memmem::Finder::new(part);
            let has = |term: &str| finder.find(term.as_bytes()).is_some();
            self.numbers.iter().filter(|(term, _)| has(term)).map(|(_, number)| *number).collect()
        } else {
            self.numbers_having(part, usize::MAX)?
        };
        let all = || numbers.iter().filter_map(|number| self.postings.get(index(*number)));
        Ok(Postings {
            names: all().map(|(_, postings)| &postings.names).union(),
            paths: all().map(|(_, postings)| &postings.paths).union(),
        })
    }

    /// The numbers of terms that have this part, of three letters or more.
    pub(super) fn numbers_having(&self, part: &str, limit: usize) -> rusqlite::Result<Vec<u32>> {
        let parts = self.parts();
        let mut statement = parts.prepare_cached("SELECT rowid FROM terms WHERE terms MATCH ?1 LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Within quotes nothing is an operator, and a term has no quotes.
        statement.query_map(params![format!("\"{part}\""), limit], |row| row.get(0))?.collect()
    }

    /// Rows with this term in their names.
    pub(super) fn named(&self, number: u32) -> Option<&RoaringBitmap> {
        self.postings.get(index(number)).map(|(_, postings)| &postings.names)
    }

    /// The term of this number.
    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.postings.get(index(number)).map(|(term, _)| &**term)
    }
}

impl Postings {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.paths.is_empty()
    }
}
