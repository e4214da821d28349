//! SHA-1 and SHA-256 of two messages at once.
//!
//! A processor with instructions for these hashes waits for the result of each before it can begin the
//! next, and could begin another every second time: two messages side by side are done in little more
//! than the time of one. Where there are no such instructions, or none that are known here, the two are
//! hashed one after the other by the `sha1` and `sha2` crates, with the same result. Knows no torrent.
//! Called by the engine, for blocks as they arrive (BEP 52), for shares and for what is checked again.

mod pair;
#[cfg(target_arch = "x86_64")]
mod x86;

use sha2::Digest as _;

use crate::pair::{Algorithm, Pair};

/// The SHA-256 of each of `messages`, in their order. As fast as can be where neighbours are of equal length.
pub fn sha256_each(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let mut hashes = Vec::with_capacity(messages.len());
    let (pairs, last) = messages.as_chunks::<2>();
    for pair in pairs {
        let mut two = Pair::<Sha256, 8>::new();
        two.update(*pair);
        hashes.extend(two.finish().map(bytes));
    }
    hashes.extend(last.iter().map(|message| <[u8; 32]>::from(sha2::Sha256::digest(message))));
    hashes
}

/// The SHA-1 of two messages that come in parts.
#[derive(Debug, Clone, Default)]
pub struct Sha1Pair(Pair<Sha1, 5>);

impl Sha1Pair {
    /// Two empty messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next part of each; an empty one where a message has ended. As fast as can be where the two are
    /// of equal length, a multiple of 64 bytes.
    pub fn update(&mut self, parts: [&[u8]; 2]) {
        self.0.update(parts);
    }

    /// The hashes of what came.
    pub fn finish(self) -> [[u8; 20]; 2] {
        self.0.finish().map(bytes)
    }
}

/// The words of a state as the bytes of a hash.
fn bytes<const WORDS: usize, const BYTES: usize>(state: [u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *place = word.to_be_bytes();
    }
    bytes
}

/// SHA-256 (FIPS 180-4).
#[derive(Debug, Clone, Copy)]
enum Sha256 {}

impl Algorithm<8> for Sha256 {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
        sha2::block_api::compress256(state, blocks);
    }

    #[cfg(target_arch = "x86_64")]
    fn compress_two(states: &mut [[u32; 8]; 2], blocks: [&[[u8; 64]]; 2]) -> bool {
        x86::sha256(states, blocks)
    }
}

/// SHA-1 (FIPS 180-4).
#[derive(Debug, Clone, Copy)]
enum Sha1 {}

impl Algorithm<5> for Sha1 {
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress(state: &mut [u32; 5], blocks: &[[u8; 64]]) {
        sha1::block_api::compress(state, blocks);
    }

    #[cfg(target_arch = "x86_64")]
    fn compress_two(states: &mut [[u32; 5]; 2], blocks: [&[[u8; 64]]; 2]) -> bool {
        x86::sha1(states, blocks)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha1::Digest as _;

    use super::*;

    /// Bytes that differ from place to place and from message to message.
    fn message(seed: u8, length: usize) -> Vec<u8> {
        (0..length).map(|at| at.wrapping_mul(131).to_le_bytes()[1] ^ seed).collect()
    }

    #[test]
    fn published_examples() {
        let hashes = sha256_each(&[b"abc", b"", b"abc"]);
        assert_eq!(hashes[0][..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hashes[1][..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(hashes[2], hashes[0]);
        let mut pair = Sha1Pair::new();
        pair.update([b"abc", b""]);
        let [abc, empty] = pair.finish();
        assert_eq!(
            (abc[..4].to_vec(), empty[..4].to_vec()),
            (vec![0xa9, 0x99, 0x3e, 0x36], vec![0xda, 0x39, 0xa3, 0xee])
        );
    }

    proptest! {
        #[test]
        fn sha256_is_what_the_crate_says(lengths in prop::collection::vec(0_usize..1000, 0..6), equal in any::<bool>()) {
            let length = |length: usize| if equal { 640 } else { length };
            let messages: Vec<Vec<u8>> =
                (0..).zip(&lengths).map(|(seed, bytes)| message(seed, length(*bytes))).collect();
            let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let expected: Vec<[u8; 32]> = messages.iter().map(|message| sha2::Sha256::digest(message).into()).collect();
            prop_assert_eq!(sha256_each(&slices), expected);
        }

        #[test]
        fn sha1_in_parts_is_what_the_crate_says(parts in prop::collection::vec((0_usize..300, 0_usize..300), 0..8), equal in any::<bool>()) {
            let mut pair = Sha1Pair::new();
            let mut alone = [sha1::Sha1::new(), sha1::Sha1::new()];
            for (seed, (first, second)) in (0..).zip(parts) {
                let two = [message(seed, first), message(!seed, if equal { first } else { second })];
                pair.update([&two[0], &two[1]]);
                alone.iter_mut().zip(&two).for_each(|(hasher, part)| hasher.update(part));
            }
            prop_assert_eq!(pair.finish(), alone.map(|hasher| <[u8; 20]>::from(hasher.finalize())));
        }
    }
}
