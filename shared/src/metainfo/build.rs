//! Making torrents from hashes that somebody else computed: pure, and the same on every machine.
//!
//! Nothing that differs between two machines with the same content enters the info dictionary: no
//! date, no randomness, no permission. Every file begins at a piece boundary, in v1 torrents too, so a
//! piece belongs to one file and can be hashed alone.

use thiserror::Error;

use super::file_tree::padding;
use super::{Metainfo, MetainfoError, Version};
use crate::bencode::{Dict, List, encode_bytes};
use crate::display::escape;
use crate::merkle::{self, Hash};
use crate::path::SafePath;

/// Pieces of the length that suits `total` bytes: 128 KiB up to 512 MiB, then doubling to keep about
/// 4,096 pieces, at most 16 MiB. Only who has a whole piece can pass it on, so short ones start a crowd
/// sooner; each costs a message to every neighbour.
pub fn piece_length_for(total: u64) -> u32 {
    let mut length = 128 * 1024;
    while length < 16 * 1024 * 1024 && total.div_ceil(u64::from(length)) > 4096 {
        length *= 2;
    }
    length
}

/// One file with the hashes of its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// Its place in the torrent's folder; the torrent's name for a single file.
    pub path: SafePath,
    /// Its length in bytes.
    pub length: u64,
    /// [`merkle::piece_root`] of each piece; empty when no v2 torrent is made.
    pub piece_roots: Vec<Hash>,
    /// SHA-1 of each piece; empty when no v1 torrent is made. In a folder the last piece of every file
    /// is filled up with zeros to a whole piece; that of a single file is not.
    pub piece_hashes_v1: Vec<[u8; 20]>,
}

/// What a torrent is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the file or the folder.
    pub name: SafePath,
    /// Whether it is one file without a folder.
    pub single_file: bool,
    /// Which clients shall be able to read it.
    pub version: Version,
    /// Length of a piece, in bytes: a power of two of at least 16 KiB.
    pub piece_length: u32,
    /// Whether only the torrent's own tracker may name peers (BEP 27).
    pub private: bool,
    /// The files, in the order that [`Recipe::sort`] gives.
    pub files: Vec<HashedFile>,
}

/// Why no torrent could be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// A file has more or fewer hashes than pieces.
    #[error("\"{}\" has {pieces} pieces but hashes for {hashes}", escape(path))]
    Hashes {
        /// The file.
        path: String,
        /// Its pieces.
        pieces: u64,
        /// Its hashes.
        hashes: usize,
    },
    /// What came out does not read back; too many paths that collide, for example.
    #[error("the torrent does not read back: {0}")]
    Unreadable(#[from] MetainfoError),
}

impl Recipe {
    /// Puts paths into the order of the torrent's files: by components, as BEP 52 orders its tree.
    pub fn sort(paths: &mut [SafePath]) {
        paths.sort_by(|one, other| one.components().cmp(other.components()));
    }

    /// The torrent, with nothing outside `info` but the piece layers.
    pub fn build(&self) -> Result<Metainfo, BuildError> {
        for file in &self.files {
            self.check(file)?;
        }
        let mut info = Dict::default()
            .bytes("name", self.name.file_name())
            .int("piece length", i64::from(self.piece_length));
        if self.private {
            info = info.int("private", 1);
        }
        let mut file = Dict::default();
        if self.version != Version::V1 {
            info = info.int("meta version", 2).raw(b"file tree", self.file_tree());
            file = file.raw(b"piece layers", self.piece_layers());
        }
        if self.version != Version::V2 {
            let hashes: Vec<u8> =
                self.files.iter().flat_map(|file| file.piece_hashes_v1.as_flattened()).copied().collect();
            info = info.bytes("pieces", hashes);
            info = match &self.files[..] {
                [only] if self.single_file => info.int("length", signed(only.length)),
                _ => info.raw(b"files", self.file_list()?),
            };
        }
        Ok(Metainfo::parse(&file.raw(b"info", info.encode()).encode())?)
    }

    fn check(&self, file: &HashedFile) -> Result<(), BuildError> {
        let pieces = file.length.div_ceil(u64::from(self.piece_length.max(1)));
        let v2 = self.version.has_v2().then_some(file.piece_roots.len());
        let v1 = self.version.has_v1().then_some(file.piece_hashes_v1.len());
        match v2.into_iter().chain(v1).find(|hashes| *hashes as u64 != pieces) {
            Some(hashes) => Err(BuildError::Hashes { path: file.path.to_string(), pieces, hashes }),
            None => Ok(()),
        }
    }

    /// The `files` of v1, each with the padding that follows it (BEP 47), the last one too: that is how
    /// libtorrent writes hybrids, and equal folders shall have equal info hashes.
    fn file_list(&self) -> Result<Vec<u8>, MetainfoError> {
        let path = |path: &SafePath| path.components().fold(List::default(), List::bytes).encode();
        let mut list = List::default();
        for file in &self.files {
            let entry = Dict::default().int("length", signed(file.length)).raw(b"path", path(&file.path));
            list = list.raw(&entry.encode());
            let over = file.length % u64::from(self.piece_length);
            if over > 0 {
                let pad = padding(0, u64::from(self.piece_length) - over)?;
                let entry = Dict::default().bytes("attr", "p").int("length", signed(pad.length));
                list = list.raw(&entry.raw(b"path", path(&pad.path)).encode());
            }
        }
        Ok(list.encode())
    }

    /// The `file tree` of v2. The files are sorted, so each folder's files stand together.
    fn file_tree(&self) -> Vec<u8> {
        let mut open: Vec<(&str, Dict)> = vec![("", Dict::default())];
        let close = |open: &mut Vec<(&str, Dict)>| {
            if let Some((name, folder)) = open.pop()
                && let Some((_, parent)) = open.last_mut()
            {
                *parent = std::mem::take(parent).raw(name.as_bytes(), folder.encode());
            }
        };
        for file in &self.files {
            let parts: Vec<&str> = file.path.components().collect();
            let folders = parts.get(..parts.len().saturating_sub(1)).unwrap_or_default();
            let shared =
                open.iter().skip(1).zip(folders).take_while(|((name, _), part)| name == *part).count();
            while open.len() > shared + 1 {
                close(&mut open);
            }
            open.extend(folders.iter().skip(shared).map(|part| (*part, Dict::default())));
            let mut properties = Dict::default().int("length", signed(file.length));
            if let Some(root) = self.root(file) {
                properties = properties.bytes("pieces root", root);
            }
            let leaf = Dict::default().raw(b"", properties.encode()).encode();
            if let Some((_, folder)) = open.last_mut() {
                *folder = std::mem::take(folder).raw(file.path.file_name().as_bytes(), leaf);
            }
        }
        while open.len() > 1 {
            close(&mut open);
        }
        open.pop().map(|(_, root)| root.encode()).unwrap_or_default()
    }

    fn root(&self, file: &HashedFile) -> Option<Hash> {
        let blocks = file.length.div_ceil(u64::from(crate::BLOCK_LENGTH));
        (blocks > 0).then(|| merkle::file_root(&file.piece_roots, blocks, self.piece_length))
    }

    fn piece_layers(&self) -> Vec<u8> {
        let layered = self.files.iter().filter(|file| file.length > u64::from(self.piece_length));
        let layers = layered.filter_map(|file| self.root(file).map(|root| (root, &file.piece_roots)));
        layers
            .fold(Dict::default(), |dict, (root, layer)| dict.raw(&root, encode_bytes(layer.as_flattened())))
            .encode()
    }
}

fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
