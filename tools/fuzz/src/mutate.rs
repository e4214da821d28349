//! Seeded damage: the same seed does the same damage to the same bytes, so a failure can be repeated.

/// Values that decoders trip over: ends of ranges, separators of text formats.
const TRICKY: [u8; 16] =
    [0x00, 0x01, 0x7f, 0x80, 0xff, b'-', b'0', b'9', b':', b'd', b'e', b'i', b'l', b'{', b'"', b'\n'];

/// A damaged copy of the bytes.
pub fn mutate(original: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = seed;
    let mut bytes = original.to_vec();
    for _ in 0..=throw(&mut dice, 4) {
        let length = bytes.len();
        let at = throw(&mut dice, length + 1);
        match throw(&mut dice, 7) {
            0 if at < length => bytes[at] ^= 1 << throw(&mut dice, 8),
            1 if at < length => bytes[at] = TRICKY[throw(&mut dice, TRICKY.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, TRICKY[throw(&mut dice, TRICKY.len())]),
            4 if at < length => drop(bytes.remove(at)),
            5 if length > 0 && length < 1 << 16 => {
                let from = throw(&mut dice, length);
                let copied = bytes[from..(from + 16).min(length)].to_vec();
                bytes.splice(at..at, copied);
            }
            _ if at + 4 <= length => {
                let number = u32::try_from(throw(&mut dice, 1 << 31)).unwrap_or(u32::MAX);
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            _ => bytes.push(TRICKY[throw(&mut dice, TRICKY.len())]),
        }
    }
    bytes
}

/// A number below `end`, which is at least 1 (an xorshift; the state is never 0).
fn throw(dice: &mut u64, end: usize) -> usize {
    let mut state = dice.wrapping_add(0x9E37_79B9_7F4A_7C15).max(1);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    *dice = state;
    usize::try_from(state >> 16).unwrap_or(0) % end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_does_the_same_damage_and_seeds_differ() {
        let original = b"d4:spam4:eggse";
        assert_eq!(mutate(original, 7), mutate(original, 7));
        let different: std::collections::BTreeSet<_> = (0..200).map(|seed| mutate(original, seed)).collect();
        assert!(different.len() > 150, "{}", different.len());
    }

    #[test]
    fn nothing_can_be_damaged_too() {
        for seed in 0..1000 {
            let _ = mutate(b"", seed);
        }
    }
}
