//! Pieces and blocks: every boundary of a torrent's content, computed once.
//!
//! The content is one line of bytes, cut into pieces of equal length (the last may be shorter),
//! each cut into blocks of 16 KiB. In v2 and hybrid torrents every file starts on a piece boundary
//! (BEP 52, BEP 47), so a piece may end in padding that nobody stores or asks for: its *data length*
//! is shorter than its *length*.

use std::fmt;

/// How many bytes are asked for at a time, and what one leaf of a v2 merkle tree covers (BEP 52).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// The number of a piece, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// Numbers are cheap to make; whether one lies inside a torrent is what [`Layout::piece`] says.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The plain number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The plain number, for indexing.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One block of one piece: what our own requests ask for, and what verification judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The piece it belongs to.
    pub piece: PieceIndex,
    /// Which block of the piece, counted from 0.
    pub index: u32,
}

impl BlockRef {
    /// Where the block begins inside its piece, in bytes.
    pub fn begin(self) -> u32 {
        self.index.saturating_mul(BLOCK_LENGTH)
    }
}

/// A range of bytes inside one piece, as requests name them. Only [`Layout`] makes one, so it lies
/// inside the piece and is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    piece: PieceIndex,
    begin: u32,
    length: u32,
}

impl Span {
    /// The piece it lies in.
    pub fn piece(self) -> PieceIndex {
        self.piece
    }

    /// Where it begins inside the piece, in bytes.
    pub fn begin(self) -> u32 {
        self.begin
    }

    /// How long it is, in bytes; never 0.
    pub fn length(self) -> u32 {
        self.length
    }
}

/// A torrent's geometry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    total_length: u64,
    piece_length: u32,
    pieces: u32,
    /// Pieces that end in padding, with their data length; sorted by piece.
    padded: Box<[(PieceIndex, u32)]>,
}

/// Sizes that no torrent can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Neither zero nor beyond [`Layout::MAX_PIECE_LENGTH`] will do.
    #[error("piece length {0} is not within 1..={max}", max = Layout::MAX_PIECE_LENGTH)]
    PieceLength(u64),
    /// More pieces than anybody could list.
    #[error("{0} pieces, limit {max}", max = Layout::MAX_PIECES)]
    TooManyPieces(u64),
}

impl Layout {
    /// The longest piece that is believed, in bytes.
    pub const MAX_PIECE_LENGTH: u32 = 128 * 1024 * 1024;
    /// The most pieces that are believed: their bitfield fits into a 1 MiB message.
    pub const MAX_PIECES: u32 = 8_000_000;

    /// The geometry of `total_length` bytes (padding included) in pieces of `piece_length`.
    pub fn new(total_length: u64, piece_length: u64) -> Result<Self, LayoutError> {
        Self::with_padding(total_length, piece_length, [])
    }

    /// The geometry of no content at all, such as that of a torrent whose content is not known yet.
    pub fn empty() -> Self {
        Self { total_length: 0, piece_length: BLOCK_LENGTH, pieces: 0, padded: Box::default() }
    }

    /// As [`Layout::new`], where `padding` names byte ranges of the line (offset, length) that are
    /// padding. Only padding that reaches the end of a piece shortens it; a range elsewhere is
    /// ordinary data that happens to be zero.
    pub fn with_padding(
        total_length: u64,
        piece_length: u64,
        padding: impl IntoIterator<Item = (u64, u64)>,
    ) -> Result<Self, LayoutError> {
        let length = u32::try_from(piece_length)
            .ok()
            .filter(|length| (1..=Self::MAX_PIECE_LENGTH).contains(length))
            .ok_or(LayoutError::PieceLength(piece_length))?;
        let count = total_length.div_ceil(piece_length);
        let pieces = u32::try_from(count)
            .ok()
            .filter(|count| *count <= Self::MAX_PIECES)
            .ok_or(LayoutError::TooManyPieces(count))?;
        let mut layout = Self { total_length, piece_length: length, pieces, padded: Box::default() };
        layout.padded = layout.padded_pieces(padding).into();
        Ok(layout)
    }

    fn padded_pieces(&self, padding: impl IntoIterator<Item = (u64, u64)>) -> Vec<(PieceIndex, u32)> {
        let mut padded = Vec::new();
        for (offset, length) in padding {
            let Some(piece) = self.piece_at(offset) else { continue };
            let begin = offset - self.offset(piece);
            if length > 0 && begin + length >= u64::from(self.length(piece)) {
                padded.push((piece, u32::try_from(begin).unwrap_or(0)));
            }
        }
        padded.sort_unstable();
        padded.dedup_by_key(|(piece, _)| *piece);
        padded
    }

    /// The length of the whole line of bytes, padding included.
    pub fn total_length(&self) -> u64 {
        self.total_length
    }

    /// The length of every piece but perhaps the last.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are; 0 for empty content.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Every piece, rising.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// A number from outside as a piece of this torrent.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.pieces).then_some(PieceIndex(index))
    }

    /// The piece that holds byte `offset` of the line.
    pub fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        (offset < self.total_length)
            .then(|| u32::try_from(offset / u64::from(self.piece_length)).ok())
            .flatten()
            .map(PieceIndex)
    }

    /// Where `piece` begins on the line.
    pub fn offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// How long `piece` is, padding included; 0 outside the torrent.
    pub fn length(&self, piece: PieceIndex) -> u32 {
        let rest = self.total_length.saturating_sub(self.offset(piece));
        u32::try_from(rest).unwrap_or(u32::MAX).min(self.piece_length)
    }

    /// How many bytes of `piece` are data: what is stored, asked for and counted.
    pub fn data_length(&self, piece: PieceIndex) -> u32 {
        match self.padded.binary_search_by_key(&piece, |(padded, _)| *padded) {
            Ok(at) => self.padded.get(at).map_or(0, |(_, data)| *data),
            Err(_) => self.length(piece),
        }
    }

    /// All bytes that are data, in the whole torrent.
    pub fn data_total(&self) -> u64 {
        let padding: u64 =
            self.padded.iter().map(|(piece, data)| u64::from(self.length(*piece) - data)).sum();
        self.total_length - padding
    }

    /// How many blocks of `piece` hold data.
    pub fn blocks(&self, piece: PieceIndex) -> u32 {
        self.data_length(piece).div_ceil(BLOCK_LENGTH)
    }

    /// How many blocks a whole piece has: the most that [`Layout::blocks`] returns.
    pub fn blocks_in_whole_piece(&self) -> u32 {
        self.piece_length.div_ceil(BLOCK_LENGTH)
    }

    /// The bytes that `block` covers: 16 KiB, or what is left of the piece's data.
    pub fn block_span(&self, block: BlockRef) -> Option<Span> {
        let rest = self.data_length(block.piece).checked_sub(block.begin())?;
        (rest > 0 && block.index < self.blocks(block.piece)).then(|| Span {
            piece: block.piece,
            begin: block.begin(),
            length: rest.min(BLOCK_LENGTH),
        })
    }

    /// A range from outside, when it lies inside its piece (padding counts: others may ask for it).
    pub fn span(&self, index: u32, begin: u32, length: u32) -> Option<Span> {
        let piece = self.piece(index)?;
        let end = begin.checked_add(length)?;
        (length > 0 && end <= self.length(piece)).then_some(Span { piece, begin, length })
    }

    /// The block that `span` is, when it is exactly one.
    pub fn block_of(&self, span: Span) -> Option<BlockRef> {
        let block = BlockRef { piece: span.piece, index: span.begin / BLOCK_LENGTH };
        (self.block_span(block) == Some(span)).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_film_of_one_gigabyte_has_pieces_of_256_kib() {
        let layout = Layout::new(1_000_000_000, 256 * 1024).unwrap();
        assert_eq!(layout.pieces(), 3815);
        assert_eq!(layout.length(PieceIndex::new(3814)), 1_000_000_000 - 3814 * 262_144);
        assert_eq!(layout.length(PieceIndex::new(3815)), 0);
    }

    #[test]
    fn empty_content_has_no_piece() {
        let layout = Layout::new(0, 16384).unwrap();
        assert_eq!((layout.pieces(), layout.data_total()), (0, 0));
        assert_eq!(layout.span(0, 0, 1), None);
    }

    #[test]
    fn padding_at_the_end_of_a_piece_is_not_data() {
        // A file of 20,000 bytes, padded to 32 KiB, then one of 5 bytes.
        let layout = Layout::with_padding(32768 + 5, 32768, [(20_000, 12_768)]).unwrap();
        let first = PieceIndex::new(0);
        assert_eq!(
            (layout.length(first), layout.data_length(first), layout.blocks(first)),
            (32768, 20_000, 2)
        );
        assert_eq!(layout.data_total(), 20_005);
        let tail = layout.block_span(BlockRef { piece: first, index: 1 }).unwrap();
        assert_eq!((tail.begin(), tail.length()), (16384, 20_000 - 16384));
        assert!(layout.span(0, 0, 32768).is_some(), "a v1 client may ask for padding");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(Layout::new(10, 0), Err(LayoutError::PieceLength(0)));
        assert!(Layout::new(10, 256 * 1024 * 1024).is_err());
        assert!(Layout::new(u64::MAX, 16384).is_err());
        let layout = Layout::new(100, 64).unwrap();
        for (index, begin, length) in [(2, 0, 1), (0, 0, 0), (0, 60, 5), (1, u32::MAX, 2), (1, 0, 37)] {
            assert_eq!(layout.span(index, begin, length), None);
        }
    }

    proptest! {
        #[test]
        fn blocks_cover_every_byte_once(total in 0_u64..3_000_000, piece_length in 1_u64..400_000) {
            let layout = Layout::new(total, piece_length).unwrap();
            let mut next = 0;
            for piece in layout.iter() {
                for index in 0..layout.blocks(piece) {
                    let span = layout.block_span(BlockRef { piece, index }).unwrap();
                    prop_assert_eq!(layout.offset(piece) + u64::from(span.begin()), next);
                    prop_assert_eq!(layout.block_of(span), Some(BlockRef { piece, index }));
                    next += u64::from(span.length());
                }
                prop_assert_eq!(layout.block_span(BlockRef { piece, index: layout.blocks(piece) }), None);
            }
            prop_assert_eq!(next, total);
        }
    }
}
