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

/// Where somebody was reached who took part in the torrent: worth trying after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPeer {
    /// Where it takes connections.
    pub address: SocketAddr,
    /// Who told of it first.
    pub source: PeerSource,
    /// The tracker or the person has named it: it may be tried in a private torrent too (BEP 27).
    pub vouched: bool,
    /// When a connection with it was there last.
    pub seen: Moment,
}

impl Torrent {
    /// What a `have` of piece number `piece` would find: whether `peer` is known to have it, whether we have it,
    /// and how many connected peers do.
    pub fn about_piece(&self, peer: PeerKey, piece: u32) -> (bool, bool, u32) {
        let piece = PieceIndex::new(piece);
        let theirs = self.peers.get(peer).is_some_and(|peer| peer.holdings.has.get(piece));
        (theirs, self.download.have.get(piece), self.download.picker.availability.copies(piece))
    }

    /// Addresses at which peers were reached since the start, the latest first. Whoever is banned or was
    /// of no use is not among them; of a private torrent only those are that its tracker or the person
    /// has named.
    pub fn known_peers(&self, now: Moment) -> Vec<KnownPeer> {
        let private = self.is_private();
        let mut peers: Vec<_> = self.list.reached(now).filter(|peer| peer.vouched || !private).collect();
        peers.sort_by_key(|peer| (std::cmp::Reverse(peer.seen), peer.address));
        peers
    }

    /// Every connection at `now`.
    pub fn peers(&self, now: Moment) -> Vec<PeerView> {
        self.peers
            .values()
            .map(|peer| PeerView {
                peer: peer.key(),
                peer_id: peer.identity.peer_id,
                address: peer.identity.address,
                listens_at: peer.listens_at(),
                client: peer.about.said.as_ref().and_then(|said| said.version.clone()),
                outgoing: peer.identity.outgoing,
                source: peer.listens_at().and_then(|address| self.list.source(address)),
                utp: peer.identity.utp,
                pieces: peer.holdings.has.count(),
                complete: peer.is_complete(),
                unchokes_us: peer.permit.unchoked,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::Moment;

    use super::KnownPeer;
    use crate::io::{DialFailure, Input, PeerSource};
    use crate::rig::{Rig, address};

    fn known(rig: &Rig) -> Vec<KnownPeer> {
        rig.torrent.known_peers(rig.now)
    }

    #[test]
    fn addresses_are_worth_keeping_where_somebody_was_reached() {
        let mut rig = Rig::public();
        rig.input(Input::PeersFound {
            addresses: [1, 2, 3].map(address).to_vec(),
            source: PeerSource::Exchange,
        });
        assert_eq!(known(&rig), []);
        let one = rig.dialled(1);
        rig.input(Input::DialFailed { address: address(2), reason: DialFailure::Refused });
        rig.pass(10);
        let expected = |seen| KnownPeer {
            address: address(1),
            source: PeerSource::Exchange,
            vouched: false,
            seen: Moment::START + Duration::from_secs(seen),
        };
        assert_eq!(known(&rig), [expected(10)], "it is connected now");
        rig.input(Input::Disconnected { peer: one });
        rig.input(Input::DialFailed { address: address(1), reason: DialFailure::Refused });
        rig.pass(5);
        assert_eq!(known(&rig), [expected(10)], "it was connected then");
        rig.dialled(3);
        let order: Vec<_> = known(&rig).iter().map(|peer| peer.address).collect();
        assert_eq!(order, [address(3), address(1)], "the latest first");
    }

    #[test]
    fn of_a_private_torrent_only_those_whom_the_tracker_named() {
        let mut rig = Rig::unknown();
        for (port, source) in [(1, PeerSource::Exchange), (2, PeerSource::Tracker)] {
            rig.input(Input::PeersFound { addresses: vec![address(port)], source });
            rig.dialled(port);
        }
        assert_eq!(known(&rig).len(), 2);
        rig.learn(true);
        let left: Vec<_> = known(&rig).iter().map(|peer| (peer.address, peer.vouched)).collect();
        assert_eq!(left, [(address(2), true)]);
    }
}
