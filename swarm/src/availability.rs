//! How many connected peers have each piece, and the pieces nobody has begun, in buckets of rarity.
//!
//! Every change costs a constant few steps, however many pieces there are. Peers that have
//! everything are one number: they do not change which piece is rarer. Never asks for anything;
//! the picker reads it.

use rand::RngExt;
use shared::{Bitfield, PieceIndex};

use crate::dice::Dice;

/// How many candidates are looked at in order of rarity before a sample must do.
const EXACT_STEPS: usize = 4096;
/// How many candidates of one peer are compared when its pieces are among the common ones.
const SAMPLE: usize = 64;
const NOWHERE: u32 = u32::MAX;

/// Counts of copies, and buckets of the candidates: wanted pieces that nobody has begun.
#[derive(Debug, Clone)]
pub(crate) struct Availability {
    copies: Vec<u32>,
    seeds: u32,
    buckets: Vec<Vec<PieceIndex>>,
    place: Vec<u32>,
    candidates: usize,
}

impl Availability {
    /// No copies, no candidates.
    pub(crate) fn new(pieces: u32) -> Self {
        let pieces = pieces as usize;
        Self {
            copies: vec![0; pieces],
            seeds: 0,
            buckets: Vec::new(),
            place: vec![NOWHERE; pieces],
            candidates: 0,
        }
    }

    /// How many connected peers have `piece`.
    pub(crate) fn copies(&self, piece: PieceIndex) -> u32 {
        self.copies.get(piece.as_usize()).map_or(0, |copies| copies + self.seeds)
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
        let (Some(place), Some(copies)) =
            (self.place.get_mut(piece.as_usize()), self.copies.get(piece.as_usize()))
        else {
            return;
        };
        if *place != NOWHERE {
            return;
        }
        let copies = *copies as usize;
        if self.buckets.len() <= copies {
            self.buckets.resize_with(copies + 1, Vec::new);
        }
        if let Some(bucket) = self.buckets.get_mut(copies) {
            *place = u32::try_from(bucket.len()).unwrap_or(NOWHERE);
            bucket.push(piece);
            self.candidates += 1;
        }
    }

    /// From now on `piece` may not be picked; says whether it could be before.
    pub(crate) fn remove_candidate(&mut self, piece: PieceIndex) -> bool {
        let Some(place) = self.place.get_mut(piece.as_usize()) else { return false };
        let at = std::mem::replace(place, NOWHERE);
        if at == NOWHERE {
            return false;
        }
        let copies = self.copies.get(piece.as_usize()).map_or(0, |copies| *copies as usize);
        if let Some(bucket) = self.buckets.get_mut(copies) {
            bucket.swap_remove(at as usize);
            if let Some(place) =
                bucket.get(at as usize).and_then(|moved| self.place.get_mut(moved.as_usize()))
            {
                *place = at;
            }
        }
        self.candidates -= 1;
        true
    }

    /// Whether `piece` may be picked.
    pub(crate) fn is_candidate(&self, piece: PieceIndex) -> bool {
        self.place.get(piece.as_usize()).is_some_and(|place| *place != NOWHERE)
    }

    /// The rarest candidate that `allowed` holds, ties broken by `dice`. Exact as long as the
    /// candidates rarer than the answer are a few thousand; beyond, the rarest of a random sample.
    pub(crate) fn rarest_of(&self, allowed: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        match self.scan(|piece| allowed.get(piece), dice) {
            Scan::Found(piece) => Some(piece),
            Scan::Nothing => None,
            Scan::TooLong => self.rarest_of_sample(allowed, dice),
        }
    }

    /// The rarest candidate that is `allowed`, ties broken by `dice`, within a few thousand steps.
    pub(crate) fn rarest(&self, allowed: impl Fn(PieceIndex) -> bool, dice: &mut Dice) -> Option<PieceIndex> {
        match self.scan(allowed, dice) {
            Scan::Found(piece) => Some(piece),
            Scan::Nothing | Scan::TooLong => None,
        }
    }

    fn scan(&self, allowed: impl Fn(PieceIndex) -> bool, dice: &mut Dice) -> Scan {
        let mut steps = EXACT_STEPS;
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

    fn rarest_of_sample(&self, allowed: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        let bytes = allowed.as_bytes();
        let from = dice.random_range(0..bytes.len().max(1));
        let (head, tail) = bytes.split_at_checked(from)?;
        let numbered = (from..).zip(tail).chain((0..).zip(head));
        numbered
            .filter(|(_, byte)| **byte != 0)
            .flat_map(|(at, byte)| {
                (0..8_usize).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| at * 8 + bit)
            })
            .filter_map(|index| u32::try_from(index).ok().map(PieceIndex::new))
            .filter(|piece| self.is_candidate(*piece))
            .take(SAMPLE)
            .min_by_key(|piece| self.copies(*piece))
    }

    fn change(&mut self, piece: PieceIndex, to: impl Fn(u32) -> u32) {
        let was_candidate = self.remove_candidate(piece);
        if let Some(copies) = self.copies.get_mut(piece.as_usize()) {
            *copies = to(*copies);
        }
        if was_candidate {
            self.add_candidate(piece);
        }
    }

    /// Panics (in tests) when the buckets contradict the counts.
    pub(crate) fn check_invariants(&self) {
        let mut seen = 0;
        for (copies, bucket) in self.buckets.iter().enumerate() {
            for (at, piece) in bucket.iter().enumerate() {
                assert_eq!(self.copies.get(piece.as_usize()).map(|c| *c as usize), Some(copies));
                assert_eq!(self.place.get(piece.as_usize()).map(|p| *p as usize), Some(at));
                seen += 1;
            }
        }
        assert_eq!(seen, self.candidates);
        assert_eq!(seen, self.place.iter().filter(|place| **place != NOWHERE).count());
    }
}

enum Scan {
    Found(PieceIndex),
    Nothing,
    TooLong,
}
