//! Who does not want to hear whom. Written by the ledger only.

use std::collections::{BTreeMap, BTreeSet};

use shared::PeerId;

use crate::event::Event;

/// People whom one person ignores.
pub(crate) const MAX_IGNORED: usize = 200;

/// All of it, from both sides: what is written is asked once for all receivers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ignores {
    by: BTreeMap<PeerId, BTreeSet<PeerId>>,
    of: BTreeMap<PeerId, BTreeSet<PeerId>>,
}

impl Ignores {
    /// Whom `peer` ignores.
    pub(crate) fn by(&self, peer: PeerId) -> impl ExactSizeIterator<Item = PeerId> {
        static NOBODY: BTreeSet<PeerId> = BTreeSet::new();
        self.by.get(&peer).unwrap_or(&NOBODY).iter().copied()
    }

    /// Who ignores `whom`; `None` when nobody does.
    pub(crate) fn of(&self, whom: PeerId) -> Option<&BTreeSet<PeerId>> {
        self.of.get(&whom)
    }

    /// Whether `peer` ignores `whom`.
    pub(crate) fn has(&self, peer: PeerId, whom: PeerId) -> bool {
        self.by.get(&peer).is_some_and(|ignored| ignored.contains(&whom))
    }

    pub(crate) fn set(&mut self, peer: PeerId, whom: PeerId, ignores: bool) {
        for (map, key, value) in [(&mut self.by, peer, whom), (&mut self.of, whom, peer)] {
            if ignores {
                map.entry(key).or_default().insert(value);
            } else if let Some(set) = map.get_mut(&key) {
                set.remove(&value);
                if set.is_empty() {
                    map.remove(&key);
                }
            }
        }
    }

    /// Somebody is not known any more.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        for whom in self.by.get(&peer).cloned().unwrap_or_default() {
            self.set(peer, whom, false);
        }
        for other in self.of.get(&peer).cloned().unwrap_or_default() {
            self.set(other, peer, false);
        }
    }

    /// Events whose fold this is.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let pairs = self.by.iter().flat_map(|(peer, all)| all.iter().map(|whom| (*peer, *whom)));
        pairs.map(|(peer, whom)| Event::Ignored { peer, whom, ignores: true })
    }
}
