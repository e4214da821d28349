//! Shows the tracker, about once a second while something moves, which pieces are here and what each
//! connection carries: for its page. Nothing depends on it, so nobody waits for it.

use engine::{PeerStatus, State, TorrentStatus};
use shared::control::{Flow, Have, MAX_FLOWS, Progress};
use shared::{Bitfield, InfoHash, PieceIndex};

use super::{Swarms, have};

/// Transfers that are shown in one second.
const MOST_AT_ONCE: usize = 8;
/// Cells of a piece map.
const CELLS: u32 = 128;
/// Bytes per second that are worth a line between two people.
const LEAST_RATE: f64 = 1.0;

/// What the tracker was shown last of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Painted {
    verified: u64,
    is_full: bool,
    flows: Vec<Flow>,
}

impl Painted {
    /// Whether the tracker still believes that something moves, or that something is missing.
    fn is_behind(&self, state: State) -> bool {
        !self.flows.is_empty() || (state == State::Seeding && !self.is_full)
    }
}

impl Swarms {
    /// Paints those transfers that move, and once more those that have stopped.
    pub(super) fn paint(&self) {
        let mut moving: Vec<TorrentStatus> = self
            .session
            .list()
            .into_iter()
            .filter(|status| !matches!(status.state, State::Metadata | State::Checking))
            .filter(|status| {
                let told = self.book().page(status.id).painted.clone();
                let moves = status.rate_down + status.rate_up >= LEAST_RATE;
                moves || told.is_some_and(|told| told.is_behind(status.state))
            })
            .collect();
        moving.sort_by(|a, b| (b.rate_down + b.rate_up).total_cmp(&(a.rate_down + a.rate_up)));
        for status in moving.into_iter().take(MOST_AT_ONCE) {
            let (swarms, id) = (self.clone(), status.id);
            drop(runtime::spawn("picture", async move { swarms.paint_one(id).await }));
        }
    }

    async fn paint_one(&self, id: InfoHash) {
        let (Ok(peers), Ok(pieces)) = (self.session.peers(id).await, self.session.pieces(id).await) else {
            return;
        };
        let Some(status) = self.session.status(id) else { return };
        let flows = flows(&peers);
        let request = {
            let mut book = self.book();
            let Some(entry) = book.entry_of(id) else { return };
            let page = book.page(id);
            let is_full = status.state == State::Seeding || page.quarters == Some(4);
            let painted = Painted { verified: status.verified_bytes, is_full, flows };
            if page.painted.as_ref() == Some(&painted) {
                return;
            }
            page.painted = Some(painted.clone());
            Progress {
                entry,
                have: if is_full { Have::Full } else { have(&status) },
                left: if is_full { 0 } else { status.size.saturating_sub(status.verified_bytes) },
                downloaded: status.downloaded,
                uploaded: status.uploaded,
                event: None,
                pieces: (!is_full).then(|| piece_map(&pieces)).filter(|cells| !cells.is_empty()),
                flows: painted.flows,
            }
        };
        if let Err(error) = self.link.ask(request).await {
            tracing::debug!(%error, "the tracker was not shown a transfer");
        }
    }
}

/// What moves, most first.
fn flows(peers: &[PeerStatus]) -> Vec<Flow> {
    let mut moving: Vec<&PeerStatus> =
        peers.iter().filter(|peer| peer.rate_down + peer.rate_up >= LEAST_RATE).collect();
    moving.sort_by(|a, b| (b.rate_down + b.rate_up).total_cmp(&(a.rate_down + a.rate_up)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, rounded down")]
    let flow = |peer: &PeerStatus| Flow {
        peer_id: peer.peer_id,
        down: peer.rate_down as u64,
        up: peer.rate_up as u64,
    };
    moving.into_iter().take(MAX_FLOWS).map(flow).collect()
}

/// The piece map in at most [`CELLS`] cells: how much of each part is verified, from 0 to 255. Only what
/// is whole is 255.
pub fn piece_map(pieces: &Bitfield) -> Vec<u8> {
    let length = pieces.len();
    let cells = length.min(CELLS);
    let of_cell = |cell: u32| {
        let edge = |cell: u32| u64::from(cell) * u64::from(length) / u64::from(cells);
        let (first, end) = (edge(cell), edge(cell + 1));
        let there = (first..end)
            .filter_map(|piece| u32::try_from(piece).ok())
            .filter(|piece| pieces.get(PieceIndex::new(*piece)))
            .count() as u64;
        u8::try_from(there * 255 / (end - first).max(1)).unwrap_or(u8::MAX)
    };
    (0..cells).map(of_cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_few_cells_and_tells_the_truth() {
        let mut few = Bitfield::empty(3);
        few.set(PieceIndex::new(1));
        assert_eq!(piece_map(&few), [0, 255, 0]);
        let mut many = Bitfield::empty(1_000);
        assert!(piece_map(&many).iter().all(|cell| *cell == 0));
        for piece in 0..999 {
            many.set(PieceIndex::new(piece));
        }
        let shown = piece_map(&many);
        assert_eq!(shown.len(), 128);
        assert!(shown[..127].iter().all(|cell| *cell == 255) && shown[127] < 255, "{shown:?}");
        assert!(piece_map(&Bitfield::empty(0)).is_empty());
    }
}
