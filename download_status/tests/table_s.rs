//! What the file may look like when it is read, and what is made of it: never a panic, never more
//! than was promised.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use download_status::read::MOST_BYTES;
use download_status::{DownloadStatus, Entry, Loaded, ReadError, Stage, read};
use proptest::prelude::*;
use sha2::Digest as _;
use shared::{Bitfield, InfoHash, InfoHashV2, InfoHashes, PeerId, PieceIndex};

fn entry(number: u8) -> Entry {
    let mut have = Bitfield::empty(10);
    have.set(PieceIndex::new(3));
    Entry {
        hashes: InfoHashes::hybrid(InfoHash([number; 20]), InfoHashV2([number; 32])),
        name: format!("film {number}.iso"),
        stage: Stage::Downloading,
        paused: number % 2 == 1,
        size: 1000,
        verified: 100,
        folder: "/home/ana/Archivos_a_b_c".into(),
        file: format!("film {number}.iso.part"),
        final_name: format!("film {number}.iso"),
        have: Some(have),
        unsynced: BTreeSet::from([3]),
        stamp: None,
        from: BTreeMap::from([(PeerId([9; 20]), 100)]),
        added_at: 5,
        completed_at: None,
    }
}

fn status() -> DownloadStatus {
    let done = Entry {
        stage: Stage::Shared,
        have: Some(Bitfield::full(7)),
        unsynced: BTreeSet::new(),
        stamp: Some("ab".into()),
        verified: 1000,
        ..entry(2)
    };
    DownloadStatus { saved_at: 77, boot: "boot".into(), clean: true, entries: vec![entry(1), done] }
}

/// The file with `from` replaced by `to`, and a checksum that fits.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(status().to_bytes()).unwrap();
    assert!(text.contains(from), "{text}");
    let at = text.find("\"checksum\": \"").unwrap() + 13;
    let zeros = "0".repeat(64);
    let text = text.replacen(&text[at..at + 64], &zeros, 1).replacen(from, to, 1);
    let sum = InfoHashV2(sha2::Sha256::digest(&text).into()).to_string();
    text.replacen(&zeros, &sum, 1).into_bytes()
}

fn skipped(bytes: &[u8]) -> (usize, &'static str) {
    let loaded = read(bytes).unwrap();
    (loaded.status.entries.len(), loaded.skipped.first().unwrap().reason)
}

#[test]
fn what_is_written_reads_back_and_a_person_can_read_it() {
    let loaded = read(&status().to_bytes()).unwrap();
    assert_eq!(loaded, Loaded { status: status(), ..Loaded::default() });
    let text = String::from_utf8(status().to_bytes()).unwrap();
    for part in [
        "\"name\": \"film 1.iso\"",
        "\"progress\": \"10.0 %\"",
        "\"state\": \"shared\"",
        "\"unsynced\": \"3\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn s02_to_s08_files_that_are_not_whole_are_refused() {
    let whole = status().to_bytes();
    assert_eq!(read(b""), Err(ReadError::Empty));
    assert_eq!(read(&[0; 4096]), Err(ReadError::Zeros { length: 4096 }));
    for cut in [1, whole.len() / 2, whole.len() - 3] {
        assert!(matches!(read(&whole[..cut]), Err(ReadError::Json { .. })), "{cut}");
    }
    for (bytes, name) in
        [(&b"[]"[..], "S05"), (b"{}", "S07"), (b"null", "S05"), (b"{\"schema\":\"1\"}", "S07")]
    {
        assert_eq!(read(bytes), Err(ReadError::NoSchema), "{name}");
    }
    assert_eq!(read(&changed("\"schema\": 1", "\"schema\": 99")), Err(ReadError::Newer { found: 99 }));
    let text = String::from_utf8(whole).unwrap().replacen("film 1", "film 7", 1);
    assert_eq!(read(text.as_bytes()), Err(ReadError::Checksum));
    assert_eq!(read(b"\xff\xfe{"), Err(ReadError::NotText { at: 0 }));
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes()), Err(ReadError::Json { .. })));
}

#[test]
fn s09_s10_bits_that_do_not_fit_mean_hashing_not_forgetting() {
    // "EAA=" is piece 3 of 10; one byte short, one too long, a spare bit, nonsense.
    for bad in ["EA==", "EAAA", "EAE=", "!!!"] {
        let loaded = read(&changed("\"EAA=\"", &format!("\"{bad}\""))).unwrap();
        assert_eq!((loaded.status.entries.len(), &loaded.status.entries[0].have), (2, &None), "{bad}");
    }
    let loaded = read(&changed("\"unsynced\": \"3\"", "\"unsynced\": \"10\"")).unwrap();
    assert_eq!(loaded.status.entries[0].have, None);
}

#[test]
fn s15_s16_s17_one_bad_entry_does_not_take_the_others_with_it() {
    for (from, to) in [
        ("\"file\": \"film 1.iso.part\"", "\"file\": \"../../x\""),
        ("\"file\": \"film 1.iso.part\"", "\"file\": \"/etc/passwd\""),
        ("\"file\": \"film 1.iso.part\"", "\"file\": \"\""),
        ("\"final_name\": \"film 1.iso\"", "\"final_name\": \"..\""),
        ("\"folder\": \"/home/ana/Archivos_a_b_c\"", "\"folder\": \"\""),
        ("\"size\": 1000", "\"size\": -1"),
        ("\"size\": 1000", "\"size\": 1e400000"),
        ("\"pieces\": 10", "\"pieces\": 4000000000"),
        ("\"pieces\": 10", "\"pieces\": 99999999999999999999"),
        ("\"state\": \"downloading\"", "\"state\": \"dancing\""),
    ] {
        match read(&changed(from, to)) {
            Ok(loaded) => assert_eq!((loaded.status.entries.len(), loaded.skipped.len()), (1, 1), "{to}"),
            // A number beyond all JSON numbers.
            Err(error) => assert!(matches!(error, ReadError::Json { .. }), "{to}: {error}"),
        }
    }
    let twice = DownloadStatus { entries: vec![entry(1), entry(1), entry(3)], ..status() };
    assert_eq!(skipped(&twice.to_bytes()), (2, "the same torrent stands there twice"));
}

#[test]
fn s18_a_huge_file_is_not_read() {
    let huge = vec![b' '; MOST_BYTES + 1];
    assert!(matches!(read(&huge), Err(ReadError::TooLong { .. })));
}

#[test]
fn the_documents_first_form_is_understood() {
    for text in [
        r#"{"file_name": "film.iso", "progress": 42}"#,
        r#"[{"file_name": "film.iso", "progress": "42 %"}]"#,
        r#"{"file_name": "film.iso"}"#,
    ] {
        let loaded = read(text.as_bytes()).unwrap();
        assert_eq!(loaded.old.len(), 1, "{text}");
        assert_eq!(loaded.old[0].file_name, "film.iso");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes).is_ok();
    }

    #[test]
    fn no_flipped_byte_passes(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let mut bytes = status().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(loaded) = read(&bytes) {
            prop_assert_eq!(loaded.status, status(), "only what is not said may differ");
        }
    }
}
