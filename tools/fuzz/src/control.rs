//! Laws of the control protocol: lines from strangers on both sides.

use shared::control::{parse_from_tracker, parse_request, write_request};

/// A line that a tracker reads: understood lines survive being written again, refusals are one clean sentence.
pub(crate) fn request(line: &[u8]) {
    match parse_request(line) {
        Ok((id, request)) => {
            let written = write_request(id, &request);
            let line = written.strip_suffix(b"\n").unwrap_or(&written);
            let again = parse_request(line);
            assert_eq!(again.ok(), Some((id, request)), "what is written is what was read: {line:?}");
        }
        Err(error) => {
            let sentence = error.to_string();
            let clean = sentence.chars().all(|letter| !letter.is_control());
            assert!(clean && sentence.len() < 1_000, "a refusal is one short line: {sentence:?}");
        }
    }
}

/// A line that a peer reads.
pub(crate) fn from_tracker(line: &[u8]) {
    if let Err(error) = parse_from_tracker(line) {
        let sentence = error.to_string();
        assert!(sentence.chars().all(|letter| !letter.is_control()), "a refusal is one line: {sentence:?}");
    }
}
