//! SHA-1 and SHA-256 of two messages at once.
//!
//! A processor with instructions for these hashes waits for the result of each before it can begin the
//! next, and could begin another every second time: two messages side by side are done in little more
//! than the time of one. Where there are no such instructions, or none that are known here, the two are
//! hashed one after the other by the `sha1` and `sha2` crates, with the same result. Knows no torrent.
//! Called by the engine, for blocks (BEP 52) and pieces (BEP 3) as they arrive, for shares and for what is checked again.

mod message;
#[cfg(target_arch = "x86_64")]
mod x86;

use sha2::Digest as _;

use crate::message::{Algorithm, Message};

/// The SHA-256 of each of `messages`, in their order. As fast as can be where neighbours are of equal length.
pub fn sha256_each(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let mut hashes = Vec::with_capacity(messages.len());
    let (pairs, last) = messages.as_chunks::<2>();
    for pair in pairs {
        let [mut first, mut second] = [Message::<Sha256Steps, 8>::default(), Message::default()];
        Message::update_two([&mut first, &mut second], *pair);
        hashes.extend(Message::finish_two([first, second]).map(bytes));
    }
    hashes.extend(last.iter().map(|message| <[u8; 32]>::from(sha2::Sha256::digest(message))));
    hashes
}

/// The SHA-1 of a message that comes in parts, alone or beside another.
#[derive(Debug, Clone, Default)]
pub struct Sha1(Message<Sha1Steps, 5>);

impl Sha1 {
    /// The next part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The next part of each of two. As fast as can be where the parts are of equal length, a multiple of
    /// 64 bytes; empty where a message has ended.
    pub fn update_two([first, second]: [&mut Self; 2], parts: [&[u8]; 2]) {
        Message::update_two([&mut first.0, &mut second.0], parts);
    }

    /// The hash of what came.
    pub fn finish(self) -> [u8; 20] {
        bytes(self.0.finish())
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
enum Sha256Steps {}

impl Algorithm<8> for Sha256Steps {
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
enum Sha1Steps {}

impl Algorithm<5> for Sha1Steps {
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
        let mut abc = Sha1::default();
        abc.update(b"abc");
        assert_eq!(abc.finish()[..4], [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(Sha1::default().finish()[..4], [0xda, 0x39, 0xa3, 0xee]);
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
        fn sha1_in_parts_is_what_the_crate_says(parts in prop::collection::vec((0_usize..300, 0_usize..300, 0..3), 0..8), equal in any::<bool>()) {
            let [mut ours, mut other] = [Sha1::default(), Sha1::default()];
            let mut alone = [sha1::Sha1::new(), sha1::Sha1::new()];
            for (seed, (first, second, together)) in (0..).zip(parts) {
                let two = [message(seed, first), message(!seed, if equal { first } else { second })];
                if together > 0 {
                    Sha1::update_two([&mut ours, &mut other], [&two[0], &two[1]]);
                } else {
                    ours.update(&two[0]);
                    other.update(&two[1]);
                }
                alone.iter_mut().zip(&two).for_each(|(hasher, part)| hasher.update(part));
            }
            prop_assert_eq!([ours.finish(), other.finish()], alone.map(|hasher| <[u8; 20]>::from(hasher.finalize())));
        }
    }
}
