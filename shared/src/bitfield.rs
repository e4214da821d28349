//! Which pieces somebody has: one bit a piece, in the order of the wire (BEP 3: the high bit of the
//! first byte is piece 0).

use crate::piece::PieceIndex;

/// A fixed number of bits. Bits beyond the length are never set.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Box<[u8]>,
    length: u32,
    ones: u32,
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({} of {})", self.ones, self.length)
    }
}

impl Bitfield {
    /// `length` bits, none set.
    pub fn empty(length: u32) -> Self {
        Self { bytes: vec![0; (length as usize).div_ceil(8)].into(), length, ones: 0 }
    }

    /// `length` bits, all set.
    pub fn full(length: u32) -> Self {
        let mut bytes = vec![0xff_u8; (length as usize).div_ceil(8)];
        if let (Some(last), spare @ 1..) = (bytes.last_mut(), spare_bits(length)) {
            *last <<= spare;
        }
        Self { bytes: bytes.into(), length, ones: length }
    }

    /// Reads the payload of a `bitfield` message. `None` when its size does not fit `length` or a
    /// spare bit is set: both are violations of BEP 3.
    pub fn from_wire(bytes: &[u8], length: u32) -> Option<Self> {
        if bytes.len() != (length as usize).div_ceil(8) {
            return None;
        }
        let spare_mask = u8::MAX.checked_shl(spare_bits(length)).unwrap_or(u8::MAX);
        if bytes.last().is_some_and(|last| last & !spare_mask != 0) {
            return None;
        }
        let ones = bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(Self { bytes: bytes.into(), length, ones })
    }

    /// The payload of a `bitfield` message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bits there are, set or not.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether it has no bits at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bits are set.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every bit is set.
    pub fn is_full(&self) -> bool {
        self.ones == self.length
    }

    /// Whether the bit of `piece` is set; not when it lies outside.
    pub fn get(&self, piece: PieceIndex) -> bool {
        let index = piece.get();
        index < self.length
            && self.bytes.get((index / 8) as usize).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// Sets the bit of `piece`; says whether that changed anything. Outside: changes nothing.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        let changes = piece.get() < self.length && !self.get(piece);
        if changes {
            self.flip(piece);
            self.ones += 1;
        }
        changes
    }

    /// Clears the bit of `piece`; says whether that changed anything.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        let changes = self.get(piece);
        if changes {
            self.flip(piece);
            self.ones -= 1;
        }
        changes
    }

    fn flip(&mut self, piece: PieceIndex) {
        if let Some(byte) = self.bytes.get_mut((piece.get() / 8) as usize) {
            *byte ^= 0x80 >> (piece.get() % 8);
        }
    }

    /// The set bits, rising.
    pub fn ones(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        (0_u32..).zip(&self.bytes).filter(|(_, byte)| **byte != 0).flat_map(|(at, byte)| {
            (0..8).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| PieceIndex::new(at * 8 + bit))
        })
    }

    /// The bits that are not set, rising.
    pub fn zeros(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        (0..self.length).map(PieceIndex::new).filter(|piece| !self.get(*piece))
    }
}

fn spare_bits(length: u32) -> u32 {
    (8 - length % 8) % 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wire_order_is_high_bit_first() {
        let mut field = Bitfield::empty(10);
        assert!(field.set(PieceIndex::new(0)) && field.set(PieceIndex::new(9)));
        assert_eq!(field.as_bytes(), [0x80, 0x40]);
        assert!(!field.set(PieceIndex::new(10)), "outside changes nothing");
        assert_eq!(field.count(), 2);
    }

    #[test]
    fn wrong_sizes_and_spare_bits_are_refused() {
        assert!(Bitfield::from_wire(&[0xff], 9).is_none());
        assert!(Bitfield::from_wire(&[0xff, 0x80, 0], 9).is_none());
        assert!(Bitfield::from_wire(&[0xff, 0xc0], 9).is_none());
        assert!(Bitfield::from_wire(&[0xff, 0x80], 9).is_some_and(|field| field.is_full()));
        assert!(Bitfield::from_wire(&[], 0).is_some_and(|field| field.is_full()));
        assert_eq!(Bitfield::full(9).as_bytes(), [0xff, 0x80]);
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(length in 1_u32..200, changes in proptest::collection::vec((0_u32..220, any::<bool>()), 0..100)) {
            let mut field = Bitfield::empty(length);
            let mut model = std::collections::BTreeSet::new();
            for (index, set) in changes {
                let piece = PieceIndex::new(index);
                if set {
                    prop_assert_eq!(field.set(piece), index < length && model.insert(index));
                } else {
                    prop_assert_eq!(field.clear(piece), model.remove(&index));
                }
            }
            prop_assert_eq!(field.ones().map(PieceIndex::get).collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(field.count() as usize, model.len());
            prop_assert_eq!(field.zeros().count(), (length - field.count()) as usize);
            prop_assert_eq!(Bitfield::from_wire(field.as_bytes(), length), Some(field));
        }
    }
}
