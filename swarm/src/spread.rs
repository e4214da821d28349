//! What a complete peer tells others to ask for, so that it sends each piece once before any twice.
//!
//! Everybody sees the same rare pieces and would ask the only source for the same ones. The source
//! alone knows what is on its way already, so it names to each peer it answers the pieces that are
//! rarest, those promised to others counted as sent (BEP 6 `suggest`). Advice only: whatever is asked
//! for is sent.

use shared::{Bitfield, PieceIndex};
use wire::Message;

use crate::availability::Availability;
use crate::io::PeerKey;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::turn::Turn;
use crate::upload::Upload;

/// Interested peers below which there is nobody to keep apart.
const LEAST_CROWD: usize = 2;
/// Seconds' worth of pieces that a peer is told ahead, as a divisor.
const AHEAD_DIVISOR: u64 = 8;

/// Untaken pieces that a peer knows of at least which knows only what is revealed to it.
const LEAST_REVEALED: u64 = 2;

/// How many peers have, or have been promised, each piece.
#[derive(Debug)]
pub(crate) struct Spread {
    copies: Availability,
    piece_length: u64,
}

impl Spread {
    /// Counts what `peers` have of `pieces` pieces.
    pub(crate) fn new(pieces: u32, piece_length: u32, peers: &Peers) -> Self {
        let mut copies = Availability::new(pieces);
        for piece in (0..pieces).map(PieceIndex::new) {
            copies.add_candidate(piece);
        }
        for piece in peers.values().flat_map(|peer| peer.holdings.has.ones()) {
            copies.increment(piece);
        }
        Self { copies, piece_length: u64::from(piece_length.max(1)) }
    }
}

impl Spread {
    /// `piece` is not here any more: nobody is told to ask for it.
    pub(crate) fn withdraw(&mut self, piece: PieceIndex) {
        self.copies.remove_candidate(piece);
    }

    /// `piece` is here again.
    pub(crate) fn offer(&mut self, piece: PieceIndex) {
        self.copies.add_candidate(piece);
    }
}

impl Upload {
    /// Somebody has lost `piece`.
    pub(crate) fn has_no_more(&mut self, piece: PieceIndex) {
        if let Some(spread) = &mut self.spread {
            spread.copies.decrement(piece);
        }
    }

    /// `key` has told all its pieces.
    pub(crate) fn told(&mut self, has: &Bitfield) {
        if let Some(spread) = &mut self.spread {
            has.ones().for_each(|piece| spread.copies.increment(piece));
        }
    }

    /// `key` has `piece` now: a promise is kept, or somebody else was faster.
    pub(crate) fn has_now(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        self.seen_elsewhere(key, piece, turn);
        let Some(spread) = &mut self.spread else { return };
        let promised = turn.peers.get_mut(key).and_then(|peer| peer.supply.promised.remove(&piece));
        if promised.is_none() {
            spread.copies.increment(piece);
        }
        if promised == Some(false) {
            self.advise(key, turn);
        }
    }

    /// `peer` will not fetch what it was promised.
    pub(crate) fn break_promises(&mut self, peer: &mut Peer) {
        let Some(spread) = &mut self.spread else { return };
        for piece in std::mem::take(&mut peer.supply.promised).into_keys() {
            spread.copies.decrement(piece);
        }
    }

    /// `peer` has left with all it has.
    pub(crate) fn forget_copies(&mut self, peer: &Peer) {
        let Some(spread) = &mut self.spread else { return };
        for piece in peer.supply.promised.keys().copied().chain(peer.holdings.has.ones()) {
            spread.copies.decrement(piece);
        }
    }

    /// Tells `key` what to ask for next, as far ahead as it is fast.
    pub(crate) fn advise(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let crowd = self.waiting.len() + self.unchoked.len();
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let hidden = peer.supply.revealed.is_some();
        let heeds = hidden || (crowd >= LEAST_CROWD && peer.identity.fast && !turn.config.classic_choke);
        let Some(spread) = self.spread.as_mut().filter(|_| heeds) else { return };
        let rate = crate::slots::whole(peer.supply.rate.per_second(turn.now));
        let ahead = 1 + rate / AHEAD_DIVISOR / spread.piece_length;
        let untaken = peer.supply.promised.values().filter(|taken| !**taken).count() as u64;
        let ahead = if hidden { ahead.max(LEAST_REVEALED) } else { ahead };
        for _ in untaken..ahead {
            let revealed = peer.supply.revealed.as_ref();
            if crowd >= LEAST_CROWD && revealed.is_some_and(|revealed| revealed.must_wait(ahead, turn.now)) {
                return;
            }
            let lacks = |piece: PieceIndex| {
                !peer.holdings.has.get(piece)
                    && !peer.supply.promised.contains_key(&piece)
                    && !revealed.is_some_and(|revealed| revealed.knows(piece))
            };
            let Some(piece) = spread.copies.rarest(lacks, turn.dice) else { return };
            spread.copies.increment(piece);
            peer.supply.promised.insert(piece, false);
            match &mut peer.supply.revealed {
                Some(revealed) => {
                    revealed.tell(piece, turn.now);
                    turn.out.send(peer, Message::Have(piece.get()), turn.now);
                }
                None => turn.out.send(peer, Message::Suggest(piece.get()), turn.now),
            }
        }
    }

    /// `key` has asked for a part of `piece`.
    pub(crate) fn taken(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        if self.spread.is_none() {
            return;
        }
        let promise = turn.peers.get_mut(key).and_then(|peer| peer.supply.promised.get_mut(&piece));
        if promise.is_some_and(|taken| !std::mem::replace(taken, true)) {
            self.advise(key, turn);
        }
    }
}
