//! What was shared and is not taken back, with everyone who has it, here or away.
//!
//! Info dictionaries are not here: they lie in the catalog, and in a place of their own in a store.
//! Written by the ledger only.

use std::collections::{BTreeMap, BTreeSet};

use shared::{InfoHash, PeerId};

use crate::event::NewEntry;

/// Other names that are kept of one entry.
const MAX_NAMES: usize = 8;

/// One entry, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The entry, without its info dictionary.
    pub(crate) about: NewEntry,
    /// Its other names.
    pub(crate) names: Vec<String>,
    pub(crate) holders: BTreeSet<PeerId>,
    /// When somebody got it, or somebody who had it was here last: milliseconds since 1970. When those who still
    /// have it were here is known of them themselves.
    pub(crate) seen: u64,
}

/// All of it, by first hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    all: BTreeMap<InfoHash, Holding>,
    /// Entries that came or lost a holder since the last restart: a journal has many restarts, and looking at all
    /// entries at each of them would make a start take ever longer.
    changed: BTreeSet<InfoHash>,
}

impl Shares {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InfoHash, &Holding)> {
        self.all.iter()
    }

    pub(crate) fn get(&self, key: InfoHash) -> Option<&Holding> {
        self.all.get(&key)
    }

    /// Whether somebody has it, here or away.
    pub(crate) fn is_held(&self, key: InfoHash) -> bool {
        self.get(key).is_some_and(|holding| !holding.holders.is_empty())
    }

    /// A new entry; its key, unless it has no hash.
    pub(crate) fn add(&mut self, new: &NewEntry) -> Option<InfoHash> {
        let key = new.hashes()?.primary();
        let about = NewEntry { info: None, layers: None, ..new.clone() };
        let before = self.all.remove(&key);
        self.changed.insert(key);
        let holders = before.map(|before| before.holders).unwrap_or_default();
        self.all.insert(key, Holding { about, names: Vec::new(), holders, seen: 0 });
        Some(key)
    }

    pub(crate) fn add_name(&mut self, key: InfoHash, name: &str) {
        if let Some(holding) = self.all.get_mut(&key)
            && holding.names.len() < MAX_NAMES
            && holding.about.name != name
            && !holding.names.iter().any(|known| known == name)
        {
            holding.names.push(name.to_owned());
        }
    }

    /// Someone has it; whether the entry is known.
    pub(crate) fn add_holder(&mut self, key: InfoHash, peer: PeerId, at: u64) -> bool {
        let Some(holding) = self.all.get_mut(&key) else { return false };
        holding.holders.insert(peer);
        holding.seen = holding.seen.max(at);
        true
    }

    /// Someone who was here last at `seen` has it no longer.
    pub(crate) fn drop_holder(&mut self, key: InfoHash, peer: PeerId, seen: u64) {
        if let Some(holding) = self.all.get_mut(&key)
            && holding.holders.remove(&peer)
        {
            holding.seen = holding.seen.max(seen);
            self.changed.insert(key);
        }
    }

    /// Brings the times up to date with those of the holders, which `seen` tells.
    pub(crate) fn note_seen(&mut self, seen: impl Fn(PeerId) -> u64) {
        for holding in self.all.values_mut() {
            let last = holding.holders.iter().map(|peer| seen(*peer)).max();
            holding.seen = holding.seen.max(last.unwrap_or(0));
        }
    }

    /// What nobody has is gone.
    pub(crate) fn drop_unheld(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            if !self.is_held(key) {
                self.all.remove(&key);
            }
        }
    }

    /// It is gone; who had it.
    pub(crate) fn remove(&mut self, key: InfoHash) -> BTreeSet<PeerId> {
        self.changed.remove(&key);
        self.all.remove(&key).map(|holding| holding.holders).unwrap_or_default()
    }
}
