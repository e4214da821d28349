//! `.torrent` files of one file, made without the programs under test.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use shared::metainfo::{HashedFile, Metainfo, Recipe, Version, piece_length_for};
use shared::path::SafePath;
use shared::{BLOCK_LENGTH, merkle};

/// What a torrent shall be.
#[derive(Debug, Clone)]
pub struct Torrent {
    /// v1, v2 or both.
    pub version: Version,
    /// Trackers, one tier each.
    pub trackers: Vec<String>,
    /// Whether only the tracker may name peers.
    pub private: bool,
}

impl Torrent {
    /// A torrent of a version with one tracker.
    pub fn new(version: Version, tracker: impl Into<String>) -> Self {
        Self { version, trackers: vec![tracker.into()], private: false }
    }

    /// The torrent of a file, with the piece length that our peers take, so that the hashes are theirs.
    pub fn of(&self, source: &Path) -> Metainfo {
        let name = source.file_name().expect("a name").to_string_lossy().into_owned();
        let name = SafePath::name(&name).expect("a name that is safe");
        let (mut piece_roots, mut piece_hashes_v1) = (Vec::new(), Vec::new());
        let mut file = File::open(source).expect("the source");
        let length = file.metadata().expect("its length").len();
        let piece_length = piece_length_for(length);
        let blocks = length.div_ceil(u64::from(BLOCK_LENGTH));
        loop {
            let mut piece = Vec::new();
            file.by_ref().take(u64::from(piece_length)).read_to_end(&mut piece).expect("a piece");
            if piece.is_empty() {
                break;
            }
            let leaves: Vec<_> = piece.chunks(BLOCK_LENGTH as usize).map(merkle::hash_block).collect();
            piece_roots.push(merkle::piece_root(&leaves, blocks, piece_length));
            piece_hashes_v1.push(Sha1::digest(&piece).into());
        }
        if self.version == Version::V1 {
            piece_roots.clear();
        }
        if self.version == Version::V2 {
            piece_hashes_v1.clear();
        }
        let file = HashedFile { path: name.clone(), length, piece_roots, piece_hashes_v1 };
        let recipe = Recipe {
            name,
            single_file: true,
            version: self.version,
            piece_length,
            private: self.private,
            files: vec![file],
        };
        let mut metainfo = recipe.build().expect("a torrent");
        metainfo.announce = self.trackers.iter().map(|tracker| vec![tracker.clone()]).collect();
        metainfo
    }

    /// Writes the torrent of a file into a folder and gives its path.
    pub fn write(&self, source: &Path, folder: &Path) -> PathBuf {
        let name = source.file_name().expect("a name").to_string_lossy().into_owned();
        let path = folder.join(format!("{name}.torrent"));
        std::fs::write(&path, self.of(source).to_bytes()).expect("the .torrent file");
        path
    }
}
