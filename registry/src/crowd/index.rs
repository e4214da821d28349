//! Where in a list a key stands: a table of positions, addressed by a keyed mix of the key.
//!
//! It holds positions only, four bytes each; the list itself has the keys. Order never depends on it.
//! Called by the lists of a crowd.

/// An empty slot; no list is that long.
const FREE: u32 = u32::MAX;

/// Positions by key. Half of the slots are free at least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    slots: Vec<u32>,
}

impl Index {
    /// Whether there is none, as a short list is looked through faster.
    pub(super) fn is_absent(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether one more position fits.
    pub(super) fn has_room(&self, length: usize) -> bool {
        (length + 1) * 2 <= self.slots.len()
    }

    /// A table for twice `length` positions, with those below `length` in it.
    pub(super) fn rebuild(&mut self, length: usize, mix: impl Fn(usize) -> u64) {
        // A quarter full to begin with, half full at the end.
        self.slots = vec![FREE; (length * 4).next_power_of_two()];
        for position in 0..length {
            self.insert(mix(position), position);
        }
    }

    /// Forgets all.
    pub(super) fn drop_all(&mut self) {
        self.slots = Vec::new();
    }

    fn home(&self, mixed: u64) -> usize {
        // The table is a power of two, so this keeps the low bits.
        usize::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0) & (self.slots.len() - 1)
    }

    /// Notes a position that is not there yet.
    pub(super) fn insert(&mut self, mixed: u64, position: usize) {
        let Ok(position) = u32::try_from(position) else { return };
        let mut at = self.home(mixed);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == FREE {
                *slot = position;
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn slot(&self, mixed: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = self.home(mixed);
        loop {
            let position = *self.slots.get(at)?;
            if position == FREE {
                return None;
            }
            if is_it(usize::try_from(position).ok()?) {
                return Some(at);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The position of the key for which `is_it` holds.
    pub(super) fn find(&self, mixed: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = self.slot(mixed, is_it)?;
        self.slots.get(slot).and_then(|position| usize::try_from(*position).ok())
    }

    /// What stood at `old` stands at `new`.
    pub(super) fn moved(&mut self, mixed: u64, old: usize, new: usize) {
        if let (Some(slot), Ok(new)) = (self.slot(mixed, |at| at == old), u32::try_from(new))
            && let Some(slot) = self.slots.get_mut(slot)
        {
            *slot = new;
        }
    }

    /// Forgets a position. Those behind it close up, so that a search never ends too early.
    pub(super) fn remove(&mut self, mixed: u64, position: usize, mix: impl Fn(usize) -> u64) {
        let Some(mut hole) = self.slot(mixed, |at| at == position) else { return };
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(next) = self.slots.get(at).copied().filter(|next| *next != FREE) else { break };
            let home = usize::try_from(next).map_or(0, |next| self.home(mix(next)));
            // It may move into the hole if its search passes there.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                if let Some(slot) = self.slots.get_mut(hole) {
                    *slot = next;
                }
                hole = at;
            }
        }
        if let Some(slot) = self.slots.get_mut(hole) {
            *slot = FREE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_in_it_however_much_came_and_went() {
        // All keys want one of four slots, so that they stand behind each other.
        let mix = |key: u64| key % 4;
        let (mut keys, mut index) = (Vec::new(), Index::default());
        index.rebuild(64, |_| 0);
        index.drop_all();
        assert!(index.is_absent());
        for round in 0..2_000_u64 {
            let key = round * 7 % 101;
            let found = if index.is_absent() { None } else { index.find(mix(key), |at| keys[at] == key) };
            assert_eq!(found, keys.iter().position(|other| *other == key), "round {round}");
            if let Some(at) = found {
                let last = keys.len() - 1;
                index.remove(mix(key), at, |at| mix(keys[at]));
                if at != last {
                    index.moved(mix(keys[last]), last, at);
                }
                keys.swap_remove(at);
            } else {
                keys.push(key);
                if index.has_room(keys.len() - 1) {
                    index.insert(mix(key), keys.len() - 1);
                } else {
                    index.rebuild(keys.len(), |at| mix(keys[at]));
                }
            }
        }
        assert!(keys.len() > 10);
    }
}
