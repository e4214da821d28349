//! Messages to the part that deals with them; what breaks the protocol ends here.

use shared::{Bitfield, Moment, PieceIndex};
use wire::{HashRange, Message};

use crate::extensions::Extension;
use crate::holdings::Told;
use crate::io::{Breach, CloseReason, Output, PeerKey};
use crate::torrent::Torrent;
use crate::verify::MOST_HASHES;

/// Useless messages before a peer counts as hostile.
const MOST_NUISANCE: u32 = 5000;

impl Torrent {
    /// A message came from `key`.
    pub(crate) fn message(&mut self, key: PeerKey, message: Message, now: Moment) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.heard = now;
        if is_fast(&message) && !peer.identity.fast {
            self.close(key, CloseReason::Breach(Breach::FastNotAgreed), now);
            return;
        }
        if !self.content_known && is_about_pieces(&message) {
            peer.about.early.keep(&message);
            return;
        }
        match message {
            Message::Bitfield(_) | Message::HaveAll | Message::HaveNone => self.pieces(key, &message, now),
            Message::Request(range) => self.act(now, |download, upload, turn| {
                upload.request(key, range, &download.content.layout, &download.have, turn);
            }),
            Message::Cancel(range) => self.act(now, |_, upload, turn| upload.cancel(key, range, turn)),
            Message::HashRequest(range) => self.hash_request(key, range, now),
            Message::Extended { id, payload } => self.extended(key, id, &payload, now),
            Message::Port(port) => self.dht_port_told(key, port, now),
            Message::Unknown(_) | Message::Piece { .. } => self.nuisance(key, now),
            Message::KeepAlive => {}
            _ => self.act(now, |download, upload, turn| match message {
                Message::Choke => download.choked(key, turn),
                Message::Unchoke => download.unchoked(key, turn),
                Message::Interested => upload.interest(key, true, turn),
                Message::NotInterested => upload.interest(key, false, turn),
                Message::Have(index) => {
                    if let Some(piece) = download.has_now(key, index, turn) {
                        upload.has_now(key, piece, turn);
                    }
                }
                Message::Suggest(index) => {
                    if let Some(piece) = download.content.layout.piece(index) {
                        download.suggested(key, piece, turn);
                    }
                }
                Message::AllowedFast(index) => {
                    if let Some(piece) = download.content.layout.piece(index) {
                        download.allowed_fast(key, piece, turn);
                    }
                }
                Message::Reject(range) => download.rejected(key, range, turn),
                Message::Hashes(range, hashes) => download.hashes(key, &range, &hashes, turn),
                Message::HashReject(range) => download.hashes_refused(key, &range, turn),
                _ => {}
            }),
        }
    }

    fn pieces(&mut self, key: PeerKey, message: &Message, now: Moment) {
        let pieces = self.download.content.layout.pieces();
        let told = match message {
            Message::HaveAll => Told::All,
            Message::Bitfield(bytes) => {
                let Some(has) = Bitfield::from_wire(bytes, pieces) else {
                    let breach = Breach::Bitfield { bytes: bytes.len(), pieces };
                    self.close(key, CloseReason::Breach(breach), now);
                    return;
                };
                Told::Some(has)
            }
            _ => Told::None,
        };
        if self.peers.get(key).is_some_and(|peer| peer.holdings.told) {
            self.told_again(key, &told, now);
            return;
        }
        self.act(now, |download, upload, turn| {
            download.told(key, told, turn);
            if let Some(peer) = turn.peers.get(key) {
                upload.told(&peer.holdings.has);
            }
        });
    }

    /// aria2 sums up many `have` as a bitfield in the middle of a connection: what it adds counts, and
    /// nothing is taken away.
    fn told_again(&mut self, key: PeerKey, told: &Told, now: Moment) {
        let Some(peer) = self.peers.get(key) else { return };
        let has = &peer.holdings.has;
        let news: Vec<PieceIndex> = match told {
            Told::All => has.zeros().collect(),
            Told::None => Vec::new(),
            Told::Some(told) => told.ones().filter(|piece| !has.get(*piece)).collect(),
        };
        if news.is_empty() {
            self.nuisance(key, now);
            return;
        }
        self.act(now, |download, upload, turn| {
            for piece in news {
                if let Some(piece) = download.has_now(key, piece.get(), turn) {
                    upload.has_now(key, piece, turn);
                }
            }
        });
    }

    fn hash_request(&mut self, key: PeerKey, range: HashRange, now: Moment) {
        let makes_sense = self.content_known && self.is_within_a_tree(&range);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if makes_sense && peer.supply.hash_reads < MOST_HASH_READS {
            peer.supply.hash_reads += 1;
            self.out.push(Output::ReadHashes { peer: key, range });
        } else {
            self.out.send(peer, Message::HashReject(range), now);
        }
    }

    /// The shell has looked hashes up for `key`.
    pub(crate) fn hashes_read(
        &mut self,
        key: PeerKey,
        range: HashRange,
        hashes: Option<bytes::Bytes>,
        now: Moment,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.supply.hash_reads = peer.supply.hash_reads.saturating_sub(1);
        let message = match hashes {
            Some(hashes) => Message::Hashes(range, hashes),
            None => Message::HashReject(range),
        };
        self.out.send(peer, message, now);
    }

    fn is_within_a_tree(&self, range: &HashRange) -> bool {
        let trees = &self.download.content.trees;
        let Some(tree) = trees.iter().find(|tree| tree.pieces_root == range.pieces_root) else {
            return false;
        };
        let leaves = tree.length.div_ceil(u64::from(shared::BLOCK_LENGTH)).next_power_of_two();
        let height = leaves.trailing_zeros();
        let in_layer = leaves >> range.base_layer.min(63);
        let end = u64::from(range.index) + u64::from(range.length);
        range.base_layer <= height
            && range.length.is_power_of_two()
            && (2..=MOST_HASHES).contains(&range.length)
            && range.index.is_multiple_of(range.length)
            && end <= in_layer.max(2)
            && range.proof_layers <= height
    }

    /// A message of no use came from `key`: too many of them are an attack.
    pub(crate) fn nuisance(&mut self, key: PeerKey, now: Moment) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.about.nuisance += 1;
        let count = peer.about.nuisance;
        if count > MOST_NUISANCE {
            self.close(key, CloseReason::Breach(Breach::Flood { count }), now);
        }
    }
}

/// Hash requests of one peer that the shell works on at once.
const MOST_HASH_READS: u32 = 64;

fn is_fast(message: &Message) -> bool {
    matches!(
        message,
        Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::AllowedFast(_)
    )
}

fn is_about_pieces(message: &Message) -> bool {
    if let Message::Extended { id, .. } = message {
        return Extension::is_about_pieces(*id);
    }
    matches!(
        message,
        Message::Have(_)
            | Message::Bitfield(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Suggest(_)
            | Message::AllowedFast(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Input;
    use crate::rig::Rig;
    use wire::extended::HANDSHAKE_ID;
    use wire::extended::lt_donthave::LtDontHave;

    #[test]
    fn a_bitfield_in_the_middle_of_a_connection_adds_pieces_and_takes_none_away() {
        let mut rig = Rig::public();
        let peer = rig.came(1);
        let mut told = |message| {
            rig.input(Input::Message { peer, message });
            rig.torrent.peers(rig.now).first().map(|view| view.pieces)
        };
        assert_eq!(told(Message::HaveNone), Some(0));
        assert_eq!(told(Message::Have(3)), Some(1));
        assert_eq!(told(Message::Bitfield(vec![0b1100_0000].into())), Some(3));
        assert_eq!(told(Message::HaveNone), Some(3));
        assert_eq!(told(Message::HaveAll), Some(4));
        let asked = |output: &Output| matches!(output, Output::Send { message: Message::Interested, .. });
        assert!(rig.seen.iter().any(asked));
        assert_eq!(rig.closed(peer), None);
    }

    #[test]
    fn what_comes_before_the_content_is_known_counts_later_and_holds_no_buffer_until_then() {
        let mut rig = Rig::unknown();
        let peer = rig.came(1);
        let buffer = bytes::Bytes::from(vec![0b0100_0000; 256 * 1024]);
        for message in [
            Message::Bitfield(vec![0b1000_0000].into()),
            Message::Have(3),
            Message::Bitfield(buffer.slice(9..10)),
        ] {
            rig.input(Input::Message { peer, message });
        }
        assert!(buffer.is_unique(), "the buffer is held");
        rig.learn(false);
        assert_eq!(rig.torrent.peers(rig.now).first().map(|view| view.pieces), Some(3));
        assert_eq!(rig.closed(peer), None);
    }

    #[test]
    fn what_says_nothing_new_is_a_nuisance_when_it_comes_again_and_again() {
        let greeting = Message::Extended { id: HANDSHAKE_ID, payload: bytes::Bytes::from_static(b"de") };
        let lost = LtDontHave { piece: 2 }.encode().into();
        let donthave = Message::Extended { id: 3, payload: lost };
        for message in [Message::Bitfield(vec![0b1100_0000].into()), greeting, donthave] {
            let mut rig = Rig::public();
            let peer = rig.came(1);
            for _ in 0..=MOST_NUISANCE + 1 {
                rig.input(Input::Message { peer, message: message.clone() });
            }
            assert!(matches!(rig.closed(peer), Some(CloseReason::Breach(_))), "{message:?}");
        }
    }
}
