//! Two messages under way: cuts what comes into the 64 bytes that both hashes work on, and pads the end.
//!
//! Knows no hash; [`Algorithm`] does.

use std::marker::PhantomData;

/// Bytes of one step of SHA-1 and SHA-256.
const STEP: usize = 64;

/// A hash of 64 bytes at a time, with a state of `WORDS` words and the padding of FIPS 180-4.
pub(crate) trait Algorithm<const WORDS: usize> {
    /// The state of an empty message.
    const INITIAL: [u32; WORDS];

    /// Takes `blocks` into `state`.
    fn compress(state: &mut [u32; WORDS], blocks: &[[u8; STEP]]);

    /// Takes as many of both `blocks` as the shorter has into the two states at once; `false`, and nothing
    /// done, where the machine has no way to.
    fn compress_two(_: &mut [[u32; WORDS]; 2], _: [&[[u8; STEP]]; 2]) -> bool {
        false
    }
}

/// Two messages under way.
#[derive(Debug, Clone)]
pub(crate) struct Pair<A, const WORDS: usize> {
    states: [[u32; WORDS]; 2],
    /// Of each the bytes that came, the whole steps of them in its state already.
    lengths: [u64; 2],
    /// ... and the others, at the beginning.
    rests: [[u8; STEP]; 2],
    algorithm: PhantomData<A>,
}

impl<A: Algorithm<WORDS>, const WORDS: usize> Default for Pair<A, WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Algorithm<WORDS>, const WORDS: usize> Pair<A, WORDS> {
    pub(crate) fn new() -> Self {
        Self { states: [A::INITIAL; 2], lengths: [0; 2], rests: [[0; STEP]; 2], algorithm: PhantomData }
    }

    /// The next part of each.
    pub(crate) fn update(&mut self, [first, second]: [&[u8]; 2]) {
        let (first, first_rest) = self.complete(0, first).as_chunks();
        let (second, second_rest) = self.complete(1, second).as_chunks();
        self.compress([first, second]);
        for (place, rest) in self.rests.iter_mut().zip([first_rest, second_rest]) {
            place.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        }
    }

    /// The states once both messages are padded.
    pub(crate) fn finish(mut self) -> [[u32; WORDS]; 2] {
        let ends = [self.end(0), self.end(1)];
        self.compress(ends.each_ref().map(|(steps, count)| steps.get(..*count).unwrap_or(steps)));
        self.states
    }

    /// Counts `part` and fills up what is left of the step before with the beginning of it; returns the others.
    fn complete<'part>(&mut self, which: usize, part: &'part [u8]) -> &'part [u8] {
        let filled = self.rest(which);
        self.lengths[which] += part.len() as u64;
        if filled == 0 {
            return part;
        }
        let (head, others) = part.split_at(part.len().min(STEP - filled));
        let place = self.rests[which].iter_mut().skip(filled);
        place.zip(head).for_each(|(place, byte)| *place = *byte);
        if filled + head.len() == STEP {
            A::compress(&mut self.states[which], &[self.rests[which]]);
        }
        others
    }

    /// How many bytes came that are no whole step.
    #[expect(clippy::cast_possible_truncation, reason = "it is less than 64")]
    fn rest(&self, which: usize) -> usize {
        (self.lengths[which] % STEP as u64) as usize
    }

    /// The last one or two steps: what is left, a one, zeros, and the length in bits.
    fn end(&self, which: usize) -> ([[u8; STEP]; 2], usize) {
        let rest = self.rest(which);
        let count = if rest < STEP - 8 { 1 } else { 2 };
        let mut steps = [[0; STEP]; 2];
        let bytes = steps.as_flattened_mut();
        bytes[..rest].copy_from_slice(&self.rests[which][..rest]);
        bytes[rest] = 0x80;
        let bits = self.lengths[which].wrapping_mul(8);
        bytes[count * STEP - 8..count * STEP].copy_from_slice(&bits.to_be_bytes());
        (steps, count)
    }

    /// As many steps as both have side by side, the others of the longer one alone.
    fn compress(&mut self, [first, second]: [&[[u8; STEP]]; 2]) {
        let both = first.len().min(second.len());
        let ((first, first_more), (second, second_more)) = (first.split_at(both), second.split_at(both));
        if both > 0 && !A::compress_two(&mut self.states, [first, second]) {
            A::compress(&mut self.states[0], first);
            A::compress(&mut self.states[1], second);
        }
        A::compress(&mut self.states[0], first_more);
        A::compress(&mut self.states[1], second_more);
    }
}
