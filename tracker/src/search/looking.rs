//! How a question is answered anew: the table names rows, the texts decide, and what fits is put in
//! order. Called by the index only.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use registry::{MAX_RANKED, nearest};
use shared::InfoHash;

use super::documents::{Document, Fit, Rank};
use super::orders::{Hit, Order};
use super::question::{Question, Trigram, trigrams};
use super::table::Reader;
use super::{MANY, PAGE, Shared};

/// A trigram that more than one in so many entries has narrows nothing.
const COMMON: usize = 4;
/// Trigrams by which near names are found, and entries that are looked at for each.
const NEAR: (usize, usize) = (6, 150);
/// Of these, those that are compared letter by letter: the ones that have most of the trigrams.
const MAX_COMPARED: usize = 100;

impl Shared {
    /// The paths that have the words, of those whose names have not all of them.
    pub(super) fn paths(&self, reader: &Reader, question: &Question, hits: &[Hit]) -> Vec<Option<String>> {
        let texts = self.read();
        let line = |hit: &Hit| texts.documents.get(hit.row).filter(|_| hit.by_path)?.line(question);
        let lines: Vec<Option<usize>> = hits.iter().map(line).collect();
        drop(texts);
        let path = |(hit, line): (&Hit, Option<usize>)| reader.path(hit.row, line?).ok().flatten();
        hits.iter().zip(lines).map(path).collect()
    }

    /// Looks for all that fits.
    pub(super) fn look(
        &self,
        reader: &Reader,
        question: &Question,
        among: Option<&BTreeSet<InfoHash>>,
    ) -> rusqlite::Result<Order> {
        let texts = self.read();
        let (edition, sourcing) = (texts.documents.edition, texts.documents.sourcing);
        let rarest = texts.frequencies.rarest(question).filter(|_| among.is_none());
        // What a great part has is found sooner by looking at all.
        let common = texts.documents.len() / COMMON;
        let is_rare = |trigram: &Trigram| {
            usize::try_from(texts.frequencies.of(*trigram)).is_ok_and(|count| count <= common.max(MANY))
        };
        let rarest = rarest.filter(|rarest| rarest.iter().any(is_rare));
        let is_known = |trigram: &Trigram| texts.frequencies.of(*trigram) > 0;
        let nothing = rarest.as_ref().is_some_and(|rarest| !rarest.iter().all(is_known));
        drop(texts);
        // The table is asked without the lock: a writer need not wait for it.
        let rows = match &rarest {
            Some(_) if nothing => Some(Vec::new()),
            Some(rarest) => Some(reader.rows(rarest, usize::MAX)?),
            None => None,
        };
        let texts = self.read();
        let documents = &texts.documents;
        let fit = |(row, document): (u32, &Document)| Some((document.rank(document.fit(question)?), row));
        let row = |row: u32| Some((row, documents.get(row)?));
        let mut found: Vec<_> = match (among, rows) {
            (Some(among), _) => {
                among.iter().filter_map(|key| row(documents.row(*key)?)).filter_map(fit).collect()
            }
            (None, Some(rows)) => rows.into_iter().filter_map(row).filter_map(fit).collect(),
            (None, None) => documents.iter().filter_map(fit).collect(),
        };
        let total = found.len();
        if total > MAX_RANKED {
            found.select_nth_unstable(MAX_RANKED);
            found.truncate(MAX_RANKED);
        }
        found.sort_unstable();
        let hit = |(rank, row): (Rank, u32)| {
            let by_path = rank.0 >= Fit::PathWhole;
            documents.get(row).map(|document| Hit { key: document.key, row, by_path })
        };
        let hits: Vec<Hit> = found.into_iter().filter_map(hit).collect();
        drop(texts);
        let paths = self.paths(reader, question, hits.get(..PAGE).unwrap_or(&hits));
        let near = if total == 0 && among.is_none() { self.near(reader, question)? } else { Vec::new() };
        Ok(Order { hits, paths, total, near, edition, sourcing, made: Instant::now() })
    }

    /// Entries whose names are nearly what was asked: those that have some of its rarest trigrams are
    /// compared letter by letter.
    fn near(&self, reader: &Reader, question: &Question) -> rusqlite::Result<Vec<InfoHash>> {
        let texts = self.read();
        let asked = question.words.iter().flat_map(|word| trigrams(&word.text));
        let mut asked: Vec<_> = asked.map(|trigram| (texts.frequencies.of(trigram), trigram)).collect();
        drop(texts);
        asked.retain(|(count, _)| *count > 0);
        asked.sort_unstable();
        asked.dedup();
        let mut counts = BTreeMap::new();
        for (_, trigram) in asked.into_iter().take(NEAR.0) {
            for row in reader.rows(&[trigram], NEAR.1)? {
                *counts.entry(row).or_insert(0) += 1;
            }
        }
        let mut rows: Vec<(Reverse<u32>, u32)> =
            counts.into_iter().map(|(row, count)| (Reverse(count), row)).collect();
        rows.sort_unstable();
        rows.truncate(MAX_COMPARED);
        let texts = self.read();
        let names: HashMap<&str, InfoHash> = rows
            .into_iter()
            .filter_map(|(_, row)| texts.documents.get(row))
            .map(|document| (document.name(), document.key))
            .collect();
        let nearest = nearest(&question.query, names.keys().copied(), 3);
        Ok(nearest.iter().filter_map(|name| names.get(name.as_str()).copied()).collect())
    }
}
