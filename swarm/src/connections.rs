//! The coming and going of connections: who may stay, whom to dial, who has been silent.

use shared::{Moment, PeerId};
use std::time::Duration;
use wire::Message;

use crate::io::{CloseReason, Input, Output, PeerKey};
use crate::peer::{Identity, Peer};
use crate::torrent::Torrent;

/// Silence after which an old connection gives way to a new one of the same peer.
const STALE: Duration = Duration::from_secs(5);
/// Pieces that are told one by one when the content becomes known during a connection.
const MOST_LATE: u32 = 4096;
/// How long an address is left alone that turned out to be ourselves, or complete as we are.
const LONG_REST: Duration = Duration::from_secs(1800);

impl Torrent {
    /// A connection has shaken hands: it stays unless there is a reason against it.
    pub(crate) fn connected(&mut self, input: &Input, now: Moment) {
        let Input::Connected { peer, peer_id, address, outgoing, fast, extended, v2, dht, utp } = *input
        else {
            return;
        };
        let identity = Identity { key: peer, peer_id, address, outgoing, fast, extended, v2, dht, utp };
        if let Some(reason) = self.reason_against(&identity, now) {
            if outgoing {
                if reason == CloseReason::Duplicate {
                    self.list.connected(address, now);
                } else {
                    self.list.shun(address, now + LONG_REST);
                }
            }
            self.out.push(Output::Close { peer, reason });
            return;
        }
        if outgoing {
            self.list.connected(address, now);
        }
        let pieces = self.download.content.layout.pieces();
        self.peers.insert(peer, Peer::new(identity, pieces, self.config.max_requests_in_flight, now));
        self.tell_pieces(peer, now);
        self.greet(peer, now);
        self.tell_dht_port(peer, now);
    }

    fn reason_against(&mut self, new: &Identity, now: Moment) -> Option<CloseReason> {
        if self.stopped {
            return Some(CloseReason::Stopped);
        }
        if self.paused {
            return Some(CloseReason::Paused);
        }
        if new.peer_id == self.config.peer_id {
            return Some(CloseReason::OwnPeerId);
        }
        if self.list.is_banned(&new.who()) {
            return Some(CloseReason::Banned);
        }
        if self.is_forbidden(new) {
            return Some(CloseReason::Private);
        }
        let old = self.peers.values().find(|peer| peer.identity.peer_id == new.peer_id);
        if let Some(old) = old {
            let key = old.key();
            if !newcomer_wins(old, new, &self.config.peer_id, now) {
                if let Some(old) = self.peers.get_mut(key).filter(|_| new.outgoing) {
                    old.about.dial_addresses.insert(new.address);
                }
                return Some(CloseReason::Duplicate);
            }
            self.close(key, CloseReason::Duplicate, now);
        }
        (self.peers.len() >= self.config.max_connections).then_some(CloseReason::TooMany)
    }

    /// The first message of a connection: what we have.
    pub(crate) fn tell_pieces(&mut self, key: PeerKey, now: Moment) {
        let hides = self.hides_from(key, now);
        let Some(peer) = self.peers.get_mut(key) else { return };
        let have = &self.download.have;
        let told = if hides { 0 } else { have.count() };
        let message = match (peer.identity.fast, told) {
            (true, 0) => Message::HaveNone,
            (true, _) if have.is_full() => Message::HaveAll,
            (false, 0) => return,
            _ => Message::Bitfield(bytes::Bytes::copy_from_slice(have.as_bytes())),
        };
        self.out.send(peer, message, now);
    }

    /// The content has become known: what of it was here already is told piece by piece, as a list may
    /// only be the first message.
    pub(crate) fn tell_late(&mut self, now: Moment) {
        let few = self.download.have.count() <= MOST_LATE;
        for key in self.peers.keys().collect::<Vec<_>>() {
            if !few || self.peers.get(key).is_some_and(|peer| peer.about.early.lost) {
                self.close(key, CloseReason::Anew, now);
            } else if let Some(peer) = self.peers.get_mut(key) {
                for piece in self.download.have.ones() {
                    self.out.send(peer, Message::Have(piece.get()), now);
                }
            }
        }
    }

    /// Ends a connection on our side.
    pub(crate) fn close(&mut self, key: PeerKey, reason: CloseReason, now: Moment) {
        if let Some(peer) = self.peers.get(key) {
            self.out.close(peer, reason);
            let rest = match reason {
                CloseReason::BothComplete => Some(LONG_REST),
                CloseReason::Breach(_) => Some(self.config.address_ban),
                _ => None,
            };
            let address = peer.identity.address;
            self.disconnected(key, now);
            if let Some(rest) = rest {
                self.list.shun(address, now + rest);
            }
        }
    }

    /// A connection is no more.
    pub(crate) fn disconnected(&mut self, key: PeerKey, now: Moment) {
        let Some(peer) = self.peers.remove(key) else { return };
        self.seen_as = None;
        self.act(now, |download, upload, turn| {
            upload.left(&peer);
            download.left(&peer, turn);
        });
        let lasted = now.since(peer.about.connected);
        // Most clients end a connection between two that are complete before we do.
        let useless = self.content_known && self.download.is_complete() && peer.is_complete();
        let dialled = peer.identity.outgoing.then_some(peer.identity.address);
        for address in dialled.into_iter().chain(peer.about.dial_addresses) {
            if useless {
                self.list.shun(address, now + LONG_REST);
            } else {
                self.list.disconnected(address, lasted, &mut self.dice, now);
            }
        }
        self.seek_metadata(now);
    }

    /// Something came from `key`.
    pub(crate) fn heard(&mut self, key: PeerKey, now: Moment) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.heard = now;
        }
    }

    /// Once a second: keep-alives, the silent, and those that need nothing of us nor we of them.
    pub(crate) fn look_after_connections(&mut self, now: Moment) {
        let complete = self.content_known && self.download.is_complete();
        let mut ending = Vec::new();
        for peer in self.peers.values_mut() {
            if now.since(peer.heard) >= self.config.silence_limit {
                ending.push((peer.key(), CloseReason::Silent));
            } else if now.since(peer.spoke) >= self.config.keep_alive {
                self.out.send(peer, Message::KeepAlive, now);
            }
            if !complete || peer.wants_something() {
                peer.about.useless_since = None;
            } else {
                let since = *peer.about.useless_since.get_or_insert(now);
                if now.since(since) >= self.config.complete_idle {
                    ending.push((peer.key(), CloseReason::BothComplete));
                }
            }
        }
        for (peer, reason) in ending {
            self.close(peer, reason, now);
        }
    }

    /// Whether another address may be dialled.
    pub(crate) fn has_room_to_dial(&self) -> bool {
        self.list.dialling() < self.config.max_dialling
            && self.peers.len() + self.list.dialling() < self.config.max_outgoing
    }

    /// Dials those whose time has come.
    pub(crate) fn dial(&mut self, now: Moment) {
        while !self.paused && !self.stopped && self.has_room_to_dial() {
            let Some(address) = self.list.next(now) else { return };
            let is_there = |peer: &&mut Peer| peer.listens_at() == Some(address);
            if let Some(peer) = self.peers.values_mut().find(is_there) {
                // It came by itself; when it leaves, this is where it can be found.
                if !peer.identity.outgoing {
                    peer.about.dial_addresses.insert(address);
                }
                self.list.connected(address, now);
            } else {
                self.out.push(Output::Dial { address });
            }
        }
    }
}

/// Of two connections to one peer both sides must keep the same one: when they crossed, the one that
/// the greater peer id dialled; otherwise the old one, unless it has gone silent. Everybody it speaks to
/// knows its id: from elsewhere, silence that every connection has now and then proves nothing.
fn newcomer_wins(old: &Peer, new: &Identity, ours: &PeerId, now: Moment) -> bool {
    if now.since(old.heard) >= STALE && new.who() == old.identity.who() {
        return true;
    }
    old.identity.outgoing != new.outgoing && new.outgoing == (*ours > old.identity.peer_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::PeerSource;
    use crate::rig::{Rig, Shake, address};

    const THERE: [&str; 2] = ["10.0.0.5:4001", "10.0.0.5:4002"];
    const ELSEWHERE: [&str; 2] = ["10.0.0.9:4001", "10.0.0.9:4002"];

    /// The peer gives a whole piece, none of which is true.
    fn lies(rig: &mut Rig, peer: PeerKey) -> Vec<Output> {
        rig.input(Input::Message { peer, message: Message::HaveAll });
        let mut waiting = rig.input(Input::Message { peer, message: Message::Unchoke });
        let mut told = Vec::new();
        while let Some(output) = waiting.pop() {
            let news = match &output {
                Output::Send { message: Message::Request(range), .. } => {
                    let data = vec![1; range.length as usize].into();
                    Some(Input::Block { peer, range: *range, data, leaf: None })
                }
                Output::Write { block, .. } => Some(Input::Written { block: *block }),
                Output::HashPiece { piece } => {
                    Some(Input::PieceHashed { piece: *piece, sha1: Some([1; 20]) })
                }
                _ => None,
            };
            told.push(output);
            waiting.extend(news.into_iter().flat_map(|news| rig.input(news)));
        }
        told
    }

    #[test]
    fn the_id_of_a_quiet_peer_gives_nobody_elsewhere_its_place() {
        let mut rig = Rig::public();
        let peer = rig.connect_from(THERE[0], Shake::default());
        rig.now = rig.now + STALE;
        let stranger = rig.connect_from(ELSEWHERE[0], Shake::default());
        assert_eq!((rig.closed(peer), rig.closed(stranger)), (None, Some(CloseReason::Duplicate)));
        let again = rig.connect_from(THERE[1], Shake::default());
        assert_eq!((rig.closed(peer), rig.closed(again)), (Some(CloseReason::Duplicate), None));
        // It has another address now, and the old connection is known to be gone.
        rig.input(Input::Disconnected { peer: again });
        let moved = rig.connect_from(ELSEWHERE[1], Shake::default());
        assert_eq!(rig.closed(moved), None);
    }

    #[test]
    fn who_lies_under_the_id_of_another_is_banned_and_the_other_is_not() {
        let mut rig = Rig::public();
        let liar = rig.connect_from(ELSEWHERE[0], Shake::default());
        let told = lies(&mut rig, liar);
        assert!(told.iter().any(|told| matches!(told, Output::Alert(crate::io::Alert::Banned { .. }))));
        assert_eq!(rig.closed(liar), Some(CloseReason::Banned));
        let again = rig.connect_from(ELSEWHERE[1], Shake::default());
        assert_eq!(rig.closed(again), Some(CloseReason::Banned), "from another port");
        let peer = rig.connect_from(THERE[0], Shake::default());
        assert_eq!(rig.closed(peer), None);
    }

    #[test]
    fn whoever_is_complete_and_leaves_us_who_are_too_is_left_alone() {
        for (message, dials) in [(Message::HaveAll, 1), (Message::HaveNone, 2)] {
            let mut rig = Rig::complete();
            rig.input(Input::PeersFound { addresses: vec![address(1)], source: PeerSource::Tracker });
            let peer = rig.dialled(1);
            rig.input(Input::Message { peer, message });
            rig.input(Input::Disconnected { peer });
            rig.pass(30);
            assert_eq!(rig.dials().len(), dials);
        }
    }
}
