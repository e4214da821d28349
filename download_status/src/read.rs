//! From the bytes of `download_status.json` to what they say, believing nothing.
//!
//! A file that is not whole is an error, and the previous copy is tried. One bad entry in a whole file
//! is left out and named; the others are used.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::{Bitfield, InfoHashes};
use thiserror::Error;

use crate::model::{
    DownloadStatus, Entry, EntryForm, FileForm, NO_CHECKSUM, OldEntry, SCHEMA, checksum, numbers,
};

/// The longest file that is read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The most pieces that an entry may speak of.
const MOST_PIECES: u32 = shared::Layout::MAX_PIECES;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Nothing in it.
    #[error("empty file")]
    Empty,
    /// Only zeros, as a loss of power leaves them.
    #[error("{length} bytes of zeros")]
    Zeros {
        /// How many.
        length: usize,
    },
    /// Longer than any file we write.
    #[error("{length} bytes, limit {MOST_BYTES}")]
    TooLong {
        /// How long.
        length: usize,
    },
    /// Not JSON of the right form.
    #[error("not readable at line {line}, column {column}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Not text.
    #[error("not UTF-8 at byte {at}")]
    NotText {
        /// Counted from 0.
        at: usize,
    },
    /// No `schema`, and not the old form either.
    #[error("no schema number")]
    NoSchema,
    /// Written by a newer version: it must stay as it is.
    #[error("schema {found}, this version knows {known}", known = SCHEMA)]
    Newer {
        /// Its schema.
        found: u64,
    },
    /// Changed after it was written.
    #[error("the checksum does not fit")]
    Checksum,
}

/// An entry that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedEntry {
    /// Its name, as far as it has one. From outside.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// The usable part.
    pub status: DownloadStatus,
    /// Entries that could not be used.
    pub skipped: Vec<SkippedEntry>,
    /// Downloads in the documents' first form: known by name alone.
    pub old: Vec<OldEntry>,
}

/// Reads the bytes of a file.
pub fn read(bytes: &[u8]) -> Result<Loaded, ReadError> {
    let length = bytes.len();
    if length > MOST_BYTES {
        return Err(ReadError::TooLong { length });
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(if length == 0 { ReadError::Empty } else { ReadError::Zeros { length } });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotText { at: error.valid_up_to() })?;
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| json(&error))?;
    match value.get("schema").map(serde_json::Value::as_u64) {
        Some(Some(SCHEMA)) => {}
        Some(Some(found)) if found > SCHEMA => return Err(ReadError::Newer { found }),
        Some(_) => return Err(ReadError::NoSchema),
        None => return old_form(value).ok_or(ReadError::NoSchema),
    }
    let form: FileForm = serde_json::from_value(value).map_err(|error| json(&error))?;
    if checksum(&text.replacen(&form.checksum, NO_CHECKSUM, 1)) != form.checksum {
        return Err(ReadError::Checksum);
    }
    let mut loaded = Loaded::default();
    let mut known = Vec::new();
    for value in form.downloads {
        let name = value.get("name").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let entry = serde_json::from_value(value).map_err(|_| "its fields are not those of an entry");
        match entry.and_then(entry_of) {
            Ok(entry) if known.contains(&entry.hashes) => {
                loaded.skipped.push(SkippedEntry { name, reason: "the same torrent stands there twice" });
            }
            Ok(entry) => {
                known.push(entry.hashes);
                loaded.status.entries.push(entry);
            }
            Err(reason) => loaded.skipped.push(SkippedEntry { name, reason }),
        }
    }
    loaded.status.saved_at = form.saved_at;
    loaded.status.boot = form.boot;
    loaded.status.clean = form.clean;
    Ok(loaded)
}

fn json(error: &serde_json::Error) -> ReadError {
    ReadError::Json { line: error.line(), column: error.column() }
}

/// One or several `{"file_name": ..., "progress": ...}`, as the documents first had it.
fn old_form(value: serde_json::Value) -> Option<Loaded> {
    let old: Vec<OldEntry> = match value {
        serde_json::Value::Array(_) => serde_json::from_value(value).ok()?,
        other => vec![serde_json::from_value(other).ok()?],
    };
    (!old.is_empty()).then(|| Loaded { old, ..Loaded::default() })
}

fn entry_of(form: EntryForm) -> Result<Entry, &'static str> {
    let hashes =
        InfoHashes::from_options(form.info_hash_v1, form.info_hash_v2).ok_or("it has no info hash")?;
    if !is_plain_name(&form.file) || !is_plain_name(&form.final_name) {
        return Err("its file name leads elsewhere");
    }
    if form.folder.is_empty() || form.folder.contains('\0') {
        return Err("its folder is no path");
    }
    if form.pieces > MOST_PIECES {
        return Err("it has too many pieces");
    }
    let complete = form.state != crate::model::Stage::Downloading;
    // Bits that do not fit are no reason to forget the torrent, only to hash what is there.
    let have = match &form.have {
        None if complete || form.verified >= form.size => Some(Bitfield::full(form.pieces)),
        None => None,
        Some(text) => STANDARD.decode(text).ok().and_then(|bits| Bitfield::from_wire(&bits, form.pieces)),
    };
    let unsynced = numbers(&form.unsynced, form.pieces);
    let have = have.filter(|_| unsynced.is_some());
    let from = form.from.iter().filter_map(|(peer, bytes)| Some((peer.parse().ok()?, *bytes)));
    Ok(Entry {
        hashes,
        stage: form.state,
        paused: form.paused,
        size: form.size,
        verified: form.verified.min(form.size),
        folder: form.folder,
        file: form.file,
        final_name: form.final_name,
        have,
        unsynced: unsynced.unwrap_or_default(),
        stamp: form.stamp,
        from: from.collect::<BTreeMap<_, _>>(),
        added_at: form.added_at,
        completed_at: form.completed_at,
        name: form.name,
    })
}

/// One component that stays where it is.
fn is_plain_name(name: &str) -> bool {
    shared::path::SafePath::name(name).is_ok()
}
