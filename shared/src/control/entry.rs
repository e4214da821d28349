//! What is shared and by whom, as both sides name it: an entry of the catalog and its sources.

use std::fmt;
use std::net::SocketAddr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InfoHash, InfoHashV2, InfoHashes, PeerId};

/// The short name that the tracker gave to shared content, such as `9c1e47`: the first digits of
/// its info hash, as many as it takes to be the only one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub String);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How much of an entry a source has: `"full"` or a count of verified pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Have {
    /// Every piece.
    Full,
    /// So many verified pieces.
    Pieces(u64),
}

impl Have {
    /// Whether nothing is missing.
    pub fn is_full(self) -> bool {
        self == Self::Full
    }
}

impl Serialize for Have {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Full => serializer.serialize_str("full"),
            Self::Pieces(count) => serializer.serialize_u64(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Have {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HaveVisitor)
    }
}

struct HaveVisitor;

impl Visitor<'_> for HaveVisitor {
    type Value = Have;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"full\" or a number of pieces")
    }

    fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Have, E> {
        Ok(Have::Pieces(count))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Have, E> {
        if word == "full" { Ok(Have::Full) } else { Err(E::unknown_variant(word, &["full"])) }
    }
}

/// What sort of thing is shared, for searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text to read.
    Doc,
    /// Sound.
    Audio,
    /// Film.
    Video,
    /// Picture.
    Image,
    /// Packed files, disk images.
    Archive,
    /// Something to run.
    Program,
    /// All else, folders of many kinds.
    #[default]
    #[serde(other)]
    Other,
}

impl Kind {
    /// Every kind with its word on the wire.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("doc", Self::Doc),
        ("audio", Self::Audio),
        ("video", Self::Video),
        ("image", Self::Image),
        ("archive", Self::Archive),
        ("program", Self::Program),
        ("other", Self::Other),
    ];

    /// The kind that the ending of a file name tells.
    pub fn of_name(name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "pdf" | "txt" | "md" | "doc" | "docx" | "odt" | "rtf" | "epub" | "ppt" | "pptx" | "odp"
            | "xls" | "xlsx" | "ods" | "csv" | "html" | "htm" | "tex" | "json" => Self::Doc,
            "mp3" | "ogg" | "oga" | "opus" | "flac" | "wav" | "m4a" | "aac" | "wma" => Self::Audio,
            "mp4" | "mkv" | "avi" | "mov" | "webm" | "mpg" | "mpeg" | "wmv" | "m4v" | "ogv" => Self::Video,
            "jpg" | "jpeg" | "png" | "gif" | "svg" | "webp" | "bmp" | "tif" | "tiff" | "heic" => Self::Image,
            "zip" | "7z" | "rar" | "gz" | "xz" | "zst" | "bz2" | "tar" | "tgz" | "iso" | "img" => {
                Self::Archive
            }
            "exe" | "msi" | "deb" | "rpm" | "apk" | "jar" | "sh" | "bin" | "appimage" | "dmg" => {
                Self::Program
            }
            _ => Self::Other,
        }
    }
}

/// What a download just did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressEvent {
    /// It began.
    Started,
    /// The last piece was verified.
    Completed,
    /// It was given up or paused: no longer a source.
    Stopped,
}

/// A peer that has all or part of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What the peer is called; empty for a client that has no name.
    pub nick: String,
    /// Who it is.
    pub peer_id: PeerId,
    /// Where its wire listens, best first.
    pub addresses: Vec<SocketAddr>,
    /// How much it has.
    pub have: Have,
    /// Its program, such as `peer/0.1.0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
}

/// One thing that is shared, as `search` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its short name.
    pub entry: EntryId,
    /// The name under which it was shared first.
    pub name: String,
    /// Bytes of all files.
    pub size: u64,
    /// How many files.
    pub files: u64,
    /// Bytes of a piece.
    pub piece_length: u64,
    /// What sort of thing.
    #[serde(default)]
    pub kind: Kind,
    /// Peers online that have any of it.
    pub sources: u64,
    /// Peers online that have all of it.
    pub full: u64,
    /// Nicks of those who share it, at most eight; when nobody is here who has it, of those who had it.
    #[serde(default)]
    pub by: Vec<String>,
    /// When one of those who had it was here last, in milliseconds since 1970, when nobody is here who
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// Its info hashes, written as `info_hash_v1` and `info_hash_v2`.
    #[serde(flatten, with = "hashes")]
    pub hashes: InfoHashes,
    /// What its owner says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it may be told to nobody but through the tracker (BEP 27).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

/// Info hashes as the two optional keys `info_hash_v1` and `info_hash_v2`.
pub(super) mod hashes {
    use super::{Deserialize, Deserializer, InfoHash, InfoHashV2, InfoHashes, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Keys {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info_hash_v1: Option<InfoHash>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info_hash_v2: Option<InfoHashV2>,
    }

    pub(in super::super) fn serialize<S: Serializer>(hashes: &InfoHashes, to: S) -> Result<S::Ok, S::Error> {
        Keys { info_hash_v1: hashes.get_v1(), info_hash_v2: hashes.get_v2() }.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<InfoHashes, D::Error> {
        let keys = Keys::deserialize(from)?;
        InfoHashes::from_options(keys.info_hash_v1, keys.info_hash_v2)
            .ok_or_else(|| serde::de::Error::missing_field("info_hash_v1"))
    }
}

/// Bytes as one text in base64.
pub(super) mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the shape that serde's `with` asks for")]
    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| STANDARD.decode(text)).transpose().map_err(serde::de::Error::custom)
    }
}
