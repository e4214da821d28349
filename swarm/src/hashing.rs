//! Leaf hashes from other peers, asked for ahead of need (BEP 52).
//!
//! Remembers who was asked for which range, asks somebody else after a refusal or a silence, and
//! hands what comes to the verifier. Never judges a block.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use shared::{Moment, PieceIndex};
use wire::{HashRange, Message};

use crate::io::{Breach, PeerKey};
use crate::peer::Peer;
use crate::turn::Turn;
use crate::verify::Verifier;

/// Silence after which somebody else is asked.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a peer that did not answer is not asked again.
const GRUDGE: Duration = Duration::from_secs(30);
/// Requests for hashes under way at once.
const MOST_OPEN: usize = 256;

#[derive(Debug, Clone)]
struct Open {
    peer: PeerKey,
    asked_at: Moment,
    piece: PieceIndex,
}

/// Hash requests under way.
#[derive(Debug, Default)]
pub(crate) struct HashRequests {
    open: BTreeMap<HashRange, Open>,
    pieces: BTreeMap<PieceIndex, usize>,
    /// Answers that are late but not unasked for.
    stale: BTreeSet<(PeerKey, HashRange)>,
}

impl HashRequests {
    /// Whether leaves of `piece` are on their way.
    pub(crate) fn is_waiting(&self, piece: PieceIndex) -> bool {
        self.pieces.contains_key(&piece)
    }

    /// Asks for the leaves of `piece` that are not known: `first` if it can answer, else another that
    /// has the piece.
    pub(crate) fn ask(
        &mut self,
        piece: PieceIndex,
        first: Option<PeerKey>,
        verifier: &Verifier,
        turn: &mut Turn<'_>,
    ) {
        for range in verifier.missing(piece) {
            if self.open.len() >= MOST_OPEN || self.open.contains_key(&range) {
                continue;
            }
            let now = turn.now;
            let able = |peer: &&Peer| {
                peer.identity.v2
                    && peer.holdings.has.get(piece)
                    && peer.about.refused_hashes.is_none_or(|at| now.since(at) >= GRUDGE)
            };
            let preferred = first.and_then(|first| turn.peers.get(first)).filter(able);
            let Some(peer) = preferred.or_else(|| turn.peers.values().find(able)).map(Peer::key) else {
                return;
            };
            self.open.insert(range, Open { peer, asked_at: turn.now, piece });
            *self.pieces.entry(piece).or_default() += 1;
            turn.send(peer, Message::HashRequest(range));
        }
    }

    /// Hashes came: the pieces whose leaves are known now.
    pub(crate) fn answered(
        &mut self,
        peer: PeerKey,
        range: &HashRange,
        hashes: &Bytes,
        verifier: &mut Verifier,
        turn: &mut Turn<'_>,
    ) -> Vec<PieceIndex> {
        let asked = self.open.get(range).is_some_and(|open| open.peer == peer);
        if asked {
            self.close(range);
        } else if !self.stale.remove(&(peer, *range)) {
            turn.breach(peer, Breach::FalseHashes);
            return Vec::new();
        }
        verifier.learn(range, hashes).unwrap_or_else(|| {
            turn.breach(peer, Breach::FalseHashes);
            Vec::new()
        })
    }

    /// `peer` will not answer; returns the piece that somebody else should be asked about.
    pub(crate) fn refused(
        &mut self,
        peer: PeerKey,
        range: &HashRange,
        turn: &mut Turn<'_>,
    ) -> Option<PieceIndex> {
        if let Some(peer) = turn.peers.get_mut(peer) {
            peer.about.refused_hashes = Some(turn.now);
        }
        self.stale.remove(&(peer, *range));
        let piece = self.open.get(range).filter(|open| open.peer == peer)?.piece;
        self.close(range);
        Some(piece)
    }

    /// `peer` has left; returns the pieces that somebody else should be asked about.
    pub(crate) fn left(&mut self, peer: PeerKey) -> Vec<PieceIndex> {
        self.stale.retain(|(asked, _)| *asked != peer);
        self.close_where(|open| open.peer == peer).into_iter().map(|(_, open)| open.piece).collect()
    }

    /// Gives up those who have been silent; returns the pieces that others should be asked about.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) -> Vec<PieceIndex> {
        let now = turn.now;
        let late = self.close_where(|open| now.since(open.asked_at) >= PATIENCE);
        for (range, open) in &late {
            self.stale.insert((open.peer, *range));
            if let Some(peer) = turn.peers.get_mut(open.peer) {
                peer.about.refused_hashes = Some(turn.now);
            }
        }
        late.into_iter().map(|(_, open)| open.piece).collect()
    }

    fn close_where(&mut self, which: impl Fn(&Open) -> bool) -> Vec<(HashRange, Open)> {
        let chosen: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| which(open))
            .map(|(range, open)| (*range, open.clone()))
            .collect();
        for (range, _) in &chosen {
            self.close(range);
        }
        chosen
    }

    fn close(&mut self, range: &HashRange) {
        let Some(open) = self.open.remove(range) else { return };
        if let Some(count) = self.pieces.get_mut(&open.piece) {
            *count -= 1;
            if *count == 0 {
                self.pieces.remove(&open.piece);
            }
        }
    }
}
