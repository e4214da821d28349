//! What `download_status.json` says, and how it is written.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::{Bitfield, InfoHash, InfoHashV2, InfoHashes, PeerId};

/// The schema that this version writes and understands.
pub const SCHEMA: u64 = 1;

/// Stands in the file where the checksum goes, while it is computed.
pub(crate) const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Everything a session must know after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DownloadStatus {
    /// When it was written, in milliseconds since 1970.
    pub saved_at: u64,
    /// Which run of the machine wrote it.
    pub boot: String,
    /// Nothing was under way any more: everything it says is on disk for good.
    pub clean: bool,
    /// Every torrent.
    pub entries: Vec<Entry>,
}

/// How far a torrent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Pieces are missing.
    Downloading,
    /// Every piece is there, under the final name.
    Complete,
    /// It was never downloaded: it lies where the person put it.
    Shared,
}

/// One torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its names.
    pub hashes: InfoHashes,
    /// What it is called. From outside.
    pub name: String,
    /// How far it is.
    pub stage: Stage,
    /// The person has paused it.
    pub paused: bool,
    /// Bytes of data.
    pub size: u64,
    /// Bytes of verified pieces.
    pub verified: u64,
    /// The folder that it lies in.
    pub folder: String,
    /// Its file or folder there at this moment: the `.part` until it is complete.
    pub file: String,
    /// What it will be called when it is complete.
    pub final_name: String,
    /// Pieces that are written and verified; `None` when that is not known and everything found must
    /// be hashed.
    pub have: Option<Bitfield>,
    /// Those of them that a loss of power may still take back.
    pub unsynced: BTreeSet<u32>,
    /// How the files looked when they were complete, as one hash.
    pub stamp: Option<String>,
    /// Who gave how many bytes.
    pub from: BTreeMap<PeerId, u64>,
    /// When it was added, in milliseconds since 1970.
    pub added_at: u64,
    /// When it was complete, in milliseconds since 1970.
    pub completed_at: Option<u64>,
}

/// What the documents' first form of the file says of a download.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct OldEntry {
    /// The file's name. From outside.
    pub file_name: String,
    /// How much of it was there; of no use without hashes.
    #[serde(default)]
    pub progress: serde_json::Value,
}

/// The file as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileForm {
    pub(crate) schema: u64,
    pub(crate) checksum: String,
    pub(crate) saved_at: u64,
    pub(crate) boot: String,
    pub(crate) clean: bool,
    pub(crate) downloads: Vec<serde_json::Value>,
}

/// An entry as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EntryForm {
    pub(crate) name: String,
    pub(crate) state: Stage,
    #[serde(default)]
    pub(crate) paused: bool,
    /// For people only.
    #[serde(default)]
    pub(crate) progress: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) verified: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info_hash_v1: Option<InfoHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info_hash_v2: Option<InfoHashV2>,
    pub(crate) folder: String,
    pub(crate) file: String,
    #[serde(default)]
    pub(crate) final_name: String,
    #[serde(default)]
    pub(crate) pieces: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) have: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) unsynced: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stamp: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) from: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) added_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<u64>,
}

impl DownloadStatus {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let downloads =
            self.entries.iter().filter_map(|entry| serde_json::to_value(form(entry)).ok()).collect();
        let form = FileForm {
            schema: SCHEMA,
            checksum: NO_CHECKSUM.to_owned(),
            saved_at: self.saved_at,
            boot: self.boot.clone(),
            clean: self.clean,
            downloads,
        };
        let mut text = serde_json::to_string_pretty(&form).unwrap_or_default();
        text.push('\n');
        let checksum = checksum(&text);
        text.replacen(NO_CHECKSUM, &checksum, 1).into_bytes()
    }
}

/// The checksum of a file in which zeros stand in its place.
pub(crate) fn checksum(text: &str) -> String {
    InfoHashV2(Sha256::digest(text).into()).to_string()
}

fn form(entry: &Entry) -> EntryForm {
    let complete = entry.have.as_ref().is_some_and(Bitfield::is_full);
    let tenths = u128::from(entry.verified) * 1000 / u128::from(entry.size.max(1));
    let tenths = if entry.size == 0 { 1000 } else { tenths };
    EntryForm {
        name: entry.name.clone(),
        state: entry.stage,
        paused: entry.paused,
        progress: format!("{}.{} %", tenths / 10, tenths % 10),
        size: entry.size,
        verified: entry.verified,
        info_hash_v1: entry.hashes.get_v1(),
        info_hash_v2: entry.hashes.get_v2(),
        folder: entry.folder.clone(),
        file: entry.file.clone(),
        final_name: entry.final_name.clone(),
        pieces: entry.have.as_ref().map_or(0, Bitfield::len),
        // All of them is said by the state.
        have: entry.have.as_ref().filter(|_| !complete).map(|have| STANDARD.encode(have.as_bytes())),
        unsynced: ranges(&entry.unsynced),
        stamp: entry.stamp.clone(),
        from: entry.from.iter().map(|(peer, bytes)| (peer.to_string(), *bytes)).collect(),
        added_at: entry.added_at,
        completed_at: entry.completed_at,
    }
}

/// Numbers as ranges a person can read: `0-12,15`.
pub(crate) fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let texts = parts.iter().map(
        |(first, last)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        },
    );
    texts.collect::<Vec<_>>().join(",")
}

/// The numbers of such ranges below `limit`; `None` when the text is anything else.
pub(crate) fn numbers(text: &str, limit: u32) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= limit {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_back() {
        let set = BTreeSet::from([0, 1, 2, 5, 7, 8]);
        assert_eq!(ranges(&set), "0-2,5,7-8");
        assert_eq!(numbers("0-2,5,7-8", 9), Some(set));
        assert_eq!(numbers("", 9), Some(BTreeSet::new()));
        for bad in ["9", "3-2", "a", "1-", "-1", "0-4294967295"] {
            assert_eq!(numbers(bad, 9), None, "{bad}");
        }
    }
}
