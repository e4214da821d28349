//! A message under way, alone or beside another: cuts what comes into the 64 bytes that both hashes work
//! on, and pads the end.
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

/// A message under way.
#[derive(Debug, Clone)]
pub(crate) struct Message<A, const WORDS: usize> {
    state: [u32; WORDS],
    /// The bytes that came, the whole steps of them in the state already.
    length: u64,
    /// ... and the others, at the beginning.
    rest: [u8; STEP],
    algorithm: PhantomData<A>,
}

impl<A: Algorithm<WORDS>, const WORDS: usize> Default for Message<A, WORDS> {
    fn default() -> Self {
        Self { state: A::INITIAL, length: 0, rest: [0; STEP], algorithm: PhantomData }
    }
}

impl<A: Algorithm<WORDS>, const WORDS: usize> Message<A, WORDS> {
    /// The next part.
    pub(crate) fn update(&mut self, part: &[u8]) {
        let (steps, rest) = self.complete(part).as_chunks();
        A::compress(&mut self.state, steps);
        self.keep(rest);
    }

    /// The next part of each.
    pub(crate) fn update_two([first, second]: [&mut Self; 2], parts: [&[u8]; 2]) {
        let (first_steps, first_rest) = first.complete(parts[0]).as_chunks();
        let (second_steps, second_rest) = second.complete(parts[1]).as_chunks();
        Self::compress_two([first, second], [first_steps, second_steps]);
        first.keep(first_rest);
        second.keep(second_rest);
    }

    /// The state once the message is padded.
    pub(crate) fn finish(mut self) -> [u32; WORDS] {
        let (steps, count) = self.end();
        A::compress(&mut self.state, steps.get(..count).unwrap_or(&steps));
        self.state
    }

    /// The same of two.
    pub(crate) fn finish_two([mut first, mut second]: [Self; 2]) -> [[u32; WORDS]; 2] {
        let ends = [first.end(), second.end()];
        let steps = ends.each_ref().map(|(steps, count)| steps.get(..*count).unwrap_or(steps));
        Self::compress_two([&mut first, &mut second], steps);
        [first.state, second.state]
    }

    /// Counts `part` and fills up what is left of the step before with the beginning of it; returns the others.
    fn complete<'part>(&mut self, part: &'part [u8]) -> &'part [u8] {
        let filled = self.filled();
        self.length += part.len() as u64;
        if filled == 0 {
            return part;
        }
        let (head, others) = part.split_at(part.len().min(STEP - filled));
        let place = self.rest.iter_mut().skip(filled);
        place.zip(head).for_each(|(place, byte)| *place = *byte);
        if filled + head.len() == STEP {
            A::compress(&mut self.state, &[self.rest]);
        }
        others
    }

    /// Remembers what is no whole step; nothing, when all of it went into what was there before.
    fn keep(&mut self, rest: &[u8]) {
        self.rest.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    }

    /// How many bytes came that are no whole step.
    #[expect(clippy::cast_possible_truncation, reason = "it is less than 64")]
    fn filled(&self) -> usize {
        (self.length % STEP as u64) as usize
    }

    /// The last one or two steps: what is left, a one, zeros, and the length in bits.
    fn end(&self) -> ([[u8; STEP]; 2], usize) {
        let filled = self.filled();
        let count = if filled < STEP - 8 { 1 } else { 2 };
        let mut steps = [[0; STEP]; 2];
        let bytes = steps.as_flattened_mut();
        bytes[..filled].copy_from_slice(&self.rest[..filled]);
        bytes[filled] = 0x80;
        let bits = self.length.wrapping_mul(8);
        bytes[count * STEP - 8..count * STEP].copy_from_slice(&bits.to_be_bytes());
        (steps, count)
    }

    /// As many steps as both have side by side, the others of the longer one alone.
    fn compress_two([first, second]: [&mut Self; 2], steps: [&[[u8; STEP]]; 2]) {
        let both = steps[0].len().min(steps[1].len());
        let [(of_first, first_more), (of_second, second_more)] = steps.map(|steps| steps.split_at(both));
        let mut states = [first.state, second.state];
        if both > 0 && A::compress_two(&mut states, [of_first, of_second]) {
            [first.state, second.state] = states;
        } else {
            A::compress(&mut first.state, of_first);
            A::compress(&mut second.state, of_second);
        }
        A::compress(&mut first.state, first_more);
        A::compress(&mut second.state, second_more);
    }
}
