//! How many connected peers have each piece, and the pieces nobody has begun, in buckets of rarity.
//!
//! Every change costs a constant few steps, however many pieces there are. Peers that have
//! everything are one number: they do not change which piece is rarer. Never asks for anything;
//! the picker reads it.

use rand::RngExt;
use shared::{Bitfield, PieceIndex};

use crate::dice::Dice;

/// How many candidates are looked at in order of rarity before those of the peer are compared instead.
const RAREST_STEPS: usize = 64;
/// How many candidates of one peer are compared then.
const SAMPLE: usize = 256;
/// How many candidates are looked at when any of a set that nobody has listed will do.
const MOST_STEPS: usize = 4096;
/// Odd and without a pattern: what it multiplies is in no order that shows.
const SCATTER: u32 = 0x9e37_79b1;
const NOWHERE: u32 = u32::MAX;

/// Where a piece stands.
#[derive(Debug, Clone, Copy)]
struct Standing {
    copies: u32,
    /// Its place in the bucket of its copies, while it is a candidate.
    place: u32,
}

/// Counts of copies, and buckets of the candidates: wanted pieces that nobody has begun.
#[derive(Debug, Clone)]
pub(crate) struct Availability {
    pieces: Vec<Standing>,
    seeds: u32,
    buckets: Vec<Vec<PieceIndex>>,
    /// The candidates again, to be compared with what a peer has many at a time.
    listed: Bitfield,
    candidates: usize,
}

impl Availability {
    /// No copies, no candidates.
    pub(crate) fn new(length: u32) -> Self {
        let pieces = length as usize;
        Self {
            pieces: vec![Standing { copies: 0, place: NOWHERE }; pieces],
            seeds: 0,
            buckets: Vec::new(),
            listed: Bitfield::empty(length),
            candidates: 0,
        }
    }

    /// How many connected peers have `piece`.
    pub(crate) fn copies(&self, piece: PieceIndex) -> u32 {
        self.pieces.get(piece.as_usize()).map_or(0, |standing| standing.copies + self.seeds)
    }

    /// How many pieces are candidates.
    pub(crate) fn candidates(&self) -> usize {
        self.candidates
    }

    /// Every piece has one copy more.
    pub(crate) fn add_seed(&mut self) {
        self.seeds += 1;
    }

    /// Every piece has one copy less.
    pub(crate) fn remove_seed(&mut self) {
        self.seeds = self.seeds.saturating_sub(1);
    }

    /// `piece` has one copy more.
    pub(crate) fn increment(&mut self, piece: PieceIndex) {
        self.change(piece, |copies| copies + 1);
    }

    /// `piece` has one copy less.
    pub(crate) fn decrement(&mut self, piece: PieceIndex) {
        self.change(piece, |copies| copies.saturating_sub(1));
    }

    /// From now on `piece` may be picked.
    pub(crate) fn add_candidate(&mut self, piece: PieceIndex) {
        if self.put_in(piece) {
            self.listed.set(piece);
            self.candidates += 1;
        }
    }

    /// From now on `piece` may not be picked; says whether it could be before.
    pub(crate) fn remove_candidate(&mut self, piece: PieceIndex) -> bool {
        let was_candidate = self.take_out(piece);
        if was_candidate {
            self.listed.clear(piece);
            self.candidates -= 1;
        }
        was_candidate
    }

    /// Puts `piece` into the bucket of its copies, unless it is there.
    fn put_in(&mut self, piece: PieceIndex) -> bool {
        let Some(standing) = self.pieces.get_mut(piece.as_usize()) else { return false };
        let copies = standing.copies as usize;
        if standing.place != NOWHERE {
            return false;
        }
        if self.buckets.len() <= copies {
            self.buckets.resize_with(copies + 1, Vec::new);
        }
        let Some(bucket) = self.buckets.get_mut(copies) else { return false };
        standing.place = u32::try_from(bucket.len()).unwrap_or(NOWHERE);
        bucket.push(piece);
        true
    }

    /// Takes `piece` out of its bucket; says whether it was in one.
    fn take_out(&mut self, piece: PieceIndex) -> bool {
        let Some(standing) = self.pieces.get_mut(piece.as_usize()) else { return false };
        let at = std::mem::replace(&mut standing.place, NOWHERE);
        let copies = standing.copies as usize;
        if at == NOWHERE {
            return false;
        }
        if let Some(bucket) = self.buckets.get_mut(copies) {
            bucket.swap_remove(at as usize);
            let moved = bucket.get(at as usize);
            if let Some(moved) = moved.and_then(|moved| self.pieces.get_mut(moved.as_usize())) {
                moved.place = at;
            }
        }
        true
    }

    /// Whether `piece` may be picked.
    pub(crate) fn is_candidate(&self, piece: PieceIndex) -> bool {
        self.pieces.get(piece.as_usize()).is_some_and(|standing| standing.place != NOWHERE)
    }

    /// The rarest candidate that `allowed` holds, ties broken by `dice`. Exact unless many candidates
    /// are rarer than the answer and many are allowed: then the rarest of some hundred.
    pub(crate) fn rarest_of(&self, allowed: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        if allowed.count() == 0 || self.candidates == 0 {
            return None;
        }
        match self.scan(|piece| allowed.get(piece), RAREST_STEPS, dice) {
            Scan::Found(piece) => Some(piece),
            Scan::Nothing => None,
            Scan::TooLong => self.rarest_in_common(allowed, dice),
        }
    }

    /// The rarest candidate that is `allowed`, ties broken by `dice`, within a few thousand steps.
    pub(crate) fn rarest(&self, allowed: impl Fn(PieceIndex) -> bool, dice: &mut Dice) -> Option<PieceIndex> {
        match self.scan(allowed, MOST_STEPS, dice) {
            Scan::Found(piece) => Some(piece),
            Scan::Nothing | Scan::TooLong => None,
        }
    }

    fn scan(&self, allowed: impl Fn(PieceIndex) -> bool, mut steps: usize, dice: &mut Dice) -> Scan {
        for bucket in self.buckets.iter().filter(|bucket| !bucket.is_empty()) {
            let from = dice.random_range(0..bucket.len());
            let Some((head, tail)) = bucket.split_at_checked(from) else { continue };
            for piece in tail.iter().chain(head) {
                if allowed(*piece) {
                    return Scan::Found(*piece);
                }
                steps -= 1;
                if steps == 0 {
                    return Scan::TooLong;
                }
            }
        }
        Scan::Nothing
    }

    /// Any candidate that `allowed` holds, each as likely as its neighbours.
    pub(crate) fn any(&self, allowed: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        if self.candidates == 0 {
            return None;
        }
        let mut skip = dice.random_range(0..self.candidates);
        for bucket in &self.buckets {
            if let Some(piece) = bucket.get(skip) {
                if allowed.get(*piece) {
                    return Some(*piece);
                }
                break;
            }
            skip -= bucket.len();
        }
        self.rarest_of(allowed, dice)
    }

    /// The rarest of the first candidates that `allowed` holds, from a random place on.
    fn rarest_in_common(&self, allowed: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        let (allowed, listed) = (allowed.as_bytes(), self.listed.as_bytes());
        let words = allowed.len().div_ceil(8);
        let from = dice.random_range(0..words.max(1));
        let salt = dice.random::<u32>();
        let mut best: Option<(u32, u32, u32)> = None;
        let mut steps = SAMPLE;
        for at in (from..words).chain(0..from) {
            let mut common = word(allowed, at) & word(listed, at);
            while common != 0 && steps > 0 {
                let bit = common.leading_zeros();
                common &= !(1 << 63 >> bit);
                steps -= 1;
                let index = u32::try_from(at * 64).unwrap_or(u32::MAX) + bit;
                let copies = self.pieces.get(index as usize).map_or(u32::MAX, |standing| standing.copies);
                let found = (copies, (index ^ salt).wrapping_mul(SCATTER), index);
                if best.is_none_or(|best| found < best) {
                    best = Some(found);
                }
            }
            if steps == 0 {
                break;
            }
        }
        best.map(|(_, _, index)| PieceIndex::new(index))
    }

    fn change(&mut self, piece: PieceIndex, to: impl Fn(u32) -> u32) {
        let was_candidate = self.take_out(piece);
        if let Some(standing) = self.pieces.get_mut(piece.as_usize()) {
            standing.copies = to(standing.copies);
        }
        if was_candidate {
            self.put_in(piece);
        }
    }

    /// Panics (in tests) when the buckets contradict the counts.
    pub(crate) fn check_invariants(&self) {
        let mut seen = 0;
        for (copies, bucket) in self.buckets.iter().enumerate() {
            for (at, piece) in bucket.iter().enumerate() {
                let standing = self.pieces.get(piece.as_usize());
                let found = standing.map(|it| (it.copies as usize, it.place as usize));
                assert_eq!(found, Some((copies, at)));
                seen += 1;
            }
        }
        assert_eq!(seen, self.candidates);
        assert_eq!(seen, self.listed.count() as usize);
        assert!(self.listed.ones().all(|piece| self.is_candidate(piece)));
        assert_eq!(seen, self.pieces.iter().filter(|standing| standing.place != NOWHERE).count());
    }
}

/// Sixty-four bits of a bitfield, the first of them highest.
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at * 8..).unwrap_or_default();
    match rest.first_chunk() {
        Some(whole) => u64::from_be_bytes(*whole),
        None => {
            rest.iter().zip(0..).fold(0, |word, (byte, place)| word | u64::from(*byte) << (56 - 8 * place))
        }
    }
}

enum Scan {
    Found(PieceIndex),
    Nothing,
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::seeded;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_is_wanted_and_allowed_and_the_rarest(
            copies in proptest::collection::vec(0_u32..6, 1..400),
            begun in proptest::collection::vec(any::<bool>(), 400),
            allowed in proptest::collection::vec(any::<bool>(), 400),
            seed in any::<u64>(),
        ) {
            let length = u32::try_from(copies.len()).unwrap();
            let mut availability = Availability::new(length);
            let mut has = Bitfield::empty(length);
            for (piece, times) in (0..length).map(PieceIndex::new).zip(&copies) {
                (0..*times).for_each(|_| availability.increment(piece));
                if !begun[piece.as_usize()] {
                    availability.add_candidate(piece);
                }
                // Few of them, so that the common ones have to be looked for.
                if allowed[piece.as_usize()] && piece.get() % 7 == 0 {
                    has.set(piece);
                }
            }
            availability.check_invariants();
            let found = availability.rarest_of(&has, &mut seeded(seed));
            let least = has.ones().filter(|piece| availability.is_candidate(*piece)).map(|p| copies[p.as_usize()]).min();
            prop_assert_eq!(found.map(|piece| copies[piece.as_usize()]), least);
            prop_assert!(found.is_none_or(|piece| has.get(piece) && availability.is_candidate(piece)));
        }
    }

    #[test]
    fn pieces_of_equal_rarity_are_each_found_now_and_then() {
        let mut availability = Availability::new(200);
        let mut has = Bitfield::empty(200);
        for piece in (0..200).map(PieceIndex::new) {
            availability.add_candidate(piece);
            if piece.get() >= 190 {
                has.set(piece);
                availability.increment(piece);
            }
        }
        let mut dice = seeded(1);
        let found: std::collections::BTreeSet<_> =
            (0..400).filter_map(|_| availability.rarest_of(&has, &mut dice)).collect();
        assert_eq!(found.len(), 10, "{found:?}");
    }
}
