//! SHA-1 of pieces made while their blocks are written, so that they need not be read back.
//!
//! Blocks of a piece come from one peer in the order in which they were asked for, nearly always. What
//! comes in another order, or a second time, is left to whoever reads the piece back. As with blocks
//! that have a leaf, what another program does to the file meanwhile is not seen. Two pieces are hashed
//! side by side, where a job has them: nearly twice as fast. Knows bytes, no file. Called by the disk
//! thread that writes, and by the hash thread that wants the result.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hashes::Sha1;
use shared::{BlockRef, Layout, PieceIndex};

/// The most pieces under way, 150 bytes each.
const MOST_PIECES: usize = 4096;
/// What padded pieces are filled up with.
const ZEROS: &[u8] = &[0; 16 * 1024];

/// Pieces of which a beginning was written or is about to be, without a gap. Nobody asks for one before all
/// its blocks are on disk. Locked for moments, never while hashing.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    pieces: Mutex<BTreeMap<PieceIndex, Beginning>>,
}

/// A piece, as far as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beginning {
    sha1: Sha1,
    /// Bytes.
    length: u32,
}

/// One of two pieces that are hashed side by side.
#[derive(Debug)]
struct Lane<'job> {
    piece: PieceIndex,
    beginning: Beginning,
    /// What is not hashed yet.
    blocks: &'job [(BlockRef, Bytes)],
}

impl Arriving {
    fn pieces(&self) -> MutexGuard<'_, BTreeMap<PieceIndex, Beginning>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each of `pieces` holds blocks of one piece, in their order, with what will be on disk of them; no
    /// piece comes twice.
    pub(crate) fn take_in<'job>(&self, pieces: impl IntoIterator<Item = &'job [(BlockRef, Bytes)]>) {
        let mut lanes = pieces.into_iter().filter_map(|blocks| self.begin(blocks));
        let (mut first, mut second) = (lanes.next(), lanes.next());
        loop {
            match (&mut first, &mut second) {
                (Some(first), Some(second)) => {
                    let parts = [first.next(), second.next()];
                    Sha1::update_two([&mut first.beginning.sha1, &mut second.beginning.sha1], parts);
                }
                (Some(one), None) | (None, Some(one)) => {
                    let part = one.next();
                    one.beginning.sha1.update(part);
                }
                (None, None) => return,
            }
            for place in [&mut first, &mut second] {
                if let Some(done) = place.take_if(|lane| lane.blocks.is_empty()) {
                    self.keep(done);
                    *place = lanes.next();
                }
            }
        }
    }

    /// What goes on with a piece, when these blocks are what comes next of it, without a gap.
    fn begin<'job>(&self, blocks: &'job [(BlockRef, Bytes)]) -> Option<Lane<'job>> {
        let (first, _) = blocks.first()?;
        let before = self.take(first.piece);
        let beginning = if first.begin() == 0 { Beginning::default() } else { before? };
        let mut end = beginning.length;
        for (block, bytes) in blocks {
            if block.begin() != end {
                return None;
            }
            end = end.checked_add(u32::try_from(bytes.len()).ok()?)?;
        }
        Some(Lane { piece: first.piece, beginning, blocks })
    }

    fn keep(&self, lane: Lane<'_>) {
        let mut pieces = self.pieces();
        if pieces.len() < MOST_PIECES {
            pieces.insert(lane.piece, lane.beginning);
        }
    }

    /// Nobody knows what is on disk of this piece.
    pub(crate) fn forget(&self, piece: PieceIndex) {
        self.pieces().remove(&piece);
    }

    /// What came of a piece in order, once.
    pub(crate) fn take(&self, piece: PieceIndex) -> Option<Beginning> {
        self.pieces().remove(&piece)
    }
}

impl<'job> Lane<'job> {
    /// The next block, counted.
    fn next(&mut self) -> &'job [u8] {
        let Some(((_, bytes), later)) = self.blocks.split_first() else { return &[] };
        self.blocks = later;
        self.beginning.length += u32::try_from(bytes.len()).unwrap_or(0);
        bytes
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
        Some(sha1.finish())
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest as _, Sha1};

    use super::{Arriving, BlockRef, Bytes, Layout, PieceIndex};

    const BLOCK: usize = 16 * 1024;

    /// Two pieces of three blocks, the last block of 100 bytes.
    fn layout() -> Layout {
        Layout::new((5 * BLOCK + 100) as u64, 3 * BLOCK as u64).unwrap()
    }

    fn finish(arriving: &Arriving, piece: PieceIndex, layout: &Layout) -> Option<[u8; 20]> {
        arriving.take(piece)?.finish(piece, layout)
    }

    fn block(layout: &Layout, piece: u32, number: u32) -> (BlockRef, Bytes) {
        let piece = layout.piece(piece).unwrap();
        let block = BlockRef { piece, index: number };
        let length = layout.block_span(block).unwrap().length();
        (block, (0..length).map(|at| (at % 251 + 3 * piece.get() + number).to_le_bytes()[0]).collect())
    }

    fn take_in(arriving: &Arriving, order: &[(u32, u32)]) {
        for (piece, number) in order {
            arriving.take_in([&[block(&layout(), *piece, *number)][..]]);
        }
    }

    fn expected(piece: u32) -> [u8; 20] {
        let blocks: Vec<u8> = (0..3).flat_map(|number| block(&layout(), piece, number).1).collect();
        Sha1::digest(blocks).into()
    }

    #[test]
    fn what_came_in_order_has_its_hash_once() {
        let (layout, arriving) = (layout(), Arriving::default());
        take_in(&arriving, &[(0, 0), (1, 0), (0, 1), (1, 1), (1, 2), (0, 2)]);
        for piece in layout.iter() {
            assert_eq!(finish(&arriving, piece, &layout), Some(expected(piece.get())));
            assert_eq!(finish(&arriving, piece, &layout), None);
        }
    }

    #[test]
    fn pieces_of_one_job_do_not_touch_each_other() {
        let (layout, arriving) =
            (Layout::new((11 * BLOCK + 100) as u64, 3 * BLOCK as u64).unwrap(), Arriving::default());
        let job: Vec<_> = [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 2), (3, 0), (3, 1), (3, 2)]
            .map(|(piece, number)| block(&layout, piece, number))
            .into();
        arriving.take_in(job.chunk_by(|(one, _), (next, _)| one.piece == next.piece));
        arriving.take_in([&[block(&layout, 1, 1), block(&layout, 1, 2)][..]]);
        let hashes: Vec<_> = layout.iter().map(|piece| finish(&arriving, piece, &layout)).collect();
        let expected = |piece: u32| -> [u8; 20] {
            let blocks: Vec<u8> = (0..3).flat_map(|number| block(&layout, piece, number).1).collect();
            Sha1::digest(blocks).into()
        };
        assert_eq!(hashes, [Some(expected(0)), Some(expected(1)), None, Some(expected(3))]);
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
            let arriving = Arriving::default();
            take_in(&arriving, order);
            assert_eq!(finish(&arriving, piece, &layout), None, "{order:?}");
        }
    }

    #[test]
    fn a_piece_that_begins_again_begins_again() {
        let (layout, arriving) = (layout(), Arriving::default());
        take_in(&arriving, &[(0, 0), (0, 1), (0, 0), (0, 1), (0, 2)]);
        assert_eq!(finish(&arriving, layout.piece(0).unwrap(), &layout), Some(expected(0)));
        take_in(&arriving, &[(0, 0), (0, 1), (0, 2)]);
        arriving.forget(layout.piece(0).unwrap());
        assert_eq!(finish(&arriving, layout.piece(0).unwrap(), &layout), None);
    }

    #[test]
    fn padding_counts_as_zeros() {
        let layout = Layout::with_padding(70_000, 32_768, [(20_000, 12_768)]).unwrap();
        let piece = layout.piece(0).unwrap();
        let arriving = Arriving::default();
        for index in 0..2 {
            let block = BlockRef { piece, index };
            let length = layout.block_span(block).unwrap().length() as usize;
            arriving.take_in([&[(block, Bytes::from(vec![7; length]))][..]]);
        }
        let whole = [vec![7; 20_000], vec![0; 12_768]].concat();
        assert_eq!(finish(&arriving, piece, &layout), Some(Sha1::digest(whole).into()));
    }
}
