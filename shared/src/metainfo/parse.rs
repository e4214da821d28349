//! Reading .torrent files and info dictionaries, and every reason not to.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use thiserror::Error;

use super::{FileEntry, Info, Metainfo, Note, Version, file_tree, files, names};
use crate::bencode::{DecodeError, Limits, Value, decode_prefix};
use crate::display::escape;
use crate::merkle::{self, Hash};
use crate::path::{PathError, SafePath};
use crate::piece::LayoutError;
use crate::{InfoHash, InfoHashV2, InfoHashes, Layout};

/// Why bytes are not a torrent that we believe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// Not bencode.
    #[error(transparent)]
    Bencode(#[from] DecodeError),
    /// A web page, saved in the torrent's place.
    #[error("this is a web page, not a torrent")]
    WebPage,
    /// A compressed file.
    #[error("this is a gzip file, not a torrent: unpack it first")]
    Gzip,
    /// A key that must be there is not, or has another type.
    #[error("\"{key}\" is missing or of the wrong type")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("\"{key}\" is not UTF-8")]
    NotText {
        /// The key.
        key: &'static str,
    },
    /// A number that is negative.
    #[error("\"{key}\" is {value}")]
    BadNumber {
        /// The key.
        key: &'static str,
        /// What it says.
        value: i64,
    },
    /// A name that cannot be a path.
    #[error("bad name: {0}")]
    Path(#[from] PathError),
    /// Impossible sizes.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A piece length that v2 does not allow.
    #[error("piece length {0} is not a power of two of at least 16 KiB")]
    PieceLengthV2(i64),
    /// A piece length below 1 KiB.
    #[error("piece length {0} is below 1024")]
    PieceLengthSmall(i64),
    /// `pieces` is not a multiple of 20 bytes, or of another number of pieces.
    #[error("\"pieces\" has {bytes} bytes, {pieces} pieces need {needed}", needed = u64::from(*pieces) * 20)]
    Pieces {
        /// Length of `pieces`, in bytes.
        bytes: usize,
        /// Pieces of the torrent.
        pieces: u32,
    },
    /// All files together are larger than a number can say.
    #[error("the files are larger than 2^63 bytes together")]
    TooLarge,
    /// A path that is a file and a folder.
    #[error("\"{}\" is a file and a folder", escape(path))]
    FileAndFolder {
        /// The path as written.
        path: String,
    },
    /// More files have names that exclude each other than any honest torrent has.
    #[error("more than {limit} files have the name of another file or folder")]
    Collisions {
        /// How many are given another name.
        limit: usize,
    },
    /// A root that is not 32 bytes.
    #[error("\"pieces root\" has {0} bytes instead of 32")]
    RootLength(usize),
    /// A version of the format that we do not know.
    #[error("meta version {0} is not known, only 2 is")]
    MetaVersion(i64),
    /// The v1 and the v2 part of a hybrid torrent describe different files.
    #[error("the v1 and v2 parts disagree about \"{}\"", escape(path))]
    HybridDisagrees {
        /// The first file that differs.
        path: String,
    },
    /// A piece layer that does not lead to its file's root.
    #[error("the piece layer of \"{}\" does not fit its root", escape(path))]
    PieceLayer {
        /// The file.
        path: String,
    },
}

impl Metainfo {
    /// Reads a .torrent file.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        if bytes.trim_ascii_start().starts_with(b"<") {
            return Err(MetainfoError::WebPage);
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(MetainfoError::Gzip);
        }
        let decoded = decode_prefix(bytes, Limits::TORRENT)?;
        let file = &decoded.value;
        let key = "info";
        let info_value = file.get(key).filter(|info| info.as_dict().is_some());
        let info_value = info_value.ok_or(MetainfoError::Missing { key })?;
        let mut info = read_info(info_value)?;
        info.notes.extend(decoded.unsorted.then_some(Note::Unsorted));
        info.notes.extend((!decoded.rest.is_empty()).then_some(Note::Trailing(decoded.rest.len())));
        let piece_layers = match file.get("piece layers") {
            Some(layers) => read_piece_layers(layers, &info)?,
            None => BTreeMap::new(),
        };
        let text = |key| file.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            piece_layers,
            announce: read_announce(file),
            comment: text("comment"),
            created_by: text("created by"),
            creation_date: file.get("creation date").and_then(Value::as_int),
            info,
        })
    }
}

impl Metainfo {
    /// Puts a torrent together from its info dictionary and the bytes of its piece layers, each of which
    /// must fit its root.
    pub fn of_parts(info: Info, layers: &[u8]) -> Result<Self, MetainfoError> {
        let written = crate::bencode::decode(layers, Limits::TORRENT)?;
        let piece_layers = read_piece_layers(&written, &info)?;
        Ok(Self { piece_layers, ..Self::of_info(info) })
    }
}

impl Info {
    /// Reads an info dictionary alone, as it comes from a tracker or from peers (BEP 9).
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        read_info(&crate::bencode::decode(bytes, Limits::TORRENT)?)
    }
}

fn read_announce(file: &Value<'_>) -> Vec<Vec<String>> {
    let tiers = file.get("announce-list").and_then(Value::as_list).unwrap_or_default().iter();
    let tiers = tiers.filter_map(Value::as_list);
    let mut tiers: Vec<Vec<String>> = tiers
        .map(|tier| tier.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .filter(|tier: &Vec<String>| !tier.is_empty())
        .collect();
    if tiers.is_empty() {
        tiers.extend(file.get("announce").and_then(Value::as_str).map(|url| vec![url.to_owned()]));
    }
    tiers
}

fn read_info(info: &Value<'_>) -> Result<Info, MetainfoError> {
    let name = info.get("name").and_then(Value::as_bytes).ok_or(MetainfoError::Missing { key: "name" })?;
    let name = files::text(name, info.get("name.utf-8").and_then(Value::as_str));
    let name = SafePath::name(&name)?;
    let piece_length = info.get("piece length").and_then(Value::as_int);
    let piece_length = piece_length.ok_or(MetainfoError::Missing { key: "piece length" })?;
    let length = u64::try_from(piece_length).ok().filter(|length| *length > 0);
    let length = length.ok_or(MetainfoError::BadNumber { key: "piece length", value: piece_length })?;
    let is_v1 = info.get("pieces").is_some();
    let is_v2 = match info.get("meta version").map(Value::as_int) {
        None => false,
        Some(Some(2)) => true,
        Some(other) => return Err(MetainfoError::MetaVersion(other.unwrap_or(-1))),
    };
    let version = match (is_v1, is_v2) {
        (true, false) => Version::V1,
        (false, true) => Version::V2,
        (true, true) => Version::Hybrid,
        (false, false) => return Err(MetainfoError::Missing { key: "pieces" }),
    };
    if length < 1024 {
        return Err(MetainfoError::PieceLengthSmall(piece_length));
    }
    if is_v2 && !(length.is_power_of_two() && length >= u64::from(crate::BLOCK_LENGTH)) {
        return Err(MetainfoError::PieceLengthV2(piece_length));
    }

    let mut notes = Vec::new();
    let (mut files, single_file) = match version {
        Version::V1 => files::read(info, &name, &mut notes)?,
        Version::V2 => file_tree::read(info, &name, length, &mut notes)?,
        Version::Hybrid => read_hybrid_files(info, &name, length, &mut notes)?,
    };
    names::settle(&mut files, &mut notes)?;
    let end = files.iter().map(|file| file.offset + file.length).max().unwrap_or(0);
    if i64::try_from(end).is_err() {
        return Err(MetainfoError::TooLarge);
    }
    let padding = files.iter().filter(|file| file.padding).map(|file| (file.offset, file.length));
    let layout = Layout::with_padding(end, length, padding)?;
    let piece_hashes_v1 = is_v1.then(|| read_pieces(info, layout.pieces())).transpose()?;
    let raw = info.raw();
    let v1 = is_v1.then(|| InfoHash(Sha1::digest(raw).into()));
    let v2 = is_v2.then(|| InfoHashV2(Sha256::digest(raw).into()));
    let hashes = InfoHashes::from_options(v1, v2).ok_or(MetainfoError::Missing { key: "pieces" })?;
    Ok(Info {
        name,
        layout,
        files: files.into(),
        single_file,
        version,
        piece_hashes_v1,
        private: info.get("private").and_then(Value::as_int) == Some(1),
        hashes,
        raw: Bytes::copy_from_slice(raw),
        notes,
    })
}

fn read_pieces(info: &Value<'_>, pieces: u32) -> Result<Box<[[u8; 20]]>, MetainfoError> {
    let key = "pieces";
    let bytes = info.get(key).and_then(Value::as_bytes).ok_or(MetainfoError::Missing { key })?;
    let (hashes, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() || hashes.len() != pieces as usize {
        return Err(MetainfoError::Pieces { bytes: bytes.len(), pieces });
    }
    Ok(hashes.into())
}

/// Both lists must describe the same files at the same places; the v1 list says where padding is.
fn read_hybrid_files(
    info: &Value<'_>,
    name: &SafePath,
    piece_length: u64,
    notes: &mut Vec<Note>,
) -> Result<(Vec<FileEntry>, bool), MetainfoError> {
    let (mut files, single) = files::read(info, name, notes)?;
    let (tree, tree_single) = file_tree::read(info, name, piece_length, &mut Vec::new())?;
    let mut with_roots = tree.into_iter().filter(|file| !file.padding);
    let disagrees = |path: &SafePath| MetainfoError::HybridDisagrees { path: path.to_string() };
    for file in files.iter_mut().filter(|file| !file.padding) {
        let other = with_roots.next().ok_or_else(|| disagrees(&file.path))?;
        let same_place = file.length == 0 || file.offset == other.offset;
        if file.path != other.path || file.length != other.length || !same_place {
            return Err(disagrees(&file.path));
        }
        file.pieces_root = other.pieces_root;
    }
    match with_roots.next() {
        Some(extra) => Err(disagrees(&extra.path)),
        None if single != tree_single => Err(disagrees(name)),
        None => Ok((files, single)),
    }
}

fn read_piece_layers(written: &Value<'_>, info: &Info) -> Result<BTreeMap<Hash, Vec<Hash>>, MetainfoError> {
    let mut layers = BTreeMap::new();
    let piece_length = info.layout.piece_length();
    let Some(written) = written.as_dict() else { return Ok(layers) };
    for entry in info.files().filter(|entry| entry.length > u64::from(piece_length)) {
        let Some(root) = entry.pieces_root else { continue };
        let Ok(at) = written.binary_search_by(|(key, _)| (*key).cmp(&root[..])) else { continue };
        let bytes = written.get(at).and_then(|(_, layer)| layer.as_bytes()).unwrap_or_default();
        let (layer, rest) = bytes.as_chunks::<32>();
        let pieces = entry.length.div_ceil(u64::from(piece_length));
        let blocks = entry.length.div_ceil(u64::from(crate::BLOCK_LENGTH));
        let fits = rest.is_empty()
            && layer.len() as u64 == pieces
            && merkle::file_root(layer, blocks, piece_length) == root;
        if !fits {
            return Err(MetainfoError::PieceLayer { path: entry.path.to_string() });
        }
        layers.insert(root, layer.to_vec());
    }
    Ok(layers)
}
