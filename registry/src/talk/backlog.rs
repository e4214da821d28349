//! The last messages by id, in a row: ids come one after the other, so a message is found by counting back from
//! the newest. What was taken out of the middle leaves its place empty until it is the oldest, or until most
//! places are. Knows nothing of lanes; called by [`super::Talk`] only.

use std::collections::VecDeque;

use super::Said;

/// Empty places for each message, beyond which the row is closed up.
const MAX_EMPTY: usize = 3;
/// Empty places that are never too many.
const FEW: usize = 1_024;

/// Messages whose ids grow; the first place is never empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog {
    places: VecDeque<(u64, Option<Said>)>,
    filled: usize,
}

impl PartialEq for Backlog {
    /// Empty places are nobody's business.
    fn eq(&self, other: &Self) -> bool {
        self.filled == other.filled && self.iter().eq(other.iter())
    }
}

impl Eq for Backlog {}

impl Backlog {
    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// The id of the oldest.
    pub(super) fn first(&self) -> Option<u64> {
        self.places.front().map(|(id, _)| *id)
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Said> {
        self.places.iter().filter_map(|(_, said)| said.as_ref())
    }

    pub(super) fn get(&self, id: u64) -> Option<&Said> {
        self.places.get(self.find(id).ok()?)?.1.as_ref()
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Said> {
        let place = self.find(id).ok()?;
        self.places.get_mut(place)?.1.as_mut()
    }

    /// One more; gives back what had the same id.
    pub(super) fn insert(&mut self, id: u64, said: Said) -> Option<Said> {
        let before = match self.find(id) {
            Ok(place) => self.places.get_mut(place).and_then(|(_, old)| old.replace(said)),
            Err(place) => {
                self.places.insert(place, (id, Some(said)));
                None
            }
        };
        self.filled += usize::from(before.is_none());
        before
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Said> {
        let place = self.find(id).ok()?;
        let said = self.places.get_mut(place)?.1.take()?;
        self.filled -= 1;
        if place == 0 {
            self.drop_empty_first();
        } else if self.places.len() > FEW + (1 + MAX_EMPTY) * self.filled {
            self.places.retain(|(_, said)| said.is_some());
        }
        Some(said)
    }

    pub(super) fn pop_first(&mut self) -> Option<Said> {
        let (_, said) = self.places.pop_front()?;
        self.filled -= usize::from(said.is_some());
        self.drop_empty_first();
        said
    }

    fn drop_empty_first(&mut self) {
        while self.places.front().is_some_and(|(_, said)| said.is_none()) {
            self.places.pop_front();
        }
    }

    /// The place of an id, or where it would go.
    fn find(&self, id: u64) -> Result<usize, usize> {
        let end = self.places.len();
        let Some((newest, _)) = self.places.back() else { return Err(0) };
        if id > *newest {
            return Err(end);
        }
        let back = usize::try_from(newest - id).ok().and_then(|back| back.checked_add(1));
        let counted = back.and_then(|back| end.checked_sub(back));
        match counted.filter(|place| self.places.get(*place).is_some_and(|(there, _)| *there == id)) {
            Some(place) => Ok(place),
            // Where ids were left out.
            None => self.places.binary_search_by_key(&id, |(there, _)| *there),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use rand::rngs::SmallRng;
    use rand::{RngExt as _, SeedableRng as _};
    use shared::PeerId;
    use shared::control::Past;

    use super::super::Counts;
    use super::*;

    fn said(message: u64) -> Said {
        let (from, to, text) = ("ana".to_owned(), "*".to_owned(), String::new());
        let past = Arc::new(Past { message, from, to, text, at: 0 });
        Said { past, from: PeerId([1; 20]), receiver: None, counts: Counts::default(), lanes: 1 }
    }

    #[test]
    fn it_is_a_map() {
        let mut rng = SmallRng::seed_from_u64(1);
        let (mut backlog, mut map) = (Backlog::default(), BTreeMap::new());
        let mut newest = 0;
        for round in 0..60_000_u64 {
            let id = rng.random_range(newest.max(3_000) - 3_000..=newest + 1);
            match rng.random_range(0..10) {
                0..4 => {
                    newest += if rng.random_range(0..500) == 0 { 70 } else { 1 };
                    assert_eq!(backlog.insert(newest, said(newest)), map.insert(newest, said(newest)));
                }
                4 => {
                    assert_eq!(backlog.insert(id, said(id)), map.insert(id, said(id)));
                    newest = newest.max(id);
                }
                5..9 => assert_eq!(backlog.remove(id), map.remove(&id)),
                _ => assert_eq!(backlog.pop_first(), map.pop_first().map(|(_, said)| said)),
            }
            assert_eq!(backlog.get(id), map.get(&id), "{round}");
            assert_eq!(backlog.has(id), backlog.get_mut(id).is_some());
            assert_eq!(backlog.first(), map.keys().next().copied());
            assert_eq!(backlog.len(), map.len());
            assert!(backlog.places.len() <= FEW + 4 * (backlog.len() + 1), "{round}");
        }
        assert!(backlog.iter().eq(map.values()));
    }
}
