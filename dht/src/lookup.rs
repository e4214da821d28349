//! One walk towards a name: ask the nearest nodes that are known, and those that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use shared::InfoHash;

use crate::node_id::{Distance, NodeId};
use crate::table::BUCKET;

/// Questions of one walk under way.
const AT_ONCE: usize = 4;
/// The most nodes that one walk knows.
const MAX_CANDIDATES: usize = 100;
/// The most questions of one walk: liars do not lead it on for ever.
const MAX_ASKED: usize = 200;

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To know the nodes on the way.
    Nodes,
    /// To find peers of a torrent, and to announce there.
    Peers {
        /// Which torrent.
        hash: InfoHash,
        /// The TCP port to announce; none: only to look.
        port: Option<u16>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    New,
    Asked,
    Answered { token: Option<Vec<u8>> },
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Lookup {
    target: NodeId,
    pub(crate) goal: Goal,
    candidates: BTreeMap<(Distance, SocketAddr), State>,
    /// Addresses that failed or were asked, never to be asked again.
    seen: BTreeSet<SocketAddr>,
    under_way: usize,
    asked: usize,
}

impl Lookup {
    pub(crate) fn new(target: NodeId, goal: Goal) -> Self {
        Self { target, goal, candidates: BTreeMap::new(), seen: BTreeSet::new(), under_way: 0, asked: 0 }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// Somebody named a node.
    pub(crate) fn learn(&mut self, id: NodeId, address: SocketAddr) {
        if self.seen.insert(address) {
            self.candidates.insert((id.distance(self.target), address), State::New);
            if self.candidates.len() > MAX_CANDIDATES {
                let last = self.candidates.last_key_value().map(|(key, _)| *key);
                if let Some(last) = last.filter(|last| self.candidates.get(last) == Some(&State::New)) {
                    self.candidates.remove(&last);
                }
            }
        }
    }

    /// Whom to ask next, if there is room and need.
    pub(crate) fn next(&mut self) -> Option<SocketAddr> {
        if self.under_way >= AT_ONCE || self.asked >= MAX_ASKED {
            return None;
        }
        // Only the nearest matter: when all of those have answered, the walk has arrived.
        let nearest = self.candidates.iter_mut().take(BUCKET);
        let (key, state) = nearest.into_iter().find(|(_, state)| **state == State::New)?;
        *state = State::Asked;
        self.under_way += 1;
        self.asked += 1;
        Some(key.1)
    }

    /// A node answered.
    pub(crate) fn answered(&mut self, from: SocketAddr, token: Option<Vec<u8>>) {
        if let Some(state) = self.find(from) {
            *state = State::Answered { token };
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    /// A node did not.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        if self.find(address).is_some() {
            self.candidates.retain(|(_, candidate), _| *candidate != address);
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    fn find(&mut self, address: SocketAddr) -> Option<&mut State> {
        let mut all = self.candidates.iter_mut();
        all.find(|((_, candidate), state)| *candidate == address && **state == State::Asked).map(|(_, s)| s)
    }

    /// Whether nothing is under way and nobody is left to ask.
    pub(crate) fn is_over(&self) -> bool {
        let left = self.candidates.values().take(BUCKET).any(|state| *state == State::New);
        self.under_way == 0 && (!left || self.asked >= MAX_ASKED)
    }

    /// The nearest nodes that answered, with the tokens that they gave.
    pub(crate) fn nearest_with_token(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        let answered = self.candidates.iter().filter_map(|((_, address), state)| match state {
            State::Answered { token: Some(token) } => Some((*address, token.clone())),
            _ => None,
        });
        answered.take(BUCKET).collect()
    }

    /// How many nodes answered.
    pub(crate) fn count_answered(&self) -> usize {
        self.candidates.values().filter(|state| matches!(state, State::Answered { .. })).count()
    }
}
