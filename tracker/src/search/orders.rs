//! Results in order, remembered for a while: whoever asks for the next page gets that of the same order,
//! and what many ask for is looked for once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::InfoHash;

use super::documents::Documents;
use super::question::{Asked, Question};

/// Orders that are remembered.
const MAX_ORDERS: usize = 2_048;
/// Bytes of all these, of which one with a thousand results and fifty long paths has 230,000.
const MAX_BYTES: usize = 64 << 20;
/// How long an order may be told anew although the number of somebody's sources has changed.
pub(super) const FRESH: Duration = Duration::from_secs(2);

/// One result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) key: InfoHash,
    pub(super) row: u32,
    /// Whether only a path has all the words.
    pub(super) by_path: bool,
}

/// What fits a question, best first.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) hits: Vec<Hit>,
    /// The paths that are shown of the first of them: most questions end with the first page.
    pub(super) paths: Vec<Option<String>>,
    /// How many there are in all.
    pub(super) total: usize,
    /// Near names, when there are none.
    pub(super) near: Vec<InfoHash>,
    /// What it was made of.
    pub(super) edition: u64,
    pub(super) sourcing: u64,
    pub(super) made: Instant,
}

impl Order {
    /// Whether it is what would be found now, as far as that is told without looking at much.
    pub(super) fn is_fresh(&self, question: &Question, documents: &Documents) -> bool {
        let is_young = self.made.elapsed() < FRESH;
        let is_as_sourced = self.sourcing == documents.sourcing || is_young;
        // A name that does not fit may still be near.
        let is_as_near = self.total > 0 || self.edition == documents.edition || is_young;
        let had = |key| self.hits.iter().any(|hit| hit.key == key);
        is_as_sourced && is_as_near && documents.holds_since(self.edition, question, had)
    }

    /// Whether no text has to be looked at to tell of so many results, from a place on.
    pub(super) fn tells(&self, from: usize, count: usize) -> bool {
        let unsaid = from.max(self.paths.len());
        let hits = self.hits.get(unsaid..).unwrap_or_default();
        !hits.iter().take((from + count).saturating_sub(unsaid)).any(|hit| hit.by_path)
    }

    /// Bytes that it takes to remember it under this question, about.
    fn weight(&self, asked: &Asked) -> usize {
        let (query, .., by) = asked;
        let asked = size_of::<Asked>() + query.len() + by.as_ref().map_or(0, String::len);
        let paths: usize = self.paths.iter().map(|path| path.as_ref().map_or(0, String::len)).sum();
        let paths = paths + self.paths.len() * size_of::<Option<String>>();
        // The question is there twice.
        2 * asked + size_of::<Self>() + self.hits.len() * size_of::<Hit>() + paths
    }
}

/// The orders that are remembered, the oldest of which go first.
#[derive(Debug, Default)]
pub(super) struct Orders {
    all: BTreeMap<u64, (Asked, Arc<Order>)>,
    newest: HashMap<Asked, u64>,
    bytes: usize,
    last: u64,
}

impl Orders {
    /// The order with this number, if the same was asked for.
    pub(super) fn numbered(&self, number: u64, asked: &Asked) -> Option<Arc<Order>> {
        self.all.get(&number).filter(|(of, _)| of == asked).map(|(_, order)| Arc::clone(order))
    }

    /// The newest order of this question.
    pub(super) fn newest(&self, question: &Question) -> Option<(u64, Arc<Order>)> {
        let number = *self.newest.get(&question.asked())?;
        let (_, order) = self.all.get(&number)?;
        Some((number, Arc::clone(order)))
    }

    /// Remembers an order; its number.
    pub(super) fn add(&mut self, asked: Asked, order: Arc<Order>) -> u64 {
        self.last += 1;
        self.bytes += order.weight(&asked);
        self.newest.insert(asked.clone(), self.last);
        self.all.insert(self.last, (asked, order));
        while (self.all.len() > MAX_ORDERS || self.bytes > MAX_BYTES) && self.all.len() > 1 {
            let Some((number, (asked, old))) = self.all.pop_first() else { break };
            self.bytes -= old.weight(&asked);
            if self.newest.get(&asked) == Some(&number) {
                self.newest.remove(&asked);
            }
        }
        self.last
    }

    /// How many there are, and their bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.all.len(), self.bytes)
    }
}
