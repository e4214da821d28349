//! What others have: bitfields, haves, and how they change rarity and our interest.

use shared::{Bitfield, Moment, PieceIndex};
use std::time::Duration;
use wire::Message;

use crate::download::Download;
use crate::io::{Breach, PeerKey};
use crate::peer::Peer;
use crate::peers::Peers;
use crate::turn::Turn;

/// How long a piece counts as not there after its owner would not send it.
const REFUSAL: Duration = Duration::from_secs(10);

/// The first list of pieces that a peer sends.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// `have all`.
    All,
    /// `have none`.
    None,
    /// `bitfield`.
    Some(Bitfield),
}

impl Download {
    /// `key` told for the first time which pieces it has.
    pub(crate) fn told(&mut self, key: PeerKey, told: Told, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.holdings.told = true;
        let pieces = self.content.layout.pieces();
        peer.holdings.has = match told {
            Told::All => Bitfield::full(pieces),
            Told::None => Bitfield::empty(pieces),
            Told::Some(has) => has,
        };
        let has = &peer.holdings.has;
        if pieces > 0 && has.is_full() {
            peer.holdings.counted_as_seed = true;
            self.picker.availability.add_seed();
            peer.holdings.wanted = pieces - self.have.count() - self.given_up.count();
        } else {
            has.ones().for_each(|piece| self.picker.availability.increment(piece));
            let wanted = has.ones().filter(|piece| self.lacks(*piece)).count();
            peer.holdings.wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        }
        self.layers.ask(turn);
        self.update_interest(key, turn);
        self.fill(key, turn);
    }

    /// `key` has one piece more; returns it when that is news.
    pub(crate) fn has_now(&mut self, key: PeerKey, index: u32, turn: &mut Turn<'_>) -> Option<PieceIndex> {
        let Some(piece) = self.content.layout.piece(index) else {
            turn.breach(key, Breach::NoSuchPiece { index, pieces: self.content.layout.pieces() });
            return None;
        };
        let peer = turn.peers.get_mut(key)?;
        peer.holdings.told = true;
        if !peer.holdings.has.set(piece) {
            return None;
        }
        self.picker.availability.increment(piece);
        if !self.lacks(piece) {
            return Some(piece);
        }
        peer.holdings.wanted += 1;
        let (first, useful) = (peer.holdings.wanted == 1, self.picker.has_work(piece, key));
        if useful {
            peer.leech.exhausted = None;
        }
        if first {
            self.update_interest(key, turn);
        }
        if useful {
            self.fill(key, turn);
        }
        Some(piece)
    }

    /// Notes that `key` has one piece more when nothing follows from that, as with nearly every `have`: we
    /// have the piece too, or want other pieces of a peer that lets us ask for none. Else it changes
    /// nothing and returns false.
    pub(crate) fn note(&mut self, key: PeerKey, index: u32, peers: &mut Peers, now: Moment) -> bool {
        let Some(piece) = self.content.layout.piece(index) else { return false };
        let Some(peer) = peers.get_mut(key) else { return false };
        let lacks = self.lacks(piece);
        if lacks && (peer.holdings.wanted == 0 || !peer.permit.is_none()) {
            return false;
        }
        peer.heard = now;
        peer.holdings.told = true;
        if peer.holdings.has.set(piece) {
            peer.holdings.wanted += u32::from(lacks);
            self.picker.availability.increment(piece);
        }
        true
    }

    /// Tells `key` whether we want anything it has, if that has changed.
    pub(crate) fn update_interest(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let interested = peer.holdings.wanted > 0 && !self.halted;
        if std::mem::replace(&mut peer.leech.interested, interested) != interested {
            let message = if interested { Message::Interested } else { Message::NotInterested };
            turn.out.send(peer, message, turn.now);
        }
    }

    /// `peer` leaves: its copies do not count any more.
    pub(crate) fn forget_holdings(&mut self, peer: &Peer) {
        if peer.holdings.counted_as_seed {
            self.picker.availability.remove_seed();
        } else {
            peer.holdings.has.ones().for_each(|piece| self.picker.availability.decrement(piece));
        }
    }

    /// `key` does not have `piece` any more, which it had.
    pub(crate) fn forget_piece(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        if std::mem::replace(&mut peer.holdings.counted_as_seed, false) {
            self.picker.availability.remove_seed();
            peer.holdings.has.ones().for_each(|piece| self.picker.availability.increment(piece));
        }
        peer.holdings.has.clear(piece);
        self.picker.availability.decrement(piece);
        if self.lacks(piece) {
            peer.holdings.wanted -= 1;
        }
    }

    /// `key` would not send a piece that it said it has: for a while the piece counts as not there.
    pub(crate) fn refused(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        if !peer.holdings.has.get(piece) {
            return;
        }
        self.forget_piece(key, piece, turn);
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.leech.refused.push_back((turn.now, piece));
        self.fill(key, turn);
    }

    /// Gives peers another chance with pieces that they would not send some time ago.
    pub(crate) fn forgive(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let due = |at: &Moment| now.since(*at) >= REFUSAL;
        let keys: Vec<_> = turn
            .peers
            .values()
            .filter(|peer| peer.leech.refused.front().is_some_and(|(at, _)| due(at)))
            .map(Peer::key)
            .collect();
        for key in keys {
            let Some(peer) = turn.peers.get_mut(key) else { continue };
            let ready = peer.leech.refused.partition_point(|(at, _)| due(at));
            for (_, piece) in peer.leech.refused.drain(..ready).collect::<Vec<_>>() {
                self.has_now(key, piece.get(), turn);
            }
        }
    }
}
