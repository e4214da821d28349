//! The connections of one torrent, in the order in which they were made.
//!
//! Keys rise by one with each connection, so a peer lies where its key says, or a little before it once
//! others have left: finding one costs next to no search. Only keeps; never decides anything.

use crate::io::PeerKey;
use crate::peer::Peer;

/// All connected peers, rising by key.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    places: Vec<Peer>,
    /// Their keys, close together: what is searched.
    keys: Vec<PeerKey>,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The peer of this connection.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Peer> {
        let at = self.find(key).ok()?;
        self.places.get(at)
    }

    /// The peer of this connection, to be changed.
    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        let at = self.find(key).ok()?;
        self.places.get_mut(at)
    }

    /// A new connection; one that had the same key is returned.
    pub(crate) fn insert(&mut self, key: PeerKey, peer: Peer) -> Option<Peer> {
        match self.find(key) {
            Ok(at) => self.places.get_mut(at).map(|old| std::mem::replace(old, peer)),
            Err(at) => {
                self.places.insert(at, peer);
                self.keys.insert(at, key);
                None
            }
        }
    }

    /// The end of a connection.
    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        let at = self.find(key).ok()?;
        self.keys.remove(at);
        Some(self.places.remove(at))
    }

    /// All keys, rising.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.keys.iter().copied()
    }

    /// All peers, by rising key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.places.iter()
    }

    /// All peers, by rising key, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Peer> + '_ {
        self.places.iter_mut()
    }

    /// Where `key` is, or where it belongs.
    fn find(&self, key: PeerKey) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.keys.first(), self.keys.last()) else { return Err(0) };
        let Some(ahead) = key.0.checked_sub(first.0) else { return Err(0) };
        if key > *last {
            return Err(self.keys.len());
        }
        // No two have one key, so nothing lies further back than its key is ahead, nor further in front of
        // that than there are keys of some who have left.
        let left = (last.0 - first.0) as usize + 1 - self.keys.len();
        let to = self.keys.len().min(ahead as usize + 1);
        let from = (ahead as usize).saturating_sub(left).min(to);
        let window = self.keys.get(from..to).unwrap_or_default();
        window.binary_search(&key).map(|at| from + at).map_err(|at| from + at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rig::identity;
    use proptest::prelude::*;
    use shared::Moment;

    proptest! {
        #[test]
        fn behaves_like_an_ordered_map(steps in proptest::collection::vec((any::<bool>(), 0_u32..40), 0..120)) {
            let (mut peers, mut model) = (Peers::default(), BTreeSet::new());
            for (comes, key) in steps {
                let key = PeerKey(key);
                if comes {
                    let old = peers.insert(key, Peer::new(identity(key), 8, 4, Moment::START));
                    prop_assert_eq!(old.is_some(), !model.insert(key));
                } else {
                    prop_assert_eq!(peers.remove(key).is_some(), model.remove(&key));
                }
                prop_assert_eq!(peers.len(), model.len());
                prop_assert_eq!(peers.is_empty(), model.is_empty());
                prop_assert!(peers.keys().eq(model.iter().copied()));
                prop_assert!(peers.values().map(Peer::key).eq(model.iter().copied()));
                for key in (0..42).map(PeerKey) {
                    prop_assert_eq!(peers.get(key).map(Peer::key), model.get(&key).copied());
                }
            }
        }
    }
}
