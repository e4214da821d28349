//! Pieces that somebody had and has lost (BEP 54): ours, because a file has changed or cannot be read
//! any more, and those of others.
//!
//! What we lost is told to everybody who may ask for it. It is fetched again only when the shell says
//! so: a file that belongs to the person is not written over.

use bytes::Bytes;
use shared::{Moment, PieceIndex};
use wire::Message;
use wire::extended::lt_donthave::LtDontHave;

use crate::download::Download;
use crate::extensions::Extension;
use crate::io::{Breach, CloseReason, PeerKey};
use crate::outbox::range_of;
use crate::peer::Peer;
use crate::torrent::Torrent;
use crate::turn::Turn;
use crate::upload::Upload;

impl Torrent {
    /// `piece` is not on disk any more; `again` says whether it is to be fetched again.
    pub(crate) fn piece_lost(&mut self, piece: PieceIndex, again: bool, now: Moment) {
        let was_complete = self.download.is_complete();
        let mut deaf = Vec::new();
        self.act(now, |download, upload, turn| {
            if !download.have.clear(piece) {
                return;
            }
            upload.lost(piece, turn);
            for peer in turn.peers.values_mut().filter(|peer| !peer.holdings.has.get(piece)) {
                let payload = LtDontHave { piece: piece.get() }.encode();
                if let Some(message) = peer.extended(Extension::DontHave, payload) {
                    turn.out.send(peer, message, turn.now);
                } else if !peer.identity.fast {
                    // It would wait for an answer for ever: a new connection begins with what we have.
                    deaf.push(peer.key());
                }
            }
            if again {
                download.want_again(piece, turn);
            } else {
                download.given_up.set(piece);
            }
        });
        for key in deaf {
            self.close(key, CloseReason::Anew, now);
        }
        if was_complete && !self.download.is_complete() {
            self.upload.spread = None;
            self.peers.values_mut().for_each(|peer| peer.supply.promised.clear());
        }
    }

    /// `piece`, which was lost and given up, is on disk again.
    pub(crate) fn piece_found(&mut self, piece: PieceIndex, now: Moment) {
        if !self.download.given_up.clear(piece) || !self.download.have.set(piece) {
            return;
        }
        if let Some(spread) = &mut self.upload.spread {
            spread.offer(piece);
        }
        for peer in self.peers.values_mut() {
            self.out.send(peer, Message::Have(piece.get()), now);
        }
    }

    /// A message of the extension came from `key`: it has lost a piece.
    pub(crate) fn dont_have(&mut self, key: PeerKey, payload: &Bytes, now: Moment) {
        let Ok(LtDontHave { piece: index }) = LtDontHave::decode(payload) else {
            self.nuisance(key, now);
            return;
        };
        let Some(piece) = self.download.content.layout.piece(index) else {
            let pieces = self.download.content.layout.pieces();
            self.close(key, CloseReason::Breach(Breach::NoSuchPiece { index, pieces }), now);
            return;
        };
        let mut is_news = false;
        self.act(now, |download, upload, turn| {
            let Some(peer) = turn.peers.get_mut(key) else { return };
            peer.about.useless_since = None;
            is_news = download.has_no_more(key, piece, turn);
            if is_news {
                upload.has_no_more(piece);
            }
        });
        if !is_news {
            self.nuisance(key, now);
        }
    }
}

impl Download {
    /// A piece that was lost is wanted again.
    fn want_again(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        self.picker.want(piece);
        for peer in turn.peers.values_mut().filter(|peer| peer.holdings.has.get(piece)) {
            peer.holdings.wanted += 1;
            peer.leech.exhausted = None;
        }
        for key in turn.peers.keys().collect::<Vec<_>>() {
            self.update_interest(key, turn);
            self.fill(key, turn);
        }
    }

    /// `key` has a piece less; says whether it had it. What it was asked for of it is asked of others.
    fn has_no_more(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) -> bool {
        let Some(peer) = turn.peers.get_mut(key) else { return false };
        let refusals = peer.leech.refused.len();
        peer.leech.refused.retain(|(_, refused)| *refused != piece);
        peer.leech.suggested.retain(|suggested| *suggested != piece);
        peer.permit.allowed_fast.remove(&piece);
        if peer.permit.is_none() {
            self.hungry.remove(&key);
        }
        if !peer.holdings.has.get(piece) {
            return peer.leech.refused.len() < refusals;
        }
        if peer.leech.current == Some(piece) {
            peer.leech.current = None;
        }
        self.forget_piece(key, piece, turn);
        self.withdraw_piece(key, piece, turn);
        self.update_interest(key, turn);
        self.fill(key, turn);
        true
    }
}

impl Upload {
    /// `piece` cannot be given any more.
    fn lost(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        if let Some(spread) = &mut self.spread {
            spread.withdraw(piece);
        }
        for peer in turn.peers.values_mut() {
            peer.supply.promised.remove(&piece);
            self.drop_requests(peer, piece, turn.now, turn.out);
        }
    }

    fn drop_requests(
        &mut self,
        peer: &mut Peer,
        piece: PieceIndex,
        now: Moment,
        out: &mut crate::outbox::Outbox,
    ) {
        let queue = std::mem::take(&mut peer.supply.queue);
        let (dropped, kept): (Vec<_>, Vec<_>) = queue.into_iter().partition(|span| span.piece() == piece);
        peer.supply.queue = kept.into();
        for span in &dropped {
            let bytes = u64::from(span.length());
            peer.supply.queued -= bytes;
            self.queued -= bytes;
            self.stirred = true;
            if peer.identity.fast {
                out.send(peer, Message::Reject(range_of(*span)), now);
            }
        }
        if !dropped.is_empty() && peer.supply.queue.is_empty() {
            let key = peer.key();
            self.ring.retain(|waiting| *waiting != key);
        }
    }
}
