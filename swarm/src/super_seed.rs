//! Super seeding (BEP 16): a source that is the only one looks as if it had nothing, and reveals to each
//! peer a few pieces at a time, those that are rarest, so that it sends each piece once before any twice.
//!
//! What [`crate::spread`] advises those who heed suggestions, this makes others do: they can ask only for
//! what they know of. It ends for good when somebody else has everything, when every piece is somewhere
//! in the crowd, or when there is no crowd; whatever is asked for is sent all the same.

use std::time::Duration;

use shared::{Bitfield, Moment, PieceIndex};
use wire::Message;

use crate::config::SuperSeed;
use crate::io::PeerKey;
use crate::peer::{Identity, Peer};
use crate::torrent::Torrent;
use crate::turn::Turn;
use crate::upload::Upload;

/// What our own peers are called: they heed suggestions.
const OURS: &[u8] = b"-EJ";
/// Pieces above which the `have` messages at the end would be too many.
const MOST_PIECES: u32 = 16 * 1024;
/// How long a peer may be alone before nothing is hidden from it any more.
const ALONE: Duration = Duration::from_secs(5);
/// Revealed pieces that nobody else has seen yet, above which a peer waits for others to get them.
const MOST_UNSPREAD: usize = 4;
/// ... and how long it waits at most: who can pass nothing on is not punished for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is revealed to one peer.
#[derive(Debug, Clone)]
pub(crate) struct Revealed {
    told: Bitfield,
    /// Pieces among them that have not been seen with anybody else.
    unspread: Vec<PieceIndex>,
    last: Moment,
}

impl Revealed {
    fn nothing(pieces: u32, now: Moment) -> Self {
        Self { told: Bitfield::empty(pieces), unspread: Vec::new(), last: now }
    }

    /// Whether it knows of `piece`.
    pub(crate) fn knows(&self, piece: PieceIndex) -> bool {
        self.told.get(piece)
    }

    /// `piece` is revealed now.
    pub(crate) fn tell(&mut self, piece: PieceIndex, now: Moment) {
        self.told.set(piece);
        self.unspread.push(piece);
        self.last = now;
    }

    /// Whether others should get what it was told before it is told more.
    pub(crate) fn must_wait(&self, ahead: u64, now: Moment) -> bool {
        let most = MOST_UNSPREAD.max(usize::try_from(ahead).unwrap_or(usize::MAX).saturating_mul(2));
        self.unspread.len() >= most && now.since(self.last) < PATIENCE
    }
}

impl Upload {
    /// Somebody has `piece`: those to whom it was revealed have passed it on.
    pub(crate) fn seen_elsewhere(&mut self, by: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        if self.hidden == 0 {
            return;
        }
        let mut passed_on = Vec::new();
        for peer in turn.peers.values_mut().filter(|peer| peer.key() != by) {
            let key = peer.key();
            let Some(revealed) = &mut peer.supply.revealed else { continue };
            if let Some(at) = revealed.unspread.iter().position(|unspread| *unspread == piece) {
                revealed.unspread.swap_remove(at);
                passed_on.push(key);
            }
        }
        for key in passed_on {
            self.advise(key, turn);
        }
    }

    /// Nothing is hidden from anybody any more.
    fn reveal_all(&mut self, have: &Bitfield, turn: &mut Turn<'_>) {
        for peer in turn.peers.values_mut() {
            let Some(revealed) = peer.supply.revealed.take() else { continue };
            for piece in have.ones().filter(|piece| !revealed.knows(*piece)) {
                turn.out.send(peer, Message::Have(piece.get()), turn.now);
            }
        }
        self.hidden = 0;
    }
}

impl Torrent {
    /// Whether a new peer is not told what we have; it is booked as such then.
    pub(crate) fn hides_from(&mut self, key: PeerKey, now: Moment) -> bool {
        let wanted = match self.config.super_seed {
            SuperSeed::Off => false,
            SuperSeed::On => true,
            SuperSeed::Auto => !self.config.classic_choke,
        };
        let pieces = self.download.content.layout.pieces();
        let possible =
            self.content_known && (2..=MOST_PIECES).contains(&pieces) && self.download.is_complete();
        if !wanted || !possible || self.upload.revealed_for_good {
            return false;
        }
        let always = self.config.super_seed == SuperSeed::On;
        let Some(peer) = self.peers.get_mut(key).filter(|peer| always || is_foreign(&peer.identity)) else {
            return false;
        };
        peer.supply.revealed = Some(Revealed::nothing(pieces, now));
        self.upload.hidden += 1;
        self.upload.newly_hidden = true;
        true
    }

    /// Once a second: whether hiding still helps, and for whom it has to go on.
    pub(crate) fn look_at_revealed(&mut self, now: Moment) {
        if self.upload.hidden == 0 {
            return;
        }
        let interested = |peer: &&Peer| !peer.is_complete();
        let crowd = self.peers.values().filter(interested).count();
        let somebody_else = self.peers.values().any(Peer::is_complete);
        let alone = crowd < 2 && self.peers.values().all(|peer| now.since(peer.about.connected) >= ALONE);
        let pieces = self.download.content.layout.pieces();
        let availability = &self.download.picker.availability;
        let spread = || (0..pieces).all(|index| availability.copies(PieceIndex::new(index)) > 0);
        if somebody_else || alone || !self.download.is_complete() || spread() {
            self.upload.revealed_for_good |= somebody_else || spread();
            self.act(now, |download, upload, turn| upload.reveal_all(&download.have, turn));
            return;
        }
        for key in self.peers.keys().collect::<Vec<_>>() {
            if self.peers.get(key).is_some_and(|peer| peer.supply.revealed.is_some()) {
                self.act(now, |_, upload, turn| upload.advise(key, turn));
            }
        }
    }
}

/// Another program, which may pay no heed to suggestions.
fn is_foreign(identity: &Identity) -> bool {
    !identity.fast || !identity.peer_id.0.starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::io::{Input, Output};
    use crate::rig::{PIECES, Rig};

    fn auto() -> Rig {
        let super_seed = SuperSeed::Auto;
        Rig::complete_with(crate::TorrentConfig { super_seed, ..crate::TorrentConfig::default() })
    }

    fn said(outputs: &[Output], to: PeerKey) -> Vec<Message> {
        let messages = outputs.iter().filter_map(|output| match output {
            Output::Send { peer, message } if *peer == to => Some(message.clone()),
            _ => None,
        });
        messages.filter(|message| !matches!(message, Message::Extended { .. } | Message::KeepAlive)).collect()
    }

    fn haves(outputs: &[Output], to: PeerKey) -> Vec<u32> {
        let pieces = said(outputs, to).into_iter().filter_map(|message| match message {
            Message::Have(piece) => Some(piece),
            _ => None,
        });
        pieces.collect()
    }

    fn tell(rig: &mut Rig, peer: PeerKey, message: Message) -> Vec<Output> {
        rig.input(Input::Message { peer, message })
    }

    /// The peers on the bench are called otherwise than ours: they are foreign.
    #[test]
    fn the_only_source_reveals_different_pieces_to_each_and_more_when_they_are_passed_on() {
        let mut rig = auto();
        let (one, two) = (rig.came(1), rig.came(2));
        let first = said(&rig.seen, one);
        assert_eq!(first[0], Message::HaveNone);
        let (of_one, of_two) = (haves(&rig.seen, one), haves(&rig.seen, two));
        assert_eq!((of_one.len(), of_two.len()), (2, 2));
        let all: BTreeSet<u32> = of_one.iter().chain(&of_two).copied().collect();
        assert_eq!(all.len(), 4, "no piece twice before each once: {of_one:?} {of_two:?}");
        tell(&mut rig, one, Message::HaveNone);
        tell(&mut rig, two, Message::HaveNone);
        let outputs = tell(&mut rig, one, Message::Have(of_one[0]));
        let more = haves(&outputs, one);
        assert_eq!(more.len(), 1, "it has something: it is told more");
        assert!(of_two.contains(&more[0]), "nothing else is left");
        rig.torrent.check_invariants();
    }

    #[test]
    fn when_another_source_appears_nothing_is_hidden_any_more() {
        let mut rig = auto();
        let (one, other) = (rig.came(1), rig.came(2));
        let before = haves(&rig.seen, one).len();
        assert!(before < PIECES as usize);
        tell(&mut rig, other, Message::HaveAll);
        rig.pass(1);
        let told: BTreeSet<u32> = haves(&rig.seen, one).into_iter().collect();
        assert_eq!(told.len(), PIECES as usize);
        let late = rig.came(3);
        assert_eq!(said(&rig.seen, late)[0], Message::HaveAll);
        rig.torrent.check_invariants();
    }

    #[test]
    fn when_every_piece_is_somewhere_nothing_is_hidden_any_more() {
        let mut rig = auto();
        let (one, two) = (rig.came(1), rig.came(2));
        for (peer, pieces) in [(one, [0, 1]), (two, [2, 3])] {
            tell(&mut rig, peer, Message::HaveNone);
            for piece in pieces {
                tell(&mut rig, peer, Message::Have(piece));
            }
        }
        rig.pass(1);
        let late = rig.came(3);
        assert_eq!(said(&rig.seen, late)[0], Message::HaveAll);
        rig.torrent.check_invariants();
    }

    #[test]
    fn who_stays_alone_learns_of_everything() {
        let mut rig = auto();
        let one = rig.came(1);
        rig.pass(4);
        assert!(haves(&rig.seen, one).len() < PIECES as usize);
        rig.pass(2);
        let told: BTreeSet<u32> = haves(&rig.seen, one).into_iter().collect();
        assert_eq!(told.len(), PIECES as usize);
        rig.torrent.check_invariants();
    }

    #[test]
    fn our_own_peers_and_classic_ones_see_everything_at_once() {
        let mut rig = auto();
        let ours = rig.ours(1);
        assert_eq!(said(&rig.seen, ours)[0], Message::HaveAll);
        let config = crate::TorrentConfig { super_seed: SuperSeed::On, ..crate::TorrentConfig::default() };
        let mut always = Rig::complete_with(config);
        let ours = always.ours(1);
        assert_eq!(said(&always.seen, ours)[0], Message::HaveNone);
        let off = [
            crate::TorrentConfig { super_seed: SuperSeed::Off, ..crate::TorrentConfig::default() },
            crate::TorrentConfig {
                super_seed: SuperSeed::Auto,
                classic_choke: true,
                ..crate::TorrentConfig::default()
            },
        ];
        let config = crate::TorrentConfig {
            super_seed: SuperSeed::On,
            classic_choke: true,
            ..crate::TorrentConfig::default()
        };
        let mut classic = Rig::complete_with(config);
        let peer = classic.came(1);
        assert_eq!(haves(&classic.seen, peer).len(), 2, "who asked for it gets it");
        for config in off {
            let mut rig = Rig::complete_with(config);
            let peer = rig.came(1);
            assert_eq!(said(&rig.seen, peer)[0], Message::HaveAll);
        }
    }

    proptest::proptest! {
        /// Whatever a crowd says and does, the books of a super seed fit its peers, and it never tells a
        /// peer twice of a piece.
        #[test]
        fn no_crowd_confuses_it(deeds in proptest::collection::vec((0_u16..4, 0_u32..9), 1..80)) {
            let config = crate::TorrentConfig { super_seed: SuperSeed::On, ..crate::TorrentConfig::default() };
            let mut rig = Rig::complete_with(config);
            let mut peers: Vec<PeerKey> = (1..=4).map(|port| rig.came(port)).collect();
            for (who, deed) in deeds {
                let slot = usize::from(who);
                let peer = peers[slot];
                let request = |piece| wire::Range { index: piece, begin: 0, length: 16 * 1024 };
                match deed {
                    0..PIECES => drop(tell(&mut rig, peer, Message::Have(deed))),
                    4 => drop(tell(&mut rig, peer, Message::Interested)),
                    5 => drop(tell(&mut rig, peer, Message::NotInterested)),
                    6 => drop(tell(&mut rig, peer, Message::Request(request(u32::from(who))))),
                    7 => drop(rig.pass(3)),
                    _ => {
                        rig.input(Input::Disconnected { peer });
                        peers[slot] = rig.came(who + 1);
                    }
                }
                rig.torrent.check_invariants();
                for peer in &peers {
                    let mut told = haves(&rig.seen, *peer);
                    let all = told.len();
                    told.sort_unstable();
                    told.dedup();
                    proptest::prop_assert_eq!(told.len(), all);
                }
            }
        }
    }

    #[test]
    fn who_passes_nothing_on_waits_but_not_for_ever() {
        let start = Moment::START;
        let mut revealed = Revealed::nothing(100, start);
        (0..MOST_UNSPREAD).for_each(|index| {
            assert!(!revealed.must_wait(1, start));
            revealed.tell(PieceIndex::new(u32::try_from(index).unwrap()), start);
        });
        assert!(revealed.must_wait(1, start));
        assert!(!revealed.must_wait(100, start), "the fast are told more");
        assert!(!revealed.must_wait(1, start + PATIENCE));
        revealed.unspread.clear();
        assert!(!revealed.must_wait(1, start), "it was passed on");
    }
}
