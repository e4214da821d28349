//! Made-up content: no bytes, but a real tree of hashes over made-up leaves, so that proofs are real.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use shared::{BLOCK_LENGTH, BlockRef, InfoHash, InfoHashV2, InfoHashes, Layout, PieceIndex};
use swarm::{Content, FileTree, merkle};
use wire::HashRange;

/// How blocks and pieces can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// Leaves of a tree, with the piece hashes known from the start (a v2 torrent file).
    Tree,
    /// Leaves of a tree of which only the root is known (a magnet link).
    RootOnly,
    /// The hash of a whole piece (v1).
    Pieces,
}

/// One torrent and all that its publisher knows of it.
#[derive(Debug)]
pub struct Publication {
    /// What brains are told.
    pub content: Arc<Content>,
    /// The layers of the tree, leaves first.
    layers: Vec<Vec<[u8; 32]>>,
}

/// What stands for the SHA-256 of a block that is as published.
pub fn true_digest(block: BlockRef) -> [u8; 32] {
    digest(u64::from(block.piece.get()) << 32 | u64::from(block.index))
}

/// What stands for the SHA-256 of a block that somebody made up; differs for each `salt`.
pub fn false_digest(salt: u64) -> [u8; 32] {
    digest(salt | 1 << 63)
}

/// What stands for the SHA-1 of a piece that is as published.
pub fn true_piece_hash(piece: PieceIndex) -> [u8; 20] {
    let mut hash = [0; 20];
    let digest = digest(u64::from(piece.get()) | 1 << 62);
    hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    hash
}

fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    let mut state = number;
    for word in digest.as_chunks_mut::<8>().0 {
        state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        *word = state.to_le_bytes();
    }
    digest
}

/// A fixed scrambling of 64 bits.
pub fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

impl Publication {
    /// A file of `length` bytes (more than 0) in pieces of `piece_length` (a power of two).
    pub fn new(length: u64, piece_length: u32, hashing: Hashing) -> Self {
        let layout = Layout::new(length, u64::from(piece_length)).unwrap_or_else(|_| Layout::empty());
        let leaves: Vec<_> = layout
            .iter()
            .flat_map(|piece| (0..layout.blocks(piece)).map(move |index| BlockRef { piece, index }))
            .map(true_digest)
            .collect();
        let per_piece = layout.blocks_in_whole_piece() as usize;
        let mut publication = Self {
            layers: layers_over(leaves),
            content: Arc::new(Content {
                hashes: InfoHashes::v1(InfoHash([7; 20])),
                layout,
                trees: Vec::new(),
                piece_layers: BTreeMap::new(),
                piece_hashes_v1: None,
                raw_info: None,
                private: false,
            }),
        };
        let mut content = (*publication.content).clone();
        if hashing == Hashing::Pieces {
            content.piece_hashes_v1 = Some(content.layout.iter().map(true_piece_hash).collect());
        } else {
            let pieces_root =
                publication.layers.last().and_then(|top| top.first()).copied().unwrap_or([0; 32]);
            content.hashes = InfoHashes::v2(InfoHashV2([7; 32]));
            content.trees = vec![FileTree { first_piece: PieceIndex::new(0), length, pieces_root }];
            let layer = per_piece.trailing_zeros() as usize;
            if hashing == Hashing::Tree && layer + 1 < publication.layers.len() {
                let mut hashes = publication.layers.get(layer).cloned().unwrap_or_default();
                hashes.truncate(content.layout.pieces() as usize);
                content.piece_layers.insert(pieces_root, hashes);
            }
        }
        publication.content = Arc::new(content);
        publication
    }

    /// The answer to a hash request: the hashes, then the uncles up to the root.
    pub fn hashes(&self, range: &HashRange) -> Option<Bytes> {
        let base = self.layers.get(range.base_layer as usize)?;
        let (from, length) = (range.index as usize, range.length as usize);
        let mut answer = BytesMut::new();
        base.get(from..from + length)?.iter().for_each(|hash| answer.extend_from_slice(hash));
        let covered = range.length.trailing_zeros();
        let uncles = (range.proof_layers + 1).saturating_sub(covered);
        for layer in (range.base_layer + covered..).take(uncles as usize) {
            let at = (from >> (layer - range.base_layer)) ^ 1;
            answer.extend_from_slice(self.layers.get(layer as usize)?.get(at)?);
        }
        Some(answer.freeze())
    }
}

/// Layers from the padded leaves up to the root.
fn layers_over(mut leaves: Vec<[u8; 32]>) -> Vec<Vec<[u8; 32]>> {
    leaves.resize(leaves.len().next_power_of_two(), [0; 32]);
    let mut layers = vec![leaves];
    while let Some(below) = layers.last().filter(|layer| layer.len() > 1) {
        let above = below.chunks(2).map(|pair| merkle::root(pair, 2)).collect();
        layers.push(above);
    }
    layers
}

/// Bytes of the right length that stand for any block.
#[derive(Debug, Clone)]
pub struct Filler(Bytes);

impl Default for Filler {
    fn default() -> Self {
        Self(Bytes::from(vec![0; 128 * 1024]))
    }
}

impl Filler {
    /// `length` bytes, shared with every other block.
    pub fn bytes(&self, length: u32) -> Bytes {
        self.0.slice(..self.0.len().min(length as usize))
    }
}

/// `length` bytes that differ as their digests do: for torrents whose brain hashes blocks itself.
pub fn marked_bytes(digest: &[u8; 32], length: u32) -> Bytes {
    let mut bytes = vec![0; length as usize];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    Bytes::from(bytes)
}

/// How many bytes a block has, unless it is the last of a piece.
pub const BLOCK: u32 = BLOCK_LENGTH;
