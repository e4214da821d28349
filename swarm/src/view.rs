//! What the person may see of a torrent's connections. Only reads.

use std::net::SocketAddr;

use shared::{Moment, PeerId, PieceIndex};

use crate::io::{PeerKey, PeerSource};
use crate::torrent::Torrent;

/// One connection as the person may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerView {
    /// The connection.
    pub peer: PeerKey,
    /// Who it is, by its own word.
    pub peer_id: PeerId,
    /// The far end.
    pub address: SocketAddr,
    /// Where it takes connections, as far as known.
    pub listens_at: Option<SocketAddr>,
    /// What it calls itself (BEP 10). From outside: to be escaped before it is shown.
    pub client: Option<String>,
    /// Whether we dialled it.
    pub outgoing: bool,
    /// Who told of it first, as far as we know where it listens; `None` when it came by itself.
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
    /// Bytes of blocks that it gave us.
    pub downloaded: u64,
    /// Bytes of blocks that we gave it.
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

impl Torrent {
    /// Every connection at `now`.
    pub fn peers(&self, now: Moment) -> Vec<PeerView> {
        self.peers
            .values()
            .map(|peer| PeerView {
                peer: peer.key(),
                peer_id: peer.identity.peer_id,
                address: peer.identity.address,
                listens_at: peer.listens_at(),
                client: peer.said.as_ref().and_then(|said| said.version.clone()),
                outgoing: peer.identity.outgoing,
                source: peer.listens_at().and_then(|address| self.list.source(address)),
                utp: peer.identity.utp,
                pieces: peer.holdings.has.count(),
                complete: peer.is_complete(),
                unchokes_us: peer.leech.unchoked,
                unchoked: peer.supply.unchoked,
                interested: peer.supply.interested,
                interesting: peer.leech.interested,
                snubbed: peer.leech.pipeline.is_snubbed(),
                downloaded: peer.leech.rate.total(),
                uploaded: peer.supply.rate.total(),
                rate_down: peer.leech.rate.per_second(now),
                rate_up: peer.supply.rate.per_second(now),
                requests: peer.leech.requests.len(),
                queued: peer.supply.queue.len(),
            })
            .collect()
    }

    /// How many connected peers have each piece, ourselves not counted.
    pub fn availability(&self) -> Vec<u32> {
        (0..self.download.content.layout.pieces())
            .map(|index| self.download.picker.availability.copies(PieceIndex::new(index)))
            .collect()
    }
}
