//! The independent judge of `download_status.json`: what it claims against what lies on the disk.
//!
//! It shares no code with the product. The file is read as plain JSON, and a piece is true when its bytes are
//! those of the source, byte by byte: that is stronger than any hash.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What the file says about one download.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The whole entry, for what a test wants to know beside.
    pub entry: Value,
    /// One for each piece: is it said to be verified?
    pub pieces: Vec<bool>,
}

/// What became of the pieces of one download.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Pieces that the file claims.
    pub claimed: BTreeSet<usize>,
    /// Pieces that are right on the disk.
    pub right: BTreeSet<usize>,
}

impl Verdict {
    /// Pieces that are claimed and wrong: there may be none, ever.
    pub fn false_claims(&self) -> BTreeSet<usize> {
        &self.claimed - &self.right
    }

    /// Pieces that are right and not claimed: what a start does not prove, it fetches again.
    pub fn unclaimed(&self) -> BTreeSet<usize> {
        &self.right - &self.claimed
    }
}

/// The entry of a name in the `download_status.json` of a peer's folder, if there is one.
pub fn claim(folder: &Path, name: &str) -> Option<Claim> {
    let text = std::fs::read(folder.join("download_status.json")).ok()?;
    let status: Value = serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("download_status.json is not whole: {error}"));
    let entry = status["downloads"].as_array()?.iter().find(|entry| entry["name"] == name)?.clone();
    let count = usize::try_from(entry["pieces"].as_u64().expect("a count of pieces")).expect("a count");
    // A field that is left out stands for all pieces of what is verified, and for none of what is not.
    let all = entry["verified"] == entry["size"];
    let bits = entry["have"].as_str().map(|field| STANDARD.decode(field).expect("base64"));
    let is_set = |bits: &Vec<u8>, piece: usize| {
        bits.get(piece / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0)
    };
    let pieces = (0..count).map(|piece| bits.as_ref().map_or(all, |bits| is_set(bits, piece))).collect();
    Some(Claim { entry, pieces })
}

/// Where the bytes of a single-file download lie: the part, or the file when it is complete.
pub fn bytes_of(downloads: &Path, name: &str) -> PathBuf {
    let part = downloads.join(format!("{name}.part"));
    if part.exists() { part } else { downloads.join(name) }
}

/// Compares every piece with the source.
pub fn judge(claimed: &[bool], source: &Path, copy: &Path, piece_length: usize) -> Verdict {
    let mut verdict = Verdict::default();
    let mut source = File::open(source).expect("the source");
    let mut copy = File::open(copy).ok();
    let (mut ours, mut theirs) = (vec![0; piece_length], vec![0; piece_length]);
    for (piece, &claimed) in claimed.iter().enumerate() {
        let length = fill(&mut source, &mut ours);
        let found = copy.as_mut().map_or(0, |copy| fill(copy, &mut theirs));
        if length > 0 && found >= length && ours[..length] == theirs[..length] {
            verdict.right.insert(piece);
        }
        if claimed {
            verdict.claimed.insert(piece);
        }
    }
    verdict
}

/// Reads until the buffer is full or the file ends; gives how much came.
fn fill(file: &mut File, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]).expect("a file that can be read") {
            0 => break,
            read => filled += read,
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_false_claim_and_a_forgotten_piece_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (source, copy) = (folder.path().join("source"), folder.path().join("copy"));
        std::fs::write(&source, b"aaaabbbbccccdd").unwrap();
        std::fs::write(&copy, b"aaaaXbbbccccdd").unwrap();
        let verdict = judge(&[true, true, false, true], &source, &copy, 4);
        assert_eq!(verdict.false_claims(), BTreeSet::from([1]));
        assert_eq!(verdict.unclaimed(), BTreeSet::from([2]));
    }

    #[test]
    fn a_short_copy_and_a_missing_copy_hold_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (source, copy) = (folder.path().join("source"), folder.path().join("copy"));
        std::fs::write(&source, b"aaaabb").unwrap();
        std::fs::write(&copy, b"aaaab").unwrap();
        let verdict = judge(&[true, true], &source, &copy, 4);
        assert_eq!(verdict.right, BTreeSet::from([0]));
        assert_eq!(verdict.false_claims(), BTreeSet::from([1]));
        let verdict = judge(&[true, false], &source, &folder.path().join("none"), 4);
        assert_eq!(verdict.false_claims(), BTreeSet::from([0]));
    }
}
