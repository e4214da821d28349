//! What the brain needs to know of a torrent's content: boundaries and hashes, no names.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared::{InfoHashes, Layout, PieceIndex};

/// The tree of one file (BEP 52). Files of a v2 torrent begin at a piece boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTree {
    /// The file's first piece.
    pub first_piece: PieceIndex,
    /// The file's length in bytes; never 0.
    pub length: u64,
    /// Root of the file's merkle tree over 16 KiB blocks.
    pub pieces_root: [u8; 32],
}

/// Boundaries and hashes of one torrent's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The torrent's names.
    pub hashes: InfoHashes,
    /// Pieces and blocks.
    pub layout: Layout,
    /// The trees of all files that are not empty, in the order of their pieces; none for v1.
    pub trees: Vec<FileTree>,
    /// Piece hashes of each tree that has more than one piece, as far as known, by root (BEP 52
    /// `piece layers`).
    pub piece_layers: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    /// SHA-1 of each piece; none for v2 alone.
    pub piece_hashes_v1: Option<Box<[[u8; 20]]>>,
    /// The info dictionary as written, to give it to others (BEP 9).
    pub raw_info: Option<Bytes>,
    /// Only the torrent's own tracker may name peers (BEP 27).
    pub private: bool,
}
