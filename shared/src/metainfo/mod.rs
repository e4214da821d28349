//! What a .torrent says: one type for v1 (BEP 3), v2 (BEP 52) and hybrid torrents.
//!
//! A value of these types has been checked: its paths are safe, its sizes fit its pieces, its hashes
//! fit its sizes. Only [`Metainfo::parse`], [`Info::parse`] and [`Recipe::build`] make one.

mod build;
mod file_tree;
mod files;
mod names;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

pub use build::{BuildError, HashedFile, Recipe, piece_length_for};
pub use parse::MetainfoError;

use crate::bencode::{Dict, List};
use crate::display::escape;
use crate::merkle::Hash;
use crate::path::SafePath;
use crate::{InfoHashes, Layout, PieceIndex};

/// Which clients can read a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// Those of BEP 3.
    V1,
    /// Those of BEP 52 only.
    V2,
    /// All.
    #[default]
    Hybrid,
}

impl Version {
    /// Whether pieces have a SHA-1 (BEP 3).
    pub const fn has_v1(self) -> bool {
        !matches!(self, Self::V2)
    }

    /// Whether blocks have a SHA-256 (BEP 52).
    pub const fn has_v2(self) -> bool {
        !matches!(self, Self::V1)
    }
}

/// One file of a torrent, or the padding between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where the file lies inside the torrent's folder; its name when the torrent is a single file.
    pub path: SafePath,
    /// The path that the torrent gives it, where `path` had to be another one: two names that differ
    /// only in case cannot both exist everywhere.
    pub written: Option<SafePath>,
    /// Its length in bytes.
    pub length: u64,
    /// Where it begins on the line of bytes that [`Layout`] cuts into pieces.
    pub offset: u64,
    /// Root of its merkle tree; none for v1, empty files and padding.
    pub pieces_root: Option<Hash>,
    /// Zeros that nobody stores (BEP 47).
    pub padding: bool,
}

/// Something odd that was put right while reading; shown, it is one line fit for a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A path was that of an earlier file or of a folder, or would be on some systems; it has a number
    /// now.
    Renamed {
        /// As written.
        from: String,
        /// As used.
        to: String,
    },
    /// A symbolic link was left out.
    LinkSkipped(String),
    /// A dictionary had its keys out of order.
    Unsorted,
    /// Bytes after the end were ignored.
    Trailing(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renamed { from, to } => {
                write!(f, "\"{}\" is there already, saved as \"{}\"", escape(from), escape(to))
            }
            Self::LinkSkipped(path) => write!(f, "symbolic link \"{}\" left out", escape(path)),
            Self::Unsorted => f.write_str("keys out of order"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes after the end ignored"),
        }
    }
}

/// The info dictionary: what the info hashes name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    name: SafePath,
    layout: Layout,
    files: Box<[FileEntry]>,
    single_file: bool,
    version: Version,
    piece_hashes_v1: Option<Box<[[u8; 20]]>>,
    private: bool,
    hashes: InfoHashes,
    raw: Bytes,
    notes: Vec<Note>,
}

impl Info {
    /// The torrent's own name: of its only file or of its folder. One component.
    pub fn name(&self) -> &SafePath {
        &self.name
    }

    /// Pieces and blocks.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Every file and padding, in the order of the line of bytes.
    pub fn entries(&self) -> &[FileEntry] {
        &self.files
    }

    /// Every file, in the order of the line of bytes.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| !file.padding)
    }

    /// Whether it is one file without a folder.
    pub fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// Which clients can read it.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The SHA-1 of each piece; none for v2 alone.
    pub fn piece_hashes_v1(&self) -> Option<&[[u8; 20]]> {
        self.piece_hashes_v1.as_deref()
    }

    /// Whether only the torrent's own tracker may name peers (BEP 27).
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The torrent's names.
    pub fn hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// The dictionary as written: what the info hashes are made of.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What was odd about it.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// All bytes of all files.
    pub fn length(&self) -> u64 {
        self.files().map(|file| file.length).sum()
    }

    /// The file whose tree `piece` belongs to; none for v1 torrents.
    pub fn tree_of(&self, piece: PieceIndex) -> Option<&FileEntry> {
        let offset = self.layout.offset(piece);
        let after = self.files.partition_point(|file| file.offset <= offset);
        let with_tree = self.files.get(..after)?.iter().rev().find(|file| file.length > 0)?;
        with_tree.pieces_root.and(Some(with_tree))
    }

    /// The root of the only file's tree: equal content has an equal root, under any name.
    pub fn content_root(&self) -> Option<Hash> {
        self.single_file.then(|| self.files().next().and_then(|file| file.pieces_root)).flatten()
    }
}

/// A whole .torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// What the info hashes name.
    pub info: Info,
    /// The nodes of all pieces of each file that has more than one, by the file's root (BEP 52). Each
    /// has been checked against its root; some or all may be missing.
    pub piece_layers: BTreeMap<Hash, Vec<Hash>>,
    /// Trackers, in tiers (BEP 12).
    pub announce: Vec<Vec<String>>,
    /// What the maker says about it.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When it was made, in seconds since 1970.
    pub creation_date: Option<i64>,
}

impl Metainfo {
    /// A torrent of which only the info dictionary is known.
    pub fn of_info(info: Info) -> Self {
        Self {
            info,
            piece_layers: BTreeMap::new(),
            announce: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
        }
    }

    /// The piece layers as they stand in a .torrent file: a bencoded dictionary (BEP 52).
    pub fn layers_to_bytes(&self) -> Vec<u8> {
        let layers = self.piece_layers.iter().fold(Dict::default(), |dict, (root, layer)| {
            dict.raw(root, crate::bencode::encode_bytes(layer.as_flattened()))
        });
        layers.encode()
    }

    /// The bytes of a .torrent file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = Dict::default().bytes("encoding", "UTF-8").raw(b"info", self.info.raw.to_vec());
        if let Some(first) = self.announce.iter().flatten().next() {
            file = file.bytes("announce", first);
        }
        if self.announce.iter().flatten().nth(1).is_some() {
            let tiers =
                self.announce.iter().map(|tier| tier.iter().fold(List::default(), List::bytes).encode());
            file = file
                .raw(b"announce-list", tiers.fold(List::default(), |list, tier| list.raw(&tier)).encode());
        }
        if let Some(comment) = &self.comment {
            file = file.bytes("comment", comment);
        }
        if let Some(program) = &self.created_by {
            file = file.bytes("created by", program);
        }
        if let Some(date) = self.creation_date {
            file = file.int("creation date", date);
        }
        if !self.piece_layers.is_empty() {
            file = file.raw(b"piece layers", self.layers_to_bytes());
        }
        file.encode()
    }
}
