//! Both hashes with the SHA extensions of x86-64, two messages side by side.
//!
//! The only file of the project with `unsafe` in it, twice for the same thing: a function that is compiled
//! for instructions which not every processor has is called after the processor was asked. It reads and
//! writes through references only. Worth it (one core of an EPYC, 16 KiB messages, see docs/performance.md):
//! two messages in four sevenths of the time of one after the other, with either hash.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_xor_si128,
};

type Blocks<'a> = [&'a [[u8; 64]]; 2];

/// Takes as many steps of both as the shorter has; `false`, and nothing done, where the processor cannot.
pub(crate) fn sha256(states: &mut [[u32; 8]; 2], blocks: Blocks<'_>) -> bool {
    if !has_sha() {
        return false;
    }
    // SAFETY: all the features that the function is compiled for are there, and it asks for nothing else.
    #[allow(unsafe_code, reason = "the processor was asked just now")]
    unsafe {
        sha256_lanes(states, blocks);
    }
    true
}

/// Takes as many steps of both as the shorter has; `false`, and nothing done, where the processor cannot.
pub(crate) fn sha1(states: &mut [[u32; 5]; 2], blocks: Blocks<'_>) -> bool {
    if !has_sha() {
        return false;
    }
    // SAFETY: all the features that the function is compiled for are there, and it asks for nothing else.
    #[allow(unsafe_code, reason = "the processor was asked just now")]
    unsafe {
        sha1_lanes(states, blocks);
    }
    true
}

/// Whether the processor has what the functions below are compiled for. Asked once, then remembered by std.
fn has_sha() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

/// The round constants of SHA-256, four to a step.
const K: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Four words, the first in the highest place.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words(highest: u32, second: u32, third: u32, lowest: u32) -> __m128i {
    let [highest, second, third, lowest] = [highest, second, third, lowest].map(u32::cast_signed);
    _mm_set_epi32(highest, second, third, lowest)
}

/// The words of `four`, the one in the highest place first.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn apart(four: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32(four, 3),
        _mm_extract_epi32(four, 2),
        _mm_extract_epi32(four, 1),
        _mm_extract_epi32(four, 0),
    ]
    .map(i32::cast_unsigned)
}

/// The 64 bytes of a step as four times 16, their bytes in the order of `order`.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(step: &[u8; 64], order: __m128i) -> [__m128i; 4] {
    let mut quarters = [_mm_setzero_si128(); 4];
    for (quarter, bytes) in quarters.iter_mut().zip(step.as_chunks::<16>().0) {
        let (halves, _) = bytes.as_chunks::<8>();
        // Compiled to one load.
        *quarter = _mm_shuffle_epi8(
            _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0])),
            order,
        );
    }
    quarters
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[expect(clippy::many_single_char_names, reason = "the words of the state are called so in FIPS 180-4")]
fn sha256_lanes(states: &mut [[u32; 8]; 2], blocks: Blocks<'_>) {
    // Each word's bytes turned round: words are big-endian.
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    let mut abef = states.map(|[a, b, _, _, e, f, _, _]| words(a, b, e, f));
    let mut cdgh = states.map(|[_, _, c, d, _, _, g, h]| words(c, d, g, h));
    for (first, second) in blocks[0].iter().zip(blocks[1]) {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut w = [load(first, order), load(second, order)];
        // Written out: with `$t` known everything stays in registers.
        macro_rules! rounds {
            ($($t:literal)*) => {$(
                let [k0, k1, k2, k3] = K[$t];
                for lane in 0..2 {
                    let message = &mut w[lane];
                    let sum = _mm_add_epi32(message[$t % 4], words(k3, k2, k1, k0));
                    cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
                    abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(sum, 0x0e));
                    // The words of four steps later.
                    if $t < 12 {
                        let near = _mm_sha256msg1_epu32(message[$t % 4], message[($t + 1) % 4]);
                        let far = _mm_alignr_epi8(message[($t + 3) % 4], message[($t + 2) % 4], 4);
                        message[$t % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(near, far), message[($t + 3) % 4]);
                    }
                }
            )*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..2 {
            abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
        }
    }
    for lane in 0..2 {
        let ([a, b, e, f], [c, d, g, h]) = (apart(abef[lane]), apart(cdgh[lane]));
        states[lane] = [a, b, c, d, e, f, g, h];
    }
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
#[expect(clippy::many_single_char_names, reason = "the words of the state are called so in FIPS 180-4")]
fn sha1_lanes(states: &mut [[u32; 5]; 2], blocks: Blocks<'_>) {
    // All bytes turned round: words are big-endian, and the first belongs into the highest place.
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut abcd = states.map(|[a, b, c, d, _]| words(a, b, c, d));
    let mut e = states.map(|[_, _, _, _, e]| words(e, 0, 0, 0));
    for (first, second) in blocks[0].iter().zip(blocks[1]) {
        let (abcd_before, e_before) = (abcd, e);
        let mut w = [load(first, order), load(second, order)];
        // `next` is the E of the following four rounds before it is turned, that is ABCD as it was.
        let mut next = e;
        macro_rules! rounds {
            ($function:literal: $($t:literal)*) => {$(
                for lane in 0..2 {
                    let message = &mut w[lane];
                    let with = if $t == 0 {
                        _mm_add_epi32(next[lane], message[0])
                    } else {
                        _mm_sha1nexte_epu32(next[lane], message[$t % 4])
                    };
                    next[lane] = abcd[lane];
                    abcd[lane] = _mm_sha1rnds4_epu32(abcd[lane], with, $function);
                    // The words of four steps later.
                    if $t < 16 {
                        let near = _mm_sha1msg1_epu32(message[$t % 4], message[($t + 1) % 4]);
                        let far = _mm_xor_si128(near, message[($t + 2) % 4]);
                        message[$t % 4] = _mm_sha1msg2_epu32(far, message[($t + 3) % 4]);
                    }
                }
            )*};
        }
        rounds!(0: 0 1 2 3 4);
        rounds!(1: 5 6 7 8 9);
        rounds!(2: 10 11 12 13 14);
        rounds!(3: 15 16 17 18 19);
        for lane in 0..2 {
            e[lane] = _mm_sha1nexte_epu32(next[lane], e_before[lane]);
            abcd[lane] = _mm_add_epi32(abcd[lane], abcd_before[lane]);
        }
    }
    for lane in 0..2 {
        let [a, b, c, d] = apart(abcd[lane]);
        let [e, ..] = apart(e[lane]);
        states[lane] = [a, b, c, d, e];
    }
}
