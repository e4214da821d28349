//! How a question is answered anew: the terms say which rows have each word, their sets are cut with each
//! other, and the best of what is left are put in order. Called by the index only.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use registry::{MAX_RANKED, nearest};
use roaring::RoaringBitmap;
use shared::InfoHash;

use super::documents::{Document, Fit, LITTLE, Rank};
use super::orders::{Hit, Order};
use super::question::{Question, Word, terms, trigrams};
use super::terms::Postings;
use super::{Effort, PAGE, Texts};

/// Parts of the question by which near names are found, terms that are looked at for each, and of these
/// terms the ones whose rows are looked at: those that have most of the parts.
const NEAR: (usize, usize, usize) = (24, 150, 40);
/// Rows of a term by which near names are found.
const MAX_ROWS: usize = 30;
/// Of these, those that are compared letter by letter.
const MAX_COMPARED: usize = 100;
/// Near names that are told.
const MAX_NEAR: usize = 3;
/// Words of a question in whose place a near term is looked for: each takes as long as a few searches.
const MAX_CORRECTED: usize = 3;
/// Rows that are sooner looked at than the terms of words with other signs are asked for. Tests have few rows, and
/// want both.
const FEW: u64 = if cfg!(test) { 20 } else { 1_000 };

/// Bytes of text that are looked at for one question; what lies behind them is not found.
const MAX_LOOKED: usize = 256 << 20;

/// The rows that have a word anywhere, and those that have it whole.
struct Places {
    part: Postings,
    whole: Postings,
}

impl Texts {
    /// Looks for all that fits, of all or of some entries, without near names. `first` of the results will
    /// be asked for: `None` when much text had to be looked at to tell their paths, and only little may be.
    pub(super) fn look(
        &self,
        question: &Question,
        among: Option<&BTreeSet<InfoHash>>,
        first: usize,
        effort: Effort,
    ) -> rusqlite::Result<Option<Order>> {
        let rows = match among {
            Some(among) => among.iter().filter_map(|key| self.documents.row(*key)).collect(),
            None => self.documents.taken.clone(),
        };
        let mut found = self.ranked(question, rows)?;
        let total = found.len();
        if total > MAX_RANKED {
            found.select_nth_unstable(MAX_RANKED);
            found.truncate(MAX_RANKED);
        }
        found.sort_unstable_by(|one, other| self.documents.compare(one, other));
        let hit = |(fit, _, _, row): Rank| {
            let document = self.documents.get(row)?;
            Some(Hit { key: document.key, row, by_path: fit >= Fit::PathWhole })
        };
        let hits: Vec<Hit> = found.into_iter().filter_map(hit).collect();
        let told = hits.iter().take(first).filter(|hit| hit.by_path);
        let text: usize = told.filter_map(|hit| self.documents.get(hit.row)).map(Document::length).sum();
        if effort == Effort::Little && text > LITTLE {
            return Ok(None);
        }
        let paths = hits.iter().take(first.min(PAGE)).map(|hit| self.path(question, hit)).collect();
        let (edition, sourcing) = (self.documents.edition, self.documents.sourcing);
        Ok(Some(Order { hits, paths, total, near: Vec::new(), edition, sourcing, made: Instant::now() }))
    }

    /// The path that has the words, where the names have not all of them.
    pub(super) fn path(&self, question: &Question, hit: &Hit) -> Option<String> {
        // The row may be somebody else's by now.
        let document = self.documents.get(hit.row).filter(|document| hit.by_path && document.key == hit.key);
        document?.path(question).map(str::to_owned)
    }

    /// Those of these rows that fit, with what they are put in order by.
    pub(super) fn ranked(&self, question: &Question, mut rows: RoaringBitmap) -> rusqlite::Result<Vec<Rank>> {
        let (plain, others): (Vec<&Word>, Vec<&Word>) =
            question.words.iter().partition(|word| word.is_plain());
        let mut places = Vec::new();
        for word in plain {
            let whole = self.terms.exact(&word.text).cloned().unwrap_or_default();
            let part = self.terms.having(&word.text)?;
            rows &= &part.names | &part.paths;
            places.push(Places { part, whole });
        }
        // The texts that are left are looked at for words that are more than a part of one term.
        for term in others.iter().flat_map(|word| terms(&word.text)) {
            if rows.len() <= FEW {
                break;
            }
            let having = self.terms.having(term)?;
            rows &= having.names | having.paths;
        }
        let mut left = MAX_LOOKED;
        for word in others {
            let word = self.places(word, &rows, &mut left);
            rows &= &word.part.names | &word.part.paths;
            places.push(word);
        }
        let (mut by_name, mut by_path) = (rows.clone(), rows);
        for word in &places {
            by_name &= &word.part.names;
        }
        by_path -= &by_name;
        let (mut whole_name, mut whole_path) = (by_name.clone(), by_path.clone());
        for word in &places {
            whole_name &= &word.whole.names;
            whole_path &= &word.part.names | &word.whole.paths;
        }
        by_name -= &whole_name;
        by_path -= &whole_path;
        let mut found = Vec::new();
        for (rows, fit) in [
            (whole_name, Fit::Whole),
            (by_name, Fit::Part),
            (whole_path, Fit::PathWhole),
            (by_path, Fit::PathPart),
        ] {
            let wanted = |row: &u32| {
                question.is_for_all()
                    || self.documents.get(*row).is_some_and(|document| document.is_wanted(question))
            };
            let rank = |row| self.documents.rank(row, fit, question);
            found.extend(rows.into_iter().filter(wanted).map(rank));
        }
        Ok(found)
    }

    /// In which of these rows a word is, told by looking at their texts as long as bytes are `left`.
    fn places(&self, word: &Word, rows: &RoaringBitmap, left: &mut usize) -> Places {
        let mut places = Places { part: Postings::default(), whole: Postings::default() };
        for row in rows {
            let Some(document) = self.documents.get(row) else { continue };
            let Some(rest) = left.checked_sub(document.length()) else { break };
            *left = rest;
            let [names, whole_names, paths, whole_paths] = document.places(word);
            for (has, rows) in [
                (names, &mut places.part.names),
                (whole_names, &mut places.whole.names),
                (paths, &mut places.part.paths),
                (whole_paths, &mut places.whole.paths),
            ] {
                if has {
                    rows.insert(row);
                }
            }
        }
        places
    }

    /// Entries whose names are nearly what was asked; where there are none, the best of those that have
    /// the nearest terms in the place of words that nobody has.
    pub(super) fn near(&self, question: &Question) -> rusqlite::Result<Vec<InfoHash>> {
        let mut rows = BTreeMap::new();
        for (number, count) in self.alike(&question.query)? {
            for row in self.terms.named(number).into_iter().flatten().take(MAX_ROWS) {
                *rows.entry(row).or_insert(0) += count;
            }
        }
        // Compared letter by letter.
        let documents = most(rows).take(MAX_COMPARED).filter_map(|(row, _)| self.documents.get(row));
        let names: HashMap<&str, InfoHash> =
            documents.map(|document: &Document| (document.name(), document.key)).collect();
        let nearest = nearest(&question.query, names.keys().copied(), MAX_NEAR);
        if !nearest.is_empty() {
            return Ok(nearest.iter().filter_map(|name| names.get(name.as_str()).copied()).collect());
        }
        let Some(corrected) = self.corrected(question)? else { return Ok(Vec::new()) };
        let mut found = self.ranked(&corrected, self.documents.taken.clone())?;
        found.sort_unstable();
        let key = |(_, _, _, row): Rank| self.documents.get(row).map(|document| document.key);
        Ok(found.into_iter().take(MAX_NEAR).filter_map(key).collect())
    }

    /// The question with the nearest term in the place of each word that nobody has; `None` when one has
    /// no near term, or when there are many such words.
    fn corrected(&self, question: &Question) -> rusqlite::Result<Option<Question>> {
        let (mut words, mut corrected) = (Vec::new(), 0);
        for Word { text, .. } in &question.words {
            let having = self.terms.having(text)?;
            if !having.names.is_empty() || !having.paths.is_empty() {
                words.push(text.clone());
                continue;
            }
            corrected += 1;
            if corrected > MAX_CORRECTED {
                return Ok(None);
            }
            let alike = self.alike(text)?;
            let alike = alike.iter().filter_map(|(number, _)| self.terms.text(*number));
            let Some(near) = nearest(text, alike, 1).pop() else { return Ok(None) };
            words.push(near);
        }
        Ok(Some(question.with_words(&words)))
    }

    /// The terms that have most of a text's trigrams, with how many of them.
    fn alike(&self, text: &str) -> rusqlite::Result<Vec<(u32, u32)>> {
        let asked: BTreeSet<&str> = terms(text).flat_map(trigrams).collect();
        let mut alike = BTreeMap::new();
        for trigram in asked.into_iter().take(NEAR.0) {
            for number in self.terms.numbers_having(trigram, NEAR.1)? {
                *alike.entry(number).or_insert(0_u32) += 1;
            }
        }
        Ok(most(alike).take(NEAR.2).collect())
    }
}

/// Those that were counted most often first.
fn most(counts: BTreeMap<u32, u32>) -> impl Iterator<Item = (u32, u32)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter()
}
