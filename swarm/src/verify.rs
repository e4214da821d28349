//! Leaf hashes to verdicts (BEP 52): what is known of each file's tree, what must be asked for, and
//! whether a block or a piece is true.
//!
//! Believes nothing that does not lead up to a file's root or to a piece hash that did. Never bans;
//! the download draws the consequences.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use shared::{BLOCK_LENGTH, PieceIndex};
use wire::HashRange;

use crate::content::{Content, FileTree};
use crate::layers::PieceLayers;
use crate::merkle;

/// The most hashes that one request asks for (BEP 52).
pub(crate) const MOST_HASHES: u32 = 512;

/// What is known about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what the publisher shared.
    True,
    /// It is provably something else.
    False,
    /// Its leaf is not known.
    Unknown,
}

/// Where a piece lies in its file's tree.
#[derive(Debug, Clone, Copy)]
struct Place {
    root: [u8; 32],
    /// Number of the piece within its file.
    piece: u32,
    /// Blocks of the file.
    blocks: u32,
    /// Leaves under one piece hash: a power of two.
    width: u32,
    /// The file is no longer than one piece, so that its root stands for the piece.
    single: bool,
}

impl Place {
    fn height(&self) -> u32 {
        self.blocks.next_power_of_two().trailing_zeros()
    }
}

/// What is known of the trees of one torrent.
#[derive(Debug)]
pub(crate) struct Verifier {
    content: Arc<Content>,
    by_root: BTreeMap<[u8; 32], Vec<FileTree>>,
    /// Piece layers that came later than the content.
    layers: PieceLayers,
    learnt: BTreeMap<PieceIndex, [u8; 32]>,
    leaves: BTreeMap<PieceIndex, Vec<Option<[u8; 32]>>>,
}

impl Verifier {
    /// Knows what the torrent file told.
    pub(crate) fn new(content: Arc<Content>) -> Self {
        let mut by_root: BTreeMap<_, Vec<FileTree>> = BTreeMap::new();
        for tree in &content.trees {
            by_root.entry(tree.pieces_root).or_default().push(tree.clone());
        }
        Self {
            content,
            by_root,
            layers: PieceLayers::new(),
            learnt: BTreeMap::new(),
            leaves: BTreeMap::new(),
        }
    }

    /// These piece layers are proven.
    pub(crate) fn know(&mut self, layers: PieceLayers) {
        self.layers = layers;
    }

    /// Whether blocks are judged by a tree.
    pub(crate) fn has_trees(&self) -> bool {
        !self.content.trees.is_empty()
    }

    /// What is known about block `index` of `piece`, whose SHA-256 is `leaf`.
    pub(crate) fn judge(&self, piece: PieceIndex, index: u32, leaf: &[u8; 32]) -> Verdict {
        match self.leaf(piece, index) {
            Some(known) if known == *leaf => Verdict::True,
            Some(_) => Verdict::False,
            None => Verdict::Unknown,
        }
    }

    /// The proven leaf of block `index` of `piece`.
    pub(crate) fn leaf(&self, piece: PieceIndex, index: u32) -> Option<[u8; 32]> {
        if let Some(leaves) = self.leaves.get(&piece) {
            return leaves.get(index as usize).copied().flatten();
        }
        let place = self.place(piece)?;
        let alone = if place.single { place.blocks == 1 } else { place.width == 1 };
        if alone && index == 0 { self.piece_hash(piece) } else { None }
    }

    /// Whether the computed leaves of a whole piece lead to its hash; `None` when that is unknown.
    pub(crate) fn judge_piece(&self, piece: PieceIndex, leaves: &[[u8; 32]]) -> Option<bool> {
        let hash = self.piece_hash(piece)?;
        let place = self.place(piece)?;
        Some(merkle::root(leaves, place.width as usize) == hash)
    }

    /// Forgets the leaves of a piece that is done with.
    pub(crate) fn forget(&mut self, piece: PieceIndex) {
        self.leaves.remove(&piece);
        self.learnt.remove(&piece);
    }

    /// The hash requests that would make every leaf of `piece` known; none when all are.
    pub(crate) fn missing(&self, piece: PieceIndex) -> Vec<HashRange> {
        let Some(place) = self.place(piece) else { return Vec::new() };
        let count = self.content.layout.blocks(piece);
        let first = place.piece * place.width;
        let length = place.width.clamp(2, MOST_HASHES);
        let known = self.piece_hash(piece).is_some() && place.width >= 2;
        let height = if known { place.width.trailing_zeros() } else { place.height() };
        (0..count)
            .step_by(length as usize)
            .filter(|from| (*from..count.min(from + length)).any(|index| self.leaf(piece, index).is_none()))
            .map(|from| HashRange {
                pieces_root: place.root,
                base_layer: 0,
                index: (first + from) / length * length,
                length,
                proof_layers: height.saturating_sub(1),
            })
            .collect()
    }

    /// Takes in the answer to one of [`Verifier::missing`]; returns the pieces whose leaves are known
    /// now, or `None` when the hashes prove nothing.
    pub(crate) fn learn(&mut self, range: &HashRange, payload: &Bytes) -> Option<Vec<PieceIndex>> {
        let (hashes, rest) = payload.as_chunks::<32>();
        let (base, uncles) = hashes.split_at_checked(range.length as usize)?;
        if !rest.is_empty() || !range.length.is_power_of_two() || range.length < 2 {
            return None;
        }
        let twins = self.by_root.get(&range.pieces_root)?.clone();
        let first = twins.first()?.first_piece;
        let width = self.place(first)?.width;
        let piece = self.content.layout.piece(first.get() + range.index / width)?;
        let place = self.place(piece).filter(|place| place.root == range.pieces_root)?;
        let climbed = range.length.trailing_zeros() as usize + uncles.len();
        let index = range.index as usize;
        let proven = match self.piece_hash(piece) {
            Some(hash) if width >= range.length && climbed == width.trailing_zeros() as usize => {
                merkle::verify_hashes(&hash, index % width as usize, base, uncles)
            }
            _ if climbed == place.height() as usize => {
                merkle::verify_hashes(&place.root, index, base, uncles)
            }
            _ => false,
        };
        let in_file = place.blocks.saturating_sub(range.index) as usize;
        let base = base.get(..in_file.min(base.len()))?;
        proven.then(|| {
            twins
                .iter()
                .flat_map(|twin| self.keep(twin.first_piece.get(), width, range.index, base))
                .collect()
        })
    }

    fn keep(&mut self, first: u32, width: u32, from: u32, hashes: &[[u8; 32]]) -> Vec<PieceIndex> {
        let mut touched = Vec::new();
        for (leaf, hash) in (from..).zip(hashes) {
            let piece = PieceIndex::new(first + leaf / width);
            let count = self.content.layout.blocks(piece) as usize;
            let leaves = self.leaves.entry(piece).or_insert_with(|| vec![None; count]);
            if let Some(slot) = leaves.get_mut((leaf % width) as usize) {
                *slot = Some(*hash);
            }
            if touched.last() != Some(&piece) {
                touched.push(piece);
            }
        }
        for piece in &touched {
            let all: Option<Vec<_>> =
                self.leaves.get(piece).and_then(|leaves| leaves.iter().copied().collect());
            if let (Some(all), Some(place)) = (all, self.place(*piece)) {
                self.learnt.insert(*piece, merkle::root(&all, place.width as usize));
            }
        }
        touched
    }

    fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 32]> {
        let place = self.place(piece)?;
        if place.single {
            return Some(place.root);
        }
        let layer = self.content.piece_layers.get(&place.root).or_else(|| self.layers.get(&place.root));
        let from_file = layer.and_then(|layer| layer.get(place.piece as usize));
        from_file.or_else(|| self.learnt.get(&piece)).copied()
    }

    fn place(&self, piece: PieceIndex) -> Option<Place> {
        let trees = &self.content.trees;
        let at = trees.partition_point(|tree| tree.first_piece <= piece).checked_sub(1)?;
        let tree = trees.get(at)?;
        let blocks = u32::try_from(tree.length.div_ceil(u64::from(BLOCK_LENGTH))).ok()?;
        let per_piece = self.content.layout.blocks_in_whole_piece();
        let number = piece.get() - tree.first_piece.get();
        if u64::from(number) * u64::from(per_piece) >= u64::from(blocks) {
            return None;
        }
        let single = blocks <= per_piece;
        let width = if single { blocks.next_power_of_two() } else { per_piece.next_power_of_two() };
        Some(Place { root: tree.pieces_root, piece: number, blocks, width, single })
    }
}
