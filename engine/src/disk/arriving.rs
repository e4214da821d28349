//! SHA-1 of pieces made while their blocks are written, so that they need not be read back.
//!
//! Blocks of a piece come from one peer in the order in which they were asked for, nearly always. What
//! comes in another order, or a second time, is left to whoever reads the piece back. As with blocks
//! that have a leaf, what another program does to the file meanwhile is not seen. Knows bytes, no file.
//! Called by the disk thread that writes, and by the hash thread that wants the result.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared::{BlockRef, Layout, PieceIndex};

/// The most pieces under way, 150 bytes each.
const MOST_PIECES: usize = 4096;
/// What padded pieces are filled up with.
const ZEROS: &[u8] = &[0; 16 * 1024];

/// Pieces of which a beginning was written, without a gap.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    pieces: BTreeMap<PieceIndex, Beginning>,
}

/// A piece, as far as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beginning {
    sha1: Sha1,
    /// Bytes.
    length: u32,
}

impl Arriving {
    /// `bytes` are what will be on disk of `block`.
    pub(crate) fn take_in(&mut self, block: BlockRef, bytes: &Bytes) {
        if block.begin() == 0 && (self.pieces.len() < MOST_PIECES || self.pieces.contains_key(&block.piece)) {
            self.pieces.insert(block.piece, Beginning::default());
        }
        let Some(beginning) = self.pieces.get_mut(&block.piece) else { return };
        let length = u32::try_from(bytes.len()).ok().and_then(|more| beginning.length.checked_add(more));
        match length {
            Some(length) if beginning.length == block.begin() => {
                beginning.sha1.update(bytes);
                beginning.length = length;
            }
            // A gap, or something new in the place of what was taken in.
            _ => self.forget(block.piece),
        }
    }

    /// Nobody knows what is on disk of this piece.
    pub(crate) fn forget(&mut self, piece: PieceIndex) {
        self.pieces.remove(&piece);
    }

    /// What came of a piece in order, once.
    pub(crate) fn take(&mut self, piece: PieceIndex) -> Option<Beginning> {
        self.pieces.remove(&piece)
    }
}

impl Beginning {
    /// The SHA-1 of the whole piece, padding counted as zeros, when nothing is missing.
    pub(crate) fn finish(self, piece: PieceIndex, layout: &Layout) -> Option<[u8; 20]> {
        let Self { mut sha1, length } = self;
        if length != layout.data_length(piece) {
            return None;
        }
        let mut missing = layout.length(piece).saturating_sub(length) as usize;
        while missing > 0 {
            let zeros = ZEROS.get(..missing).unwrap_or(ZEROS);
            sha1.update(zeros);
            missing -= zeros.len();
        }
        Some(sha1.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 16 * 1024;

    /// Two pieces of three blocks, the last block of 100 bytes.
    fn layout() -> Layout {
        Layout::new((5 * BLOCK + 100) as u64, 3 * BLOCK as u64).unwrap()
    }

    fn finish(arriving: &mut Arriving, piece: PieceIndex, layout: &Layout) -> Option<[u8; 20]> {
        arriving.take(piece)?.finish(piece, layout)
    }

    fn block(layout: &Layout, piece: u32, number: u32) -> (BlockRef, Bytes) {
        let piece = layout.piece(piece).unwrap();
        let block = BlockRef { piece, index: number };
        let length = layout.block_span(block).unwrap().length();
        (block, (0..length).map(|at| (at % 251 + piece.get() + number).to_le_bytes()[0]).collect())
    }

    fn take_in(arriving: &mut Arriving, order: &[(u32, u32)]) {
        for (piece, number) in order {
            let (block, bytes) = block(&layout(), *piece, *number);
            arriving.take_in(block, &bytes);
        }
    }

    fn expected(piece: u32) -> [u8; 20] {
        let blocks: Vec<u8> = (0..3).flat_map(|number| block(&layout(), piece, number).1).collect();
        Sha1::digest(blocks).into()
    }

    #[test]
    fn what_came_in_order_has_its_hash_once() {
        let (layout, mut arriving) = (layout(), Arriving::default());
        take_in(&mut arriving, &[(0, 0), (1, 0), (0, 1), (1, 1), (1, 2), (0, 2)]);
        for piece in layout.iter() {
            assert_eq!(finish(&mut arriving, piece, &layout), Some(expected(piece.get())));
            assert_eq!(finish(&mut arriving, piece, &layout), None);
        }
    }

    #[test]
    fn gaps_and_what_comes_again_are_left_to_others() {
        let layout = layout();
        let piece = layout.piece(0).unwrap();
        for order in [
            &[(0, 0), (0, 2), (0, 1)][..],
            &[(0, 0), (0, 1), (0, 1), (0, 2)],
            &[(0, 1), (0, 2)],
            &[(0, 0), (0, 1)],
            &[],
        ] {
            let mut arriving = Arriving::default();
            take_in(&mut arriving, order);
            assert_eq!(finish(&mut arriving, piece, &layout), None, "{order:?}");
        }
    }

    #[test]
    fn a_piece_that_begins_again_begins_again() {
        let (layout, mut arriving) = (layout(), Arriving::default());
        take_in(&mut arriving, &[(0, 0), (0, 1), (0, 0), (0, 1), (0, 2)]);
        assert_eq!(finish(&mut arriving, layout.piece(0).unwrap(), &layout), Some(expected(0)));
        take_in(&mut arriving, &[(0, 0), (0, 1), (0, 2)]);
        arriving.forget(layout.piece(0).unwrap());
        assert_eq!(finish(&mut arriving, layout.piece(0).unwrap(), &layout), None);
    }

    #[test]
    fn padding_counts_as_zeros() {
        let layout = Layout::with_padding(70_000, 32_768, [(20_000, 12_768)]).unwrap();
        let piece = layout.piece(0).unwrap();
        let mut arriving = Arriving::default();
        for index in 0..2 {
            let block = BlockRef { piece, index };
            let length = layout.block_span(block).unwrap().length() as usize;
            arriving.take_in(block, &Bytes::from(vec![7; length]));
        }
        let whole = [vec![7; 20_000], vec![0; 12_768]].concat();
        assert_eq!(finish(&mut arriving, piece, &layout), Some(Sha1::digest(whole).into()));
    }
}
