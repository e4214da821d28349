//! Things to come, in the order of their moments; among those of one moment, in the order in which they
//! were put in.
//!
//! A ring of short spans of time: what comes soon, as nearly everything does, is appended to its span and
//! sorted only when the span begins. Spans are chains of chunks, and the chunk left last is used again
//! first: what waits takes no more memory than there is of it, and is read in the order of memory. Knows
//! nothing of what it keeps; the world puts in and takes out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use shared::Moment;

/// Nanoseconds of a span, as a power of two: 65 microseconds.
const SPAN_BITS: u32 = 16;
/// Spans of the ring: a quarter of a second; later things wait in a heap.
const SPANS: u64 = 4096;

/// One thing to come.
#[derive(Debug)]
struct Entry<T> {
    at: u64,
    number: u64,
    thing: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (u64, u64) {
        (self.at, self.number)
    }

    fn span(&self) -> u64 {
        self.at >> SPAN_BITS
    }
}

/// Things of one chunk.
const CHUNK: usize = 32;
/// Stands for no chunk.
const NOWHERE: u32 = u32::MAX;

/// Some things of one span, and the next chunk of the same span, or of those that are free.
#[derive(Debug)]
struct Chunk<T> {
    entries: Vec<Entry<T>>,
    next: u32,
}

/// Things to come.
#[derive(Debug)]
pub struct Agenda<T> {
    /// What is left of the present span, the next one last.
    present: Vec<Entry<T>>,
    /// What was put into the present span after it had begun.
    inserted: BinaryHeap<Reverse<Entry<T>>>,
    /// Number of the present span.
    span: u64,
    /// The first chunk of each span: the only one that may have room.
    ring: Vec<u32>,
    chunks: Vec<Chunk<T>>,
    free: u32,
    /// Things in the ring.
    in_ring: usize,
    later: BinaryHeap<Reverse<Entry<T>>>,
    numbers: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            present: Vec::new(),
            inserted: BinaryHeap::new(),
            span: 0,
            ring: (0..SPANS).map(|_| NOWHERE).collect(),
            chunks: Vec::new(),
            free: NOWHERE,
            in_ring: 0,
            later: BinaryHeap::new(),
            numbers: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// `thing` happens at `at`, or at once when that is over.
    pub fn push(&mut self, at: Moment, thing: T) {
        self.push_many(at, thing, 1);
    }

    /// `thing` stands for `many` that happen one after the other: as many numbers are its own.
    pub fn push_many(&mut self, at: Moment, thing: T, many: u64) {
        let number = self.numbers + 1;
        self.numbers += many;
        let at = u64::try_from(at.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.place(Entry { at, number, thing });
    }

    fn place(&mut self, entry: Entry<T>) {
        let span = entry.span();
        if span <= self.span {
            self.inserted.push(Reverse(entry));
        } else if span - self.span < SPANS {
            self.in_ring += 1;
            self.place_in_ring(span, entry);
        } else {
            self.later.push(Reverse(entry));
        }
    }

    fn place_in_ring(&mut self, span: u64, entry: Entry<T>) {
        let Some(first) = self.ring.get_mut(ring_place(span)) else { return };
        if self.chunks.get(*first as usize).is_none_or(|chunk| chunk.entries.len() == CHUNK) {
            if self.free == NOWHERE {
                self.free = u32::try_from(self.chunks.len()).unwrap_or(NOWHERE);
                self.chunks.push(Chunk { entries: Vec::with_capacity(CHUNK), next: NOWHERE });
            }
            if let Some(chunk) = self.chunks.get_mut(self.free as usize) {
                let second = std::mem::replace(first, self.free);
                self.free = std::mem::replace(&mut chunk.next, second);
            }
        }
        if let Some(chunk) = self.chunks.get_mut(*first as usize) {
            chunk.entries.push(entry);
        }
    }

    /// When the next thing happens.
    pub fn next_at(&mut self) -> Option<Moment> {
        while self.present.is_empty() && self.inserted.is_empty() {
            self.turn()?;
        }
        let (present, inserted) = (self.present.last(), self.inserted.peek().map(|Reverse(entry)| entry));
        let at = present.into_iter().chain(inserted).map(|entry| entry.at).min()?;
        Some(Moment::from_start(std::time::Duration::from_nanos(at)))
    }

    /// The next thing, with its number.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        self.next_at()?;
        let from_inserted = match (self.present.last(), self.inserted.peek()) {
            (Some(present), Some(Reverse(inserted))) => inserted < present,
            (present, _) => present.is_none(),
        };
        let entry =
            if from_inserted { self.inserted.pop().map(|Reverse(entry)| entry) } else { self.present.pop() };
        entry.map(|entry| (entry.number, entry.thing))
    }

    /// Goes on to the next span in which anything happens.
    fn turn(&mut self) -> Option<()> {
        if self.in_ring == 0 {
            let Reverse(next) = self.later.peek()?;
            self.span = self.span.max(next.span().saturating_sub(1));
        }
        self.span += 1;
        let first = self.ring.get_mut(ring_place(self.span));
        let mut next = first.map_or(NOWHERE, |first| std::mem::replace(first, NOWHERE));
        while let Some(chunk) = self.chunks.get_mut(next as usize) {
            self.present.append(&mut chunk.entries);
            let freed = std::mem::replace(&mut next, chunk.next);
            chunk.next = std::mem::replace(&mut self.free, freed);
        }
        self.in_ring -= self.present.len();
        while self.later.peek().is_some_and(|Reverse(next)| next.span() < self.span + SPANS) {
            if let Some(Reverse(entry)) = self.later.pop() {
                self.place(entry);
            }
        }
        self.present.sort_unstable_by(|one, other| other.cmp(one));
        Some(())
    }
}

fn ring_place(span: u64) -> usize {
    usize::try_from(span % SPANS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn everything_comes_in_the_order_of_its_moment_and_then_of_its_number() {
        for seed in 0..20 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let (mut agenda, mut model) = (Agenda::default(), BTreeSet::new());
            let (mut now, mut number) = (Moment::START, 0_u64);
            for _ in 0..4000 {
                if rng.random_range(0..9) < 5 {
                    let ahead = match rng.random_range(0..4) {
                        0 => 0,
                        1 => rng.random_range(0..200_000),
                        2 => rng.random_range(0..50_000_000),
                        _ => rng.random_range(0..40_000_000_000),
                    };
                    number += 1;
                    let at = now + Duration::from_nanos(ahead);
                    agenda.push(at, number);
                    model.insert((at, number));
                } else {
                    let first = model.pop_first();
                    assert_eq!(agenda.next_at(), first.map(|(at, _)| at), "seed {seed}");
                    assert_eq!(agenda.pop(), first.map(|(_, number)| (number, number)), "seed {seed}");
                    now = first.map_or(now, |(at, _)| at);
                }
            }
        }
    }
}
