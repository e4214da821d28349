//! Which pieces to believe at a start.
//!
//! kill -9 leaves what was written to the system's cache, so a bit holds if the machine did not stop;
//! pieces that were not synced yet are hashed all the same, since they are few. After a loss of power
//! a file that changed after the status was saved may hold anything: all its pieces are hashed.

use shared::{Bitfield, Layout, PieceIndex};

use crate::model::Entry;

/// What is known of the run that wrote the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// It ended in order.
    pub clean: bool,
    /// The machine has not been restarted since.
    pub same_boot: bool,
    /// When the status was saved, in milliseconds since 1970.
    pub saved_at: u64,
}

/// One file of the torrent, as it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFound {
    /// Where it begins on the torrent's line of bytes.
    pub offset: u64,
    /// How long it should be.
    pub length: u64,
    /// How long it is; `None` when it is not there.
    pub size: Option<u64>,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_at: u64,
}

/// What to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// Pieces that are there.
    pub have: Bitfield,
    /// Pieces that may be there: to be hashed.
    pub doubtful: Vec<PieceIndex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Believed,
    Doubtful,
    Gone,
}

/// Judges every piece of an entry by the files that are found.
pub fn believe(entry: &Entry, layout: &Layout, files: &[FileFound], circumstances: Circumstances) -> Belief {
    let pieces = layout.pieces();
    let claimed = entry.have.as_ref().filter(|have| have.len() == pieces);
    let mut belief = Belief { have: Bitfield::empty(pieces), doubtful: Vec::new() };
    let mut worst = vec![Verdict::Believed; pieces as usize];
    for file in files.iter().filter(|file| file.length > 0) {
        judge(file, layout, circumstances, &mut worst);
    }
    for (piece, verdict) in layout.iter().zip(worst) {
        let verdict = match claimed {
            Some(claimed) if !claimed.get(piece) => Verdict::Gone,
            Some(_) if entry.unsynced.contains(&piece.get()) => verdict.max(Verdict::Doubtful),
            Some(_) => verdict,
            // Nothing is known: whatever is there is hashed.
            None => verdict.max(Verdict::Doubtful),
        };
        match verdict {
            Verdict::Believed => {
                belief.have.set(piece);
            }
            Verdict::Doubtful => belief.doubtful.push(piece),
            Verdict::Gone => {}
        }
    }
    belief
}

fn judge(file: &FileFound, layout: &Layout, circumstances: Circumstances, worst: &mut [Verdict]) {
    let may_be_newer = circumstances.clean || !circumstances.same_boot;
    let changed = may_be_newer && file.modified_at > circumstances.saved_at;
    let there = file.size.unwrap_or(0).min(file.length);
    let Some(first) = layout.piece_at(file.offset) else { return };
    for number in first.get()..layout.pieces() {
        let piece = PieceIndex::new(number);
        let begin = layout.offset(piece);
        if begin >= file.offset + file.length {
            break;
        }
        let end = (begin + u64::from(layout.length(piece))).min(file.offset + file.length);
        let verdict = if end <= file.offset + there {
            if changed { Verdict::Doubtful } else { Verdict::Believed }
        } else {
            // Cut off inside this piece or before it.
            Verdict::Gone
        };
        if let Some(known) = worst.get_mut(number as usize) {
            *known = (*known).max(verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use shared::{InfoHash, InfoHashes};

    use super::*;
    use crate::model::Stage;

    fn entry(have: &[u32], unsynced: &[u32]) -> Entry {
        let mut field = Bitfield::empty(6);
        for piece in have {
            field.set(PieceIndex::new(*piece));
        }
        Entry {
            hashes: InfoHashes::v1(InfoHash([1; 20])),
            name: "n".into(),
            stage: Stage::Downloading,
            paused: false,
            size: 60,
            verified: 0,
            folder: "/".into(),
            file: "n.part".into(),
            final_name: "n".into(),
            have: Some(field),
            unsynced: unsynced.iter().copied().collect::<BTreeSet<_>>(),
            stamp: None,
            from: BTreeMap::new(),
            added_at: 0,
            completed_at: None,
        }
    }

    /// Two files of 30 bytes in pieces of 10, the first changed at 100, the second at 200.
    fn files(first: Option<u64>, second: Option<u64>) -> [FileFound; 2] {
        [
            FileFound { offset: 0, length: 30, size: first, modified_at: 100 },
            FileFound { offset: 30, length: 30, size: second, modified_at: 200 },
        ]
    }

    fn judge_all(entry: &Entry, files: &[FileFound], clean: bool, same_boot: bool) -> (Vec<u32>, Vec<u32>) {
        let layout = Layout::new(60, 10).unwrap();
        let belief = believe(entry, &layout, files, Circumstances { clean, same_boot, saved_at: 150 });
        let have = belief.have.ones().map(PieceIndex::get).collect();
        (have, belief.doubtful.iter().map(|piece| piece.get()).collect())
    }

    #[test]
    fn after_kill_9_only_what_was_not_synced_is_hashed() {
        let entry = entry(&[0, 1, 3, 4], &[1, 4]);
        assert_eq!(judge_all(&entry, &files(Some(30), Some(30)), false, true), (vec![0, 3], vec![1, 4]));
    }

    #[test]
    fn after_a_loss_of_power_files_that_changed_later_are_hashed() {
        let entry = entry(&[0, 1, 3, 4], &[1]);
        assert_eq!(judge_all(&entry, &files(Some(30), Some(30)), false, false), (vec![0], vec![1, 3, 4]));
    }

    #[test]
    fn after_a_clean_stop_nothing_is_hashed_unless_somebody_changed_a_file() {
        let entry = entry(&[0, 1, 3, 4], &[]);
        let mut files = files(Some(30), Some(30));
        assert_eq!(judge_all(&entry, &files, true, false), (vec![0, 1], vec![3, 4]));
        files[1].modified_at = 150;
        assert_eq!(judge_all(&entry, &files, true, true), (vec![0, 1, 3, 4], vec![]));
    }

    #[test]
    fn s11_s12_pieces_of_files_that_are_gone_or_cut_are_gone() {
        let entry = entry(&[0, 1, 2, 3, 4, 5], &[]);
        assert_eq!(judge_all(&entry, &files(Some(25), None), false, true), (vec![0, 1], vec![]));
        assert_eq!(judge_all(&entry, &files(None, None), false, true), (vec![], vec![]));
    }

    #[test]
    fn bits_that_are_not_known_mean_that_everything_found_is_hashed() {
        let mut entry = entry(&[], &[]);
        entry.have = None;
        assert_eq!(judge_all(&entry, &files(Some(30), Some(12)), true, true), (vec![], vec![0, 1, 2, 3]));
        entry.have = Some(Bitfield::full(7));
        assert_eq!(judge_all(&entry, &files(Some(30), Some(0)), true, true), (vec![], vec![0, 1, 2]));
    }
}
