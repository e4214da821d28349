//! One torrent: composes the parts and is the only face of this crate.

use std::net::SocketAddr;
use std::sync::Arc;

use shared::{Bitfield, InfoHashes, Moment, PeerId};

use crate::config::TorrentConfig;
use crate::content::Content;
use crate::io::{Input, Output, PeerKey};

/// What a torrent knows when it starts.
#[derive(Debug, Clone)]
pub struct TorrentStart {
    /// Its names.
    pub hashes: InfoHashes,
    /// Its content; `None` when only the names are known (BEP 9 fetches the rest).
    pub content: Option<Arc<Content>>,
    /// The pieces that are on disk and verified; none when the length does not fit.
    pub have: Bitfield,
    /// Starts as after a pause.
    pub paused: bool,
}

/// One connection as the person may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerView {
    /// The connection.
    pub peer: PeerKey,
    /// Who it is, by its own word.
    pub peer_id: PeerId,
    /// The far end.
    pub address: SocketAddr,
    /// Whether we dialled it.
    pub outgoing: bool,
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

/// The brain of one torrent; see the head of the crate for how it is driven.
#[derive(Debug)]
pub struct Torrent {
    start: TorrentStart,
}

impl Torrent {
    /// A torrent at the moment `now`. `seed` is all its dice come from.
    pub fn new(config: TorrentConfig, start: TorrentStart, seed: u64, now: Moment) -> Self {
        let _ = (config, seed, now);
        Self { start }
    }

    /// Takes in one thing that happened.
    pub fn handle_input(&mut self, input: Input, now: Moment) {
        let _ = (input, now);
    }

    /// The next thing to do; call until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Timeout`] should come if nothing else does.
    pub fn next_timeout(&self) -> Option<Moment> {
        None
    }

    /// The pieces that are written and verified.
    pub fn have(&self) -> &Bitfield {
        &self.start.have
    }

    /// Every connection.
    pub fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    /// How many connected peers have each piece, ourselves not counted.
    pub fn availability(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Bytes of blocks taken in, those that were thrown away included.
    pub fn downloaded(&self) -> u64 {
        0
    }

    /// Bytes of blocks handed to the network.
    pub fn uploaded(&self) -> u64 {
        0
    }

    /// Bytes of blocks that came twice or were false.
    pub fn wasted(&self) -> u64 {
        0
    }
}
