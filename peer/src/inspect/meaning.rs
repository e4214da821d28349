//! What the keys of a torrent file mean, in a few words each.

/// Where in a torrent file a dictionary stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The file itself.
    File,
    /// `info`: what the info hashes are made of.
    Info,
    /// One of `files`, or the properties of a file in `file tree`.
    Entry,
    /// A folder of `file tree`.
    Tree,
    /// `piece layers`.
    Layers,
    /// Something that we do not know.
    Elsewhere,
}

impl Place {
    /// Where the dictionary or list at `key` stands.
    pub(super) fn below(self, key: &[u8]) -> Self {
        match (self, key) {
            (Self::File, b"info") => Self::Info,
            (Self::File, b"piece layers") => Self::Layers,
            (Self::Info, b"files") | (Self::Tree, b"") => Self::Entry,
            (Self::Info, b"file tree") | (Self::Tree, _) => Self::Tree,
            _ => Self::Elsewhere,
        }
    }

    /// What the key means here; nothing for keys that no document names.
    pub(super) fn meaning(self, key: &[u8]) -> Option<&'static str> {
        let table = match self {
            Self::File => FILE,
            Self::Info => INFO,
            Self::Entry => ENTRY,
            Self::Tree if key.is_empty() => return Some("what the file is"),
            Self::Tree => return Some("a file or a folder"),
            Self::Layers => return Some("hashes of the pieces of the file with this root"),
            Self::Elsewhere => return None,
        };
        table.iter().find(|(name, _)| name.as_bytes() == key).map(|(_, meaning)| *meaning)
    }
}

const FILE: &[(&str, &str)] = &[
    ("announce", "the tracker that is asked for peers (BEP 3)"),
    ("announce-list", "more trackers, in tiers: the first tier first (BEP 12)"),
    ("azureus_properties", "notes of the program Vuze"),
    ("comment", "a word of its maker"),
    ("created by", "the program that made it"),
    ("creation date", "when it was made, in seconds since 1970"),
    ("encoding", "how texts are written"),
    ("httpseeds", "web servers that give pieces (BEP 17)"),
    ("info", "what is shared; the info hash is the hash of exactly these bytes (BEP 3)"),
    ("nodes", "where the DHT can be entered (BEP 5)"),
    ("piece layers", "for each file the hashes of its pieces (BEP 52)"),
    ("url-list", "web servers that have the files (BEP 19)"),
];

const INFO: &[(&str, &str)] = &[
    ("attr", "letters about it: x can be run, h hidden, l link, p padding (BEP 47)"),
    ("file tree", "files and folders with the root of each hash tree (BEP 52)"),
    ("files", "the files, one after the other in the row of pieces (BEP 3)"),
    ("length", "bytes of the only file (BEP 3)"),
    ("md5sum", "MD5 of the file; nobody checks it"),
    ("meta version", "2: hash trees of SHA-256 (BEP 52)"),
    ("name", "suggested name of the file or the folder (BEP 3)"),
    ("name.utf-8", "the name in UTF-8"),
    ("piece length", "bytes in a piece (BEP 3)"),
    ("pieces", "SHA-1 of each piece, 20 bytes each (BEP 3)"),
    ("private", "1: peers from its trackers only, neither DHT, PEX nor LSD (BEP 27)"),
    ("publisher", "who published it"),
    ("source", "a word that makes the info hash another one"),
];

const ENTRY: &[(&str, &str)] = &[
    ("attr", "letters about it: x can be run, h hidden, l link, p padding (BEP 47)"),
    ("length", "bytes of the file"),
    ("md5sum", "MD5 of the file; nobody checks it"),
    ("path", "folders and name"),
    ("path.utf-8", "folders and name in UTF-8"),
    ("pieces root", "root of the file's hash tree (BEP 52)"),
    ("sha1", "SHA-1 of the file (BEP 47)"),
    ("symlink path", "where the link leads (BEP 47)"),
];
