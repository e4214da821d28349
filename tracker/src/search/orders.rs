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
/// Results of all these, at 28 bytes each.
const MAX_HITS: usize = 1_500_000;
/// How long an order may be told anew although the number of somebody's sources has changed.
const FRESH: Duration = Duration::from_secs(2);

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

/// The orders that are remembered, the oldest of which go first.
#[derive(Debug, Default)]
pub(super) struct Orders {
    all: BTreeMap<u64, (Asked, Arc<Order>)>,
    newest: HashMap<Asked, u64>,
    hits: usize,
    last: u64,
}

impl Orders {
    /// The order with this number, if the same was asked for.
    pub(super) fn numbered(&self, number: u64, asked: &Asked) -> Option<Arc<Order>> {
        self.all.get(&number).filter(|(of, _)| of == asked).map(|(_, order)| Arc::clone(order))
    }

    /// An order of this question that is as good as a new one.
    pub(super) fn fresh(&self, question: &Question, documents: &Documents) -> Option<(u64, Arc<Order>)> {
        let number = *self.newest.get(&question.asked())?;
        let (_, order) = self.all.get(&number)?;
        let is_fresh = (order.sourcing == documents.sourcing || order.made.elapsed() < FRESH)
            && documents
                .holds_since(order.edition, question, |key| order.hits.iter().any(|hit| hit.key == key));
        is_fresh.then(|| (number, Arc::clone(order)))
    }

    /// Remembers an order; its number.
    pub(super) fn add(&mut self, asked: Asked, order: Arc<Order>) -> u64 {
        self.last += 1;
        self.hits += order.hits.len();
        self.newest.insert(asked.clone(), self.last);
        self.all.insert(self.last, (asked, order));
        while (self.all.len() > MAX_ORDERS || self.hits > MAX_HITS) && self.all.len() > 1 {
            let Some((number, (asked, old))) = self.all.pop_first() else { break };
            self.hits -= old.hits.len();
            if self.newest.get(&asked) == Some(&number) {
                self.newest.remove(&asked);
            }
        }
        self.last
    }
}
