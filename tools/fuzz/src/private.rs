//! Laws of the files in a peer's private folder: whatever a disk, a program or a person made of them, what
//! is read is bounded, makes sense, and is the same when it is written and read again.

use engine::tidied_known_peers;
use peer::swarms::roster::Roster;
use shared::control::check_nick;

/// Seconds since 1970.
const NOW: u64 = 1_800_000_000;
/// Lines of a file of known peers, and people of a roster, that are kept.
const MOST: (usize, usize) = (5_000, 200);

/// `known_peers`.
pub(crate) fn known_peers(bytes: &[u8]) {
    let kept = tidied_known_peers(&String::from_utf8_lossy(bytes), NOW);
    assert!(kept.lines().count() <= MOST.0, "no more than fits");
    assert!(
        kept.is_ascii() && kept.lines().all(|line| line.split(' ').count() == 4),
        "as it is written: {kept}"
    );
    assert_eq!(tidied_known_peers(&kept, NOW), kept, "what was kept is kept");
}

/// `roster.json`.
pub(crate) fn roster(bytes: &[u8]) {
    let roster = Roster::parse(bytes, NOW);
    assert!(roster.people().len() <= MOST.1, "no more than fit");
    for one in roster.people() {
        assert!(check_nick(&one.nick).is_ok() && one.seen <= NOW, "{one:?}");
    }
    assert!(roster.people().is_sorted_by_key(|one| std::cmp::Reverse(one.seen)), "the last ones first");
    let written = serde_json::to_vec(&roster).unwrap_or_default();
    assert_eq!(Roster::parse(&written, NOW), roster, "what is written is read");
}
