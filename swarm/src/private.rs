//! Private torrents (BEP 27): only the torrent's own tracker may name peers.
//!
//! While only the names of a torrent are known nobody can say whether it is private; when its info
//! dictionary says so, whoever came from elsewhere is dropped. Connections that others make to us stay:
//! they say nothing about how we found them.

use std::net::SocketAddr;

use shared::Moment;

use crate::io::{CloseReason, PeerKey, PeerSource};
use crate::peer::Identity;
use crate::torrent::Torrent;

impl Torrent {
    /// Whether the content is known and says that the torrent is private.
    pub(crate) fn is_private(&self) -> bool {
        self.content_known && self.download.content.private
    }

    /// Somebody named peers.
    pub(crate) fn peers_found(&mut self, addresses: &[SocketAddr], source: PeerSource, now: Moment) {
        if self.is_private() && !source.is_vouched() {
            return;
        }
        for address in addresses {
            self.list.found(*address, source, now);
        }
    }

    /// Whether this connection must not be in a private torrent.
    pub(crate) fn is_forbidden(&self, who: &Identity) -> bool {
        self.is_private() && who.outgoing && !self.list.is_vouched(who.address)
    }

    /// The content has become known: if it is private, peers of other sources are dropped and
    /// forgotten.
    pub(crate) fn enforce_private(&mut self, now: Moment) {
        if self.is_private() {
            let forbidden =
                |key: &PeerKey| self.peers.get(*key).is_some_and(|peer| self.is_forbidden(&peer.identity));
            let leaving: Vec<_> = self.peers.keys().filter(forbidden).collect();
            for key in leaving {
                self.close(key, CloseReason::Private, now);
            }
            self.list.forget_unvouched();
        }
    }

    /// Another tracker speaks for the torrent from now on: a private torrent begins anew with the peers
    /// that it names. Others change nothing.
    pub(crate) fn tracker_changed(&mut self, now: Moment) {
        if self.is_private() {
            self.close_all(CloseReason::TrackerChanged, now);
            self.list.forget_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::io::{CloseReason, Command, Input, Output, PeerKey, PeerSource};
    use crate::rig::{Rig, address};

    const FORBIDDEN: [PeerSource; 4] =
        [PeerSource::Exchange, PeerSource::LocalDiscovery, PeerSource::Dht, PeerSource::Remembered];

    fn find(rig: &mut Rig, port: u16, source: PeerSource) -> Vec<Output> {
        rig.input(Input::PeersFound { addresses: vec![address(port)], source })
    }

    #[test]
    fn only_the_tracker_and_the_person_name_peers_of_a_private_torrent() {
        let mut rig = Rig::private();
        for source in FORBIDDEN {
            assert_eq!(find(&mut rig, 1, source), [], "{source:?}");
        }
        for (port, source) in [(2, PeerSource::Tracker), (3, PeerSource::Asked)] {
            assert_eq!(find(&mut rig, port, source), [Output::Dial { address: address(port) }]);
        }
        let mut public = Rig::public();
        for (port, source) in (1..).zip(FORBIDDEN) {
            assert_eq!(find(&mut public, port, source), [Output::Dial { address: address(port) }]);
        }
    }

    #[test]
    fn when_the_metadata_says_private_peers_of_other_sources_are_dropped() {
        let mut rig = Rig::unknown();
        find(&mut rig, 1, PeerSource::Exchange);
        find(&mut rig, 2, PeerSource::Tracker);
        find(&mut rig, 3, PeerSource::Dht);
        find(&mut rig, 3, PeerSource::Tracker);
        find(&mut rig, 4, PeerSource::Dht);
        for port in 1..=3 {
            rig.dialled(port);
        }
        let incoming = rig.came(5);
        let outputs = rig.learn(true);
        let closed: Vec<_> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Close { peer, reason } => Some((*peer, *reason)),
                _ => None,
            })
            .collect();
        assert_eq!(closed, [(PeerKey(1), CloseReason::Private)], "3 was named by the tracker too");
        assert!(rig.torrent.peers(rig.now).iter().any(|peer| peer.peer == incoming));
        let late = rig.dialled(4);
        assert_eq!(rig.closed(late), Some(CloseReason::Private), "its dial was under way");
        rig.torrent.check_invariants();
    }

    #[test]
    fn when_the_metadata_says_public_nobody_is_dropped() {
        let mut rig = Rig::unknown();
        find(&mut rig, 1, PeerSource::Exchange);
        rig.dialled(1);
        rig.learn(false);
        assert_eq!(rig.torrent.peers(rig.now).len(), 1);
    }

    #[test]
    fn another_tracker_starts_a_private_torrent_anew() {
        let mut rig = Rig::private();
        find(&mut rig, 1, PeerSource::Tracker);
        let (one, two) = (rig.dialled(1), rig.came(2));
        rig.input(Input::Command(Command::TrackerChanged));
        for peer in [one, two] {
            assert_eq!(rig.closed(peer), Some(CloseReason::TrackerChanged));
        }
        rig.pass(600);
        assert_eq!(rig.dials(), [address(1)], "the old tracker's peers are forgotten");
        let found = find(&mut rig, 1, PeerSource::Tracker);
        assert_eq!(found, [Output::Dial { address: address(1) }], "unless the new one names them");
        rig.torrent.check_invariants();

        let mut public = Rig::public();
        find(&mut public, 1, PeerSource::Tracker);
        let peer = public.dialled(1);
        public.input(Input::Command(Command::TrackerChanged));
        assert_eq!(public.closed(peer), None);
    }
}
