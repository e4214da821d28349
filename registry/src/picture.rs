//! What peers show of their transfers while these run: piece maps and what each connection moves.
//!
//! All of it is soft: no part of the state, never an event, gone with its peer or after
//! [`PATIENCE`] without a word. Called by the registry; read by `scene`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shared::control::{Flow, MAX_CELLS, MAX_FLOWS, Progress, ProgressEvent};
use shared::{InfoHash, Moment};

use crate::event::Event;
use crate::identity::MemberId;

/// A peer that says nothing for so long moves nothing.
const PATIENCE: Duration = Duration::from_secs(6);
/// Pictures that are held at once: some 12 MB.
const MAX_REPORTS: usize = 4_096;
/// The same of one peer.
const MAX_REPORTS_OF_ONE: usize = 64;
/// Entries that were shared last.
const NEWEST: usize = 64;

/// What one peer shows of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// A byte a cell: how much of its part is verified.
    pub(crate) cells: Vec<u8>,
    /// What moves.
    pub(crate) flows: Vec<Flow>,
    /// When it was told.
    at: Moment,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    reports: BTreeMap<(MemberId, InfoHash), Report>,
    /// What each member is called on a page that shows no peer ids.
    numbers: BTreeMap<MemberId, u64>,
    last_number: u64,
    newest: VecDeque<InfoHash>,
}

impl Pictures {
    /// Something happened.
    pub(crate) fn follow(&mut self, event: &Event) {
        match event {
            Event::Joined { member, .. } => {
                self.last_number += 1;
                self.numbers.insert(member.id(), self.last_number);
            }
            Event::Left { peer, .. } => {
                self.numbers.remove(peer);
                self.reports.retain(|(of, _), _| of != peer);
            }
            Event::Shared { key, .. } => {
                self.newest.retain(|other| other != key);
                self.newest.push_front(*key);
                self.newest.truncate(NEWEST);
            }
            Event::Unshared { peer, key, .. } | Event::Progressed { peer, key, have: None, .. } => {
                self.reports.remove(&(*peer, *key));
            }
            Event::Forgotten { key } => {
                self.newest.retain(|other| other != key);
                self.reports.retain(|(_, of), _| of != key);
            }
            _ => {}
        }
    }

    /// A progress was granted.
    pub(crate) fn take(&mut self, peer: MemberId, key: InfoHash, progress: &Progress, now: Moment) {
        if progress.event == Some(ProgressEvent::Stopped) {
            return;
        }
        let place = (peer, key);
        let before = self.reports.get(&place).map(|report| report.cells.clone());
        if before.is_none() && progress.pieces.is_none() && progress.flows.is_empty() {
            return;
        }
        if before.is_none() {
            if self.reports.len() >= MAX_REPORTS {
                self.reports.retain(|_, report| is_fresh(report.at, now));
            }
            let of_one = (peer, InfoHash([0; 20]))..=(peer, InfoHash([0xff; 20]));
            if self.reports.len() >= MAX_REPORTS || self.reports.range(of_one).count() >= MAX_REPORTS_OF_ONE {
                return;
            }
        }
        let mut cells = progress.pieces.clone().or(before).unwrap_or_default();
        cells.truncate(MAX_CELLS);
        let flows = progress.flows.iter().take(MAX_FLOWS).copied().collect();
        self.reports.insert(place, Report { cells, flows, at: now });
    }

    /// What one peer shows of one transfer.
    pub(crate) fn of(&self, peer: MemberId, key: InfoHash) -> Option<&Report> {
        self.reports.get(&(peer, key))
    }

    /// Whatever moves at `now`, as each peer tells it.
    pub(crate) fn moving(&self, now: Moment) -> impl Iterator<Item = (MemberId, InfoHash, &Flow)> {
        let fresh = self.reports.iter().filter(move |(_, report)| is_fresh(report.at, now));
        fresh.flat_map(|((peer, key), report)| report.flows.iter().map(|flow| (*peer, *key, flow)))
    }

    /// What a page calls a member.
    pub(crate) fn number(&self, peer: MemberId) -> Option<u64> {
        self.numbers.get(&peer).copied()
    }

    /// What was shared last, newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = InfoHash> {
        self.newest.iter().copied()
    }
}

fn is_fresh(at: Moment, now: Moment) -> bool {
    now.since(at) < PATIENCE
}

#[cfg(test)]
mod tests {
    use shared::PeerId;
    use shared::control::{EntryId, Have};

    use super::*;

    fn progress(cells: Option<Vec<u8>>, down: u64) -> Progress {
        let flow = Flow { peer_id: PeerId([9; 20]), down, up: 0 };
        Progress {
            entry: EntryId("9c1e47".to_owned()),
            have: Have::Pieces(0),
            left: 0,
            downloaded: 0,
            uploaded: 0,
            event: None,
            pieces: cells,
            flows: if down > 0 { vec![flow] } else { Vec::new() },
        }
    }

    #[test]
    fn silence_moves_nothing_and_a_map_stays() {
        let mut pictures = Pictures::default();
        let (peer, key) = (MemberId::session(PeerId([1; 20])), InfoHash([1; 20]));
        let start = Moment::START;
        pictures.take(peer, key, &progress(Some(vec![255, 0]), 100), start);
        pictures.take(peer, key, &progress(None, 200), start + Duration::from_secs(1));
        assert_eq!(
            pictures.moving(start + Duration::from_secs(2)).map(|(_, _, flow)| flow.down).sum::<u64>(),
            200
        );
        assert_eq!(pictures.moving(start + Duration::from_secs(60)).count(), 0);
        assert_eq!(pictures.of(peer, key).map(|report| report.cells.clone()), Some(vec![255, 0]));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut pictures = Pictures::default();
        let key = |number: u16| {
            let mut hash = [0; 20];
            hash[..2].copy_from_slice(&number.to_be_bytes());
            InfoHash(hash)
        };
        let start = Moment::START;
        for peer in 0..100_u8 {
            for number in 0..100 {
                let peer = MemberId::session(PeerId([peer; 20]));
                pictures.take(peer, key(number), &progress(Some(vec![1; 2_000]), 1), start);
            }
        }
        assert_eq!(pictures.reports.len(), MAX_REPORTS);
        let one = MemberId::session(PeerId([0; 20]));
        assert_eq!(pictures.reports.keys().filter(|(peer, _)| *peer == one).count(), MAX_REPORTS_OF_ONE);
        assert!(pictures.reports.values().all(|report| report.cells.len() <= MAX_CELLS));
        // Those that say nothing any more make room.
        let late = start + Duration::from_secs(60);
        pictures.take(MemberId::session(PeerId([200; 20])), key(1), &progress(None, 1), late);
        assert_eq!(pictures.reports.len(), 1);
    }
}
