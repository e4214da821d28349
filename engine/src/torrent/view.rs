//! What the person sees of a torrent, made from the brain a few times a second.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use shared::{Bitfield, InfoHashes, Moment, PeerId, PieceIndex};
use swarm::{PeerView, Torrent};
use tokio::sync::watch;

use crate::disk::source::Source;
use crate::error::TorrentError;
use crate::status::{PeerStatus, Progress, State, TorrentStatus};
use crate::torrent::prepare::Shape;

/// How often the status is made anew while something may happen.
const REFRESH: Duration = Duration::from_millis(250);

/// The face of one torrent.
#[derive(Debug)]
pub(crate) struct View {
    sender: watch::Sender<TorrentStatus>,
    /// Overrides what the brain says.
    pub(crate) state: State,
    pub(crate) error: Option<TorrentError>,
    pub(crate) checking: Option<Progress>,
    pub(crate) path: PathBuf,
    verified_bytes: u64,
    from: BTreeMap<PeerId, u64>,
    since: Moment,
    refreshed: Moment,
}

impl View {
    /// A torrent that begins at `now` and looks as the channel's value says.
    pub(crate) fn new(sender: watch::Sender<TorrentStatus>, now: Moment) -> Self {
        let status = sender.borrow().clone();
        Self {
            sender,
            state: status.state,
            error: None,
            checking: None,
            path: status.path,
            verified_bytes: 0,
            from: BTreeMap::new(),
            since: now,
            refreshed: now,
        }
    }

    /// The content is known and these pieces are there.
    pub(crate) fn begin(&mut self, source: &Source, have: &Bitfield) {
        let layout = source.storage().layout();
        self.verified_bytes = have.ones().map(|piece| u64::from(layout.data_length(piece))).sum();
        self.checking = None;
        self.state = State::Downloading;
        let (size, pieces) = (layout.data_total(), layout.pieces());
        self.sender.send_modify(|status| {
            status.size = size;
            status.pieces = pieces;
        });
    }

    /// The torrent's own name and size are known.
    pub(crate) fn named(&mut self, shape: &Shape) {
        let layout = &shape.content.layout;
        self.state = State::Waiting;
        self.sender.send_modify(|status| {
            status.name.clone_from(&shape.name);
            status.private = shape.content.private;
            status.size = layout.data_total();
            status.pieces = layout.pieces();
        });
    }

    /// More of its names are known.
    pub(crate) fn renamed(&self, hashes: InfoHashes) {
        self.sender.send_modify(|status| status.hashes = hashes);
    }

    /// One more piece.
    pub(crate) fn verified(&mut self, source: &Source, piece: PieceIndex) {
        self.verified_bytes += u64::from(source.storage().layout().data_length(piece));
    }

    /// So many bytes less.
    pub(crate) fn lost(&mut self, bytes: u64) {
        self.verified_bytes = self.verified_bytes.saturating_sub(bytes);
    }

    /// Every byte is there, under its final name.
    pub(crate) fn complete(&mut self, path: PathBuf) {
        self.path = path;
        self.state = State::Seeding;
    }

    /// So many bytes came from this peer.
    pub(crate) fn count(&mut self, peer: PeerId, bytes: usize) {
        *self.from.entry(peer).or_default() += bytes as u64;
    }

    /// Who gave how many bytes in this run.
    pub(crate) fn from(&self) -> BTreeMap<PeerId, u64> {
        self.from.clone()
    }

    /// Bytes of data.
    pub(crate) fn size(&self) -> u64 {
        self.sender.borrow().size
    }

    /// Bytes of verified pieces.
    pub(crate) fn verified_bytes(&self) -> u64 {
        self.verified_bytes
    }

    /// Since it was added.
    pub(crate) fn elapsed(&self, now: Moment) -> Duration {
        now.since(self.since)
    }

    /// When to look again, if anything may change by itself.
    pub(crate) fn next_refresh(&self, active: bool) -> Option<Moment> {
        // Once more after the last one has gone, or its row would stay.
        (active || self.sender.borrow().peers > 0).then(|| self.refreshed + REFRESH)
    }

    /// Whether that moment has come.
    pub(crate) fn is_due(&self, now: Moment, active: bool) -> bool {
        self.next_refresh(active).is_some_and(|due| due <= now)
    }

    /// Shows how things are at `now`.
    pub(crate) fn publish(&mut self, brain: Option<&Torrent>, paused: bool, disk_full: bool, now: Moment) {
        self.refreshed = now;
        let peers = brain.map(|brain| brain.peers(now)).unwrap_or_default();
        let wanted = peers.iter().any(|peer| peer.interesting);
        let state = match self.state {
            State::Error | State::Seeding | State::Checking | State::Metadata => self.state,
            _ if disk_full || self.state == State::PausedDiskFull => State::PausedDiskFull,
            _ if paused => State::Paused,
            _ if wanted => State::Downloading,
            _ => State::Waiting,
        };
        let state = if self.checking.is_some() && state != State::Error { State::Checking } else { state };
        let state = if paused && state == State::Seeding { State::Paused } else { state };
        let mut from: Vec<_> = self.from.iter().map(|(peer, bytes)| (*peer, *bytes)).collect();
        from.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        self.sender.send_modify(|status| {
            status.state = state;
            status.verified_bytes = self.verified_bytes;
            status.rate_down = peers.iter().fold(0.0, |sum, peer| sum + peer.rate_down);
            status.rate_up = peers.iter().fold(0.0, |sum, peer| sum + peer.rate_up);
            status.seeds = peers.iter().filter(|peer| peer.complete).count();
            status.peers = peers.len();
            status.path.clone_from(&self.path);
            status.error.clone_from(&self.error);
            status.checking = self.checking;
            status.from = from;
            if let Some(brain) = brain {
                status.pieces_verified = brain.have().count();
                status.downloaded = brain.downloaded();
                status.uploaded = brain.uploaded();
                status.wasted = brain.wasted();
            }
            status.eta = eta(status.size.saturating_sub(status.verified_bytes), status.rate_down);
        });
    }

    /// One connection as the person sees it.
    pub(crate) fn peer(peer: &PeerView) -> PeerStatus {
        PeerStatus {
            peer_id: peer.peer_id,
            address: peer.address,
            listens_at: peer.listens_at,
            outgoing: peer.outgoing,
            source: peer.source,
            utp: peer.utp,
            pieces: peer.pieces,
            complete: peer.complete,
            unchokes_us: peer.unchokes_us,
            unchoked: peer.unchoked,
            interested: peer.interested,
            interesting: peer.interesting,
            snubbed: peer.snubbed,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            rate_down: peer.rate_down,
            rate_up: peer.rate_up,
            requests: peer.requests,
            queued: peer.queued,
        }
    }
}

fn eta(left: u64, rate: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = left as f64 / rate;
    (left > 0 && rate >= 1.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}
