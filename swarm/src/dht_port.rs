//! Peers that run a DHT node tell each other its port (BEP 5). The node itself is not in here: what is
//! learned goes out as [`Output::DhtNode`].

use std::net::SocketAddr;

use shared::Moment;
use wire::Message;

use crate::io::{Output, PeerKey};
use crate::torrent::Torrent;

/// How often one peer may tell a port that is passed on.
const MOST_TOLD: u8 = 4;

impl Torrent {
    /// Tells `key` where our DHT node is, if both sides run one. Comes after the pieces that we have,
    /// which must be the first message.
    pub(crate) fn tell_dht_port(&mut self, key: PeerKey, now: Moment) {
        let wanted = self.content_known && !self.is_private();
        let Some(port) = self.config.dht_port.filter(|_| wanted) else { return };
        if let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.identity.dht) {
            self.out.send(peer, Message::Port(port), now);
        }
    }

    /// `key` says that its DHT node listens on `port`.
    pub(crate) fn dht_port_told(&mut self, key: PeerKey, port: u16, now: Moment) {
        let wanted = self.config.dht_port.is_some() && !self.is_private() && port != 0;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if wanted && peer.about.dht_ports < MOST_TOLD {
            peer.about.dht_ports += 1;
            let address = SocketAddr::new(peer.identity.address.ip(), port);
            self.out.push(Output::DhtNode { address });
        } else {
            self.nuisance(key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::Message;

    use crate::config::TorrentConfig;
    use crate::io::{Input, Output, PeerKey};
    use crate::rig::{Rig, Shake, address};

    fn config(dht_port: Option<u16>) -> TorrentConfig {
        TorrentConfig { dht_port, ..TorrentConfig::default() }
    }

    fn told(outputs: &[Output]) -> bool {
        outputs.iter().any(|output| matches!(output, Output::Send { message: Message::Port(_), .. }))
    }

    fn shake(dht: bool) -> Shake {
        Shake { dht, ..Shake::default() }
    }

    #[test]
    fn the_port_follows_the_pieces_when_both_sides_run_a_node() {
        let mut rig = Rig::public().with(config(Some(7000)));
        let outputs = rig.connect(1, shake(true));
        let sent: Vec<_> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Send { message, .. } => Some(message),
                _ => None,
            })
            .collect();
        let port = sent.iter().position(|message| **message == Message::Port(7000)).unwrap();
        assert!(port > 0 && matches!(sent[0], Message::HaveNone), "{sent:?}");
        assert!(!told(&rig.connect(2, shake(false))));
        assert!(!told(&Rig::public().with(config(None)).connect(1, shake(true))));
        assert!(!told(&Rig::private().with(config(Some(7000))).connect(1, shake(true))));
    }

    #[test]
    fn the_port_waits_until_the_pieces_can_be_told() {
        let mut rig = Rig::unknown().with(config(Some(7000)));
        assert!(!told(&rig.connect(1, shake(true))));
        assert!(told(&rig.learn(false)));
        let mut rig = Rig::unknown().with(config(Some(7000)));
        rig.connect(1, shake(true));
        assert!(!told(&rig.learn(true)), "private");
    }

    #[test]
    fn a_port_that_was_told_goes_to_the_node_and_not_without_end() {
        let hear = |rig: &mut Rig, port| {
            let outputs = rig.input(Input::Message { peer: PeerKey(1), message: Message::Port(port) });
            let nodes = outputs.into_iter().filter_map(|output| match output {
                Output::DhtNode { address } => Some(address),
                _ => None,
            });
            nodes.collect::<Vec<_>>()
        };
        let mut rig = Rig::public().with(config(Some(7000)));
        rig.came(1);
        assert_eq!(hear(&mut rig, 0), []);
        let node = (address(1).ip(), 9000).into();
        assert_eq!(hear(&mut rig, 9000), [node]);
        let told: usize = (1..100).map(|port| hear(&mut rig, port).len()).sum();
        assert_eq!(told, 3);
        for (mut rig, why) in
            [(Rig::public(), "no node"), (Rig::private().with(config(Some(7000))), "private")]
        {
            rig.came(1);
            assert_eq!(hear(&mut rig, 9000), [], "{why}");
        }
    }
}
