//! What the person may see of torrents and of their peers: plain values, taken at one moment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shared::{InfoHash, InfoHashes, PeerId};
use swarm::PeerSource;

use crate::error::TorrentError;

/// What a torrent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Only the names are known; the info dictionary is being fetched from peers (BEP 9).
    Metadata,
    /// Bytes on disk are being hashed.
    Checking,
    /// Pieces are missing and somebody has them.
    Downloading,
    /// Stopped by the person.
    Paused,
    /// Stopped because the disk is full; goes on by itself.
    PausedDiskFull,
    /// Pieces are missing and nobody connected has any of them.
    Waiting,
    /// Every piece is there.
    Seeding,
    /// Cannot go on; see [`TorrentStatus::error`].
    Error,
}

/// One torrent at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TorrentStatus {
    /// What it is called in every call.
    pub id: InfoHash,
    /// Both of its names.
    pub hashes: InfoHashes,
    /// Its name. From outside: to be escaped before it is shown.
    pub name: String,
    /// Bytes of data, padding not counted; 0 while unknown.
    pub size: u64,
    /// What it is doing.
    pub state: State,
    /// Bytes of verified pieces on disk.
    pub verified_bytes: u64,
    /// Verified pieces on disk.
    pub pieces_verified: u32,
    /// All pieces; 0 while unknown.
    pub pieces: u32,
    /// Only its own tracker may name peers (BEP 27); false while unknown.
    pub private: bool,
    /// Bytes of blocks taken in since the session began, wasted ones included.
    pub downloaded: u64,
    /// Bytes of blocks given since the session began.
    pub uploaded: u64,
    /// Bytes of blocks that came twice or were false.
    pub wasted: u64,
    /// Bytes per second, now.
    pub rate_down: f64,
    /// Bytes per second, now.
    pub rate_up: f64,
    /// Connected peers that have every piece.
    pub seeds: usize,
    /// Connected peers, seeds included.
    pub peers: usize,
    /// Time until complete at this rate; `None` when nothing comes.
    pub eta: Option<Duration>,
    /// The file or folder on disk: the `.part` until complete, then the final name.
    pub path: PathBuf,
    /// Why [`State::Error`].
    pub error: Option<TorrentError>,
    /// Who gave how many bytes since the session began, most first.
    pub from: Vec<(PeerId, u64)>,
    /// Whether it was shared from this machine, as opposed to downloaded.
    pub is_share: bool,
    /// What a running check has hashed and will hash, in bytes.
    pub checking: Option<Progress>,
}

/// So much of so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// One connection at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStatus {
    /// Who it is, by its own word.
    pub peer_id: PeerId,
    /// The far end.
    pub address: SocketAddr,
    /// Where it takes connections, as far as known.
    pub listens_at: Option<SocketAddr>,
    /// Whether we dialled it.
    pub outgoing: bool,
    /// Who told us of it first; `None` when it came by itself.
    pub source: Option<PeerSource>,
    /// Whether the connection runs over uTP.
    pub utp: bool,
    /// Pieces it has.
    pub pieces: u32,
    /// Whether it has every piece.
    pub complete: bool,
    /// It answers our requests.
    pub unchokes_us: bool,
    /// We answer its requests.
    pub unchoked: bool,
    /// It wants something of ours.
    pub interested: bool,
    /// We want something of its.
    pub interesting: bool,
    /// It left our requests unanswered for too long.
    pub snubbed: bool,
    /// Bytes of blocks it gave us.
    pub downloaded: u64,
    /// Bytes of blocks we gave it.
    pub uploaded: u64,
    /// Bytes per second it gives us.
    pub rate_down: f64,
    /// Bytes per second we give it.
    pub rate_up: f64,
    /// Requests that we have waiting with it.
    pub requests: usize,
    /// Requests that it has waiting with us.
    pub queued: usize,
}

/// Bytes per second for the whole session; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Sent.
    pub up: Option<u64>,
    /// Received.
    pub down: Option<u64>,
}
