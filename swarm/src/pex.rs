//! Peers tell each other whom they are connected to (BEP 11).
//!
//! What we tell is the difference to what that peer was told before, at most once a minute. What we are
//! told is hearsay: checked, counted, bounded, and dialled with less patience than what a tracker says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use shared::Moment;
use wire::extended::ut_pex::{Met, PexFlags, UtPex};

use crate::address_map::{AddressMap, Short};
use crate::addresses;
use crate::config::TorrentConfig;
use crate::extensions::Extension;
use crate::io::{PeerKey, PeerSource};
use crate::peer::Peer;
use crate::peers::Peers;
use crate::torrent::Torrent;

/// How often one peer is told.
const INTERVAL: Duration = Duration::from_secs(60);
/// How often it is looked whether there is something to tell to somebody who may be told.
const LOOK: Duration = Duration::from_secs(5);
/// Messages of one peer that come closer together than this do not count.
const LEAST_INTERVAL: Duration = Duration::from_secs(50);
/// The most peers in one message that we send, and that we read of one: new ones and lost ones each.
const MOST_AT_ONCE: usize = 50;
/// The most peers that one peer can be connected to, as far as we remember.
const MOST_NAMED: usize = 200;

/// What one peer and we have told each other about others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acquaintances {
    /// What it was told and would still believe.
    told: AddressMap<()>,
    /// When it may be told again.
    next: Option<Moment>,
    /// When it last told us something that counted.
    heard: Option<Moment>,
    /// Whom it is connected to, by its own word.
    named: AddressMap<PexFlags>,
}

impl Acquaintances {
    /// What it says of `address`; `None` when it does not claim to be connected to it.
    pub(crate) fn says_of(&self, address: SocketAddr) -> Option<PexFlags> {
        self.named.get(address.into()).copied()
    }
}

impl Peer {
    /// Where others can meet it: the far end of a uTP connection is the socket that it listens with.
    pub(crate) fn endpoint(&self) -> Option<SocketAddr> {
        if self.identity.utp { Some(self.identity.address) } else { self.listens_at() }
    }

    fn flags(&self) -> PexFlags {
        let upload_only = self.about.said.as_ref().is_some_and(|said| said.upload_only);
        PexFlags::default()
            .with(PexFlags::SEED, self.is_complete() || upload_only)
            .with(PexFlags::UTP, self.identity.utp)
            .with(PexFlags::HOLEPUNCH, self.takes(Extension::Holepunch).is_some())
            .with(PexFlags::REACHABLE, self.identity.outgoing)
    }
}

impl Torrent {
    /// Whether peers are exchanged: never in a private torrent.
    pub(crate) fn exchanges_peers(&self) -> bool {
        self.config.pex && !self.is_private()
    }

    /// Once a second: tells those whose time has come what has changed.
    pub(crate) fn tell_acquaintances(&mut self, now: Moment) {
        if !self.exchanges_peers() {
            return;
        }
        let is_due = |peer: &&Peer| {
            peer.about.acquaintances.next.is_none_or(|next| next <= now)
                && peer.takes(Extension::PeerExchange).is_some()
        };
        let due: Vec<PeerKey> = self.peers.values().filter(is_due).map(Peer::key).collect();
        if due.is_empty() {
            return;
        }
        let met: BTreeMap<Short, (PeerKey, PexFlags)> = self
            .peers
            .values()
            .filter_map(|peer| Some((peer.endpoint()?.into(), (peer.key(), peer.flags()))))
            .collect();
        for key in due {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let message = peer.news(&met);
            let nothing = message.added.is_empty() && message.dropped.is_empty();
            peer.about.acquaintances.next = Some(now + if nothing { LOOK } else { INTERVAL });
            if let Some(message) =
                peer.extended(Extension::PeerExchange, message.encode()).filter(|_| !nothing)
            {
                self.out.send(peer, message, now);
            }
        }
    }

    /// A message of the extension came from `key`.
    pub(crate) fn acquaintances_told(&mut self, key: PeerKey, payload: &[u8], now: Moment) {
        let complete = self.download.is_complete() && self.content_known;
        let ours = &*self.seen_as.get_or_insert_with(|| own_addresses(&self.config, &self.peers));
        let Some(peer) = self.peers.get_mut(key) else { return };
        let too_soon = peer.about.acquaintances.heard.is_some_and(|heard| now.since(heard) < LEAST_INTERVAL);
        let message = match UtPex::decode(payload) {
            Ok(message) if !too_soon => message,
            _ => return self.nuisance(key, now),
        };
        peer.about.acquaintances.heard = Some(now);
        let teller = peer.identity.address.ip();
        let named = &mut peer.about.acquaintances.named;
        for address in message.dropped.iter().take(MOST_AT_ONCE) {
            if let Some(address) = addresses::believable(*address, teller) {
                named.remove(address.into());
            }
        }
        named.reserve(message.added.len().min(MOST_AT_ONCE).min(MOST_NAMED.saturating_sub(named.len())));
        let mut found = Vec::new();
        for Met { address, flags } in message.added.into_iter().take(MOST_AT_ONCE) {
            let Some(address) = addresses::believable(address, teller) else { continue };
            let full = named.len() >= MOST_NAMED;
            if ours.contains(&address) || (full && !named.contains(address.into())) {
                continue;
            }
            named.insert(address.into(), flags);
            // Two seeds have nothing to say to each other.
            if !(complete && flags.has(PexFlags::SEED)) {
                found.push(address);
            }
        }
        self.peers_found(&found, PeerSource::Exchange, now);
    }

    /// Where we listen, as far as peers have told us how they see us.
    pub(crate) fn own_addresses(&self) -> BTreeSet<SocketAddr> {
        self.seen_as.clone().unwrap_or_else(|| own_addresses(&self.config, &self.peers))
    }
}

fn own_addresses(config: &TorrentConfig, peers: &Peers) -> BTreeSet<SocketAddr> {
    let Some(port) = config.listen_port else { return BTreeSet::new() };
    let seen = peers.values().filter_map(|peer| peer.about.said.as_ref()?.yourip);
    seen.map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect()
}

impl Peer {
    /// What it has not been told of `met` yet; counts as told then.
    fn news(&mut self, met: &BTreeMap<Short, (PeerKey, PexFlags)>) -> UtPex {
        let (key, listener) = (self.key(), self.identity.address.ip());
        let told = &mut self.about.acquaintances.told;
        let added: Vec<_> = met
            .iter()
            .filter(|(address, (who, _))| {
                *who != key && !told.contains(**address) && addresses::is_of_use((**address).into(), listener)
            })
            .take(MOST_AT_ONCE)
            .map(|(address, (_, flags))| Met { address: (*address).into(), flags: *flags })
            .collect();
        let dropped: Vec<_> =
            told.addresses().filter(|address| !met.contains_key(address)).take(MOST_AT_ONCE).collect();
        for address in &dropped {
            told.remove(*address);
        }
        told.reserve(added.len());
        for met in &added {
            told.insert(met.address.into(), ());
        }
        UtPex { added, dropped: dropped.into_iter().map(SocketAddr::from).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    use bytes::Bytes;
    use wire::Message;
    use wire::extended::handshake::ExtendedHandshake;
    use wire::extended::ut_pex::{Met, PexFlags, UtPex};

    use crate::config::TorrentConfig;
    use crate::io::{Input, Output, PeerKey, PeerSource};
    use crate::rig::{PEX, Rig, Shake, address};

    /// What `peer` was told, each message.
    fn told(outputs: &[Output], to: PeerKey) -> Vec<UtPex> {
        let payloads = outputs.iter().filter_map(|output| match output {
            Output::Send { peer, message: Message::Extended { id, payload } }
                if *peer == to && *id == PEX =>
            {
                Some(UtPex::decode(payload).unwrap())
            }
            _ => None,
        });
        payloads.collect()
    }

    fn tell(rig: &mut Rig, peer: PeerKey, message: &UtPex) -> Vec<SocketAddr> {
        let id = rig.number_of("ut_pex").unwrap();
        let message = Message::Extended { id, payload: message.encode().into() };
        let outputs = rig.input(Input::Message { peer, message });
        let dials = outputs.into_iter().filter_map(|output| match output {
            Output::Dial { address } => Some(address),
            _ => None,
        });
        dials.collect()
    }

    fn met(address: SocketAddr) -> Met {
        Met { address, flags: PexFlags::default() }
    }

    fn added(addresses: impl IntoIterator<Item = SocketAddr>) -> UtPex {
        UtPex { added: addresses.into_iter().map(met).collect(), dropped: Vec::new() }
    }

    #[test]
    fn peers_are_told_of_each_other_and_of_what_changed_once_a_minute() {
        let mut rig = Rig::public();
        let (one, two) = (rig.dialled(1), rig.came(2));
        rig.greet(one, ExtendedHandshake::default());
        rig.greet(two, ExtendedHandshake { port: Some(2), ..ExtendedHandshake::default() });
        let outputs = rig.pass(1);
        let about_two = Met { address: address(2), flags: PexFlags::HOLEPUNCH };
        assert_eq!(told(&outputs, one), [UtPex { added: vec![about_two], dropped: vec![] }]);
        let reached = PexFlags::HOLEPUNCH.with(PexFlags::REACHABLE, true);
        let about_one = Met { address: address(1), flags: reached };
        assert_eq!(told(&outputs, two), [UtPex { added: vec![about_one], dropped: vec![] }]);

        let three = rig.dialled(3);
        rig.greet(three, ExtendedHandshake { upload_only: true, ..ExtendedHandshake::default() });
        rig.input(Input::Disconnected { peer: two });
        assert_eq!(told(&rig.pass(58), one), [], "not within the same minute");
        let about_three = Met { address: address(3), flags: reached.with(PexFlags::SEED, true) };
        let news = UtPex { added: vec![about_three], dropped: vec![address(2)] };
        assert_eq!(told(&rig.pass(2), one), [news]);
        assert_eq!(told(&rig.pass(600), one), [], "nothing changed");
    }

    #[test]
    fn at_most_fifty_are_told_at_once_and_the_others_later() {
        let mut rig = Rig::public();
        for port in 1..=120 {
            rig.dialled(port);
        }
        let one = PeerKey(1);
        rig.greet(one, ExtendedHandshake::default());
        let messages = told(&rig.pass(200), one);
        assert_eq!(messages.iter().map(|said| said.added.len()).collect::<Vec<_>>(), [50, 50, 19]);
        let all: BTreeSet<_> = messages.iter().flat_map(|said| &said.added).map(|met| met.address).collect();
        assert_eq!(all.len(), 119, "each once, and not itself");
        for peer in 2..=120 {
            rig.input(Input::Disconnected { peer: PeerKey(peer) });
        }
        let messages = told(&rig.pass(200), one);
        assert_eq!(messages.iter().map(|said| said.dropped.len()).collect::<Vec<_>>(), [50, 50, 19]);
    }

    #[test]
    fn whoever_does_not_take_it_or_may_not_is_told_nothing() {
        let quiet = |mut rig: Rig| {
            let (one, two) = (rig.dialled(1), rig.dialled(2));
            for peer in [one, two] {
                rig.greet(peer, ExtendedHandshake::default());
            }
            assert_eq!(told(&rig.pass(100), one), []);
            assert_eq!(rig.number_of("ut_pex"), None, "not even offered");
        };
        quiet(Rig::public().with(TorrentConfig { pex: false, ..TorrentConfig::default() }));
        let mut private = Rig::private();
        for port in [1, 2] {
            let addresses = vec![address(port)];
            private.input(Input::PeersFound { addresses, source: PeerSource::Tracker });
        }
        quiet(private);
        let mut rig = Rig::public();
        let (one, _) = (rig.dialled(1), rig.dialled(2));
        rig.pass(100);
        assert_eq!(told(&rig.seen, one), [], "it never said that it takes it");
    }

    #[test]
    fn what_is_local_is_told_to_neighbours_only() {
        let mut rig = Rig::public();
        let far = rig.connect_from("203.0.113.9:7000", Shake { outgoing: true, ..Shake::default() });
        let near = rig.dialled(1);
        let other = rig.dialled(2);
        for peer in [far, near, other] {
            rig.greet(peer, ExtendedHandshake::default());
        }
        let outputs = rig.pass(1);
        assert_eq!(told(&outputs, far), [], "private addresses mean nothing to it");
        assert_eq!(told(&outputs, near)[0].added.len(), 2);
    }

    #[test]
    fn whom_a_peer_names_is_dialled_if_it_can_be() {
        let mut rig = Rig::public().with(TorrentConfig { listen_port: Some(7), ..TorrentConfig::default() });
        let teller = rig.dialled(1);
        let yourip = Some(address(40).ip());
        rig.greet(teller, ExtendedHandshake { yourip, ..ExtendedHandshake::default() });
        let odd = ["10.0.0.9:0", "0.0.0.0:5", "224.0.0.1:5", "127.0.0.1:5", "[fe80::1]:5", "[ff02::1]:5"];
        let odd = odd.map(|address| address.parse::<SocketAddr>().unwrap());
        let ours = SocketAddr::new(address(40).ip(), 7);
        let names = odd.into_iter().chain([ours, address(2), address(3)]);
        assert_eq!(tell(&mut rig, teller, &added(names)), [address(2), address(3)]);
        let peer = rig.dialled(2);
        let seen = rig.torrent.peers(rig.now).into_iter().find(|view| view.peer == peer).unwrap();
        assert_eq!(seen.source, Some(PeerSource::Exchange));
        rig.torrent.check_invariants();
    }

    #[test]
    fn who_came_by_itself_is_not_dialled_when_it_is_named_but_when_it_has_left() {
        let mut rig = Rig::public();
        let (teller, came) = (rig.dialled(1), rig.came(2));
        rig.greet(teller, ExtendedHandshake::default());
        rig.greet(came, ExtendedHandshake { port: Some(2), ..ExtendedHandshake::default() });
        assert_eq!(tell(&mut rig, teller, &added([address(2)])), []);
        rig.torrent.check_invariants();
        rig.input(Input::Disconnected { peer: came });
        rig.pass(2);
        assert_eq!(rig.dials(), [address(2)]);
    }

    #[test]
    fn one_message_in_fifty_seconds_counts_and_at_most_fifty_names_of_it() {
        let limits = TorrentConfig { max_dialling: 500, max_outgoing: 500, ..TorrentConfig::default() };
        let mut rig = Rig::public().with(limits);
        let teller = rig.dialled(1);
        rig.greet(teller, ExtendedHandshake::default());
        assert_eq!(tell(&mut rig, teller, &added((100..170).map(address))).len(), 50);
        assert_eq!(tell(&mut rig, teller, &added([address(2)])), [], "too soon");
        rig.pass(49);
        assert_eq!(tell(&mut rig, teller, &added([address(2)])), [], "still too soon");
        rig.pass(1);
        assert_eq!(tell(&mut rig, teller, &added([address(2)])), [address(2)]);
    }

    #[test]
    fn one_peer_cannot_name_without_end() {
        let limits = TorrentConfig { max_dialling: 5000, max_outgoing: 5000, ..TorrentConfig::default() };
        let mut rig = Rig::public().with(limits);
        let teller = rig.dialled(1);
        rig.greet(teller, ExtendedHandshake::default());
        let mut dials = 0;
        for minute in 0..10 {
            let names = (0..50).map(|at| address(1000 + minute * 50 + at));
            dials += tell(&mut rig, teller, &added(names)).len();
            rig.pass(60);
        }
        assert_eq!(dials, 200);
        let gone = UtPex { added: vec![], dropped: (1000..1050).map(address).collect() };
        tell(&mut rig, teller, &gone);
        rig.pass(60);
        assert_eq!(tell(&mut rig, teller, &added((2000..2060).map(address))).len(), 50, "others left");
    }

    #[test]
    fn nonsense_is_counted_and_a_flood_of_it_ends_the_connection() {
        let mut rig = Rig::public();
        let teller = rig.dialled(1);
        rig.greet(teller, ExtendedHandshake::default());
        let id = rig.number_of("ut_pex").unwrap();
        for payload in [&b""[..], b"i1e", b"d5:added3:abce", b"d5:addedlee"] {
            let message = Message::Extended { id, payload: Bytes::from_static(payload) };
            rig.input(Input::Message { peer: teller, message });
        }
        assert_eq!(tell(&mut rig, teller, &added([address(2)])), [address(2)], "they did not count");
        for _ in 0..6000 {
            tell(&mut rig, teller, &added([address(3)]));
        }
        assert!(rig.closed(teller).is_some());
    }

    #[test]
    fn a_seed_does_not_dial_seeds() {
        let mut rig = Rig::complete();
        let teller = rig.dialled(1);
        rig.greet(teller, ExtendedHandshake::default());
        let seed = Met { address: address(2), flags: PexFlags::SEED };
        let message = UtPex { added: vec![seed, met(address(3))], dropped: vec![] };
        assert_eq!(tell(&mut rig, teller, &message), [address(3)]);
    }

    #[test]
    fn when_the_metadata_says_private_the_extension_is_switched_off() {
        let mut rig = Rig::unknown();
        let teller = rig.dialled(1);
        rig.input(Input::PeersFound { addresses: vec![address(2)], source: PeerSource::Tracker });
        let kept = rig.dialled(2);
        for peer in [teller, kept] {
            rig.greet(peer, ExtendedHandshake::default());
        }
        assert!(rig.number_of("ut_pex").is_some_and(|id| id != 0));
        rig.learn(true);
        assert_eq!(rig.number_of("ut_pex"), Some(0));
        rig.pass(100);
        let later = rig.seen.len();
        rig.pass(100);
        assert_eq!(told(&rig.seen[later..], kept), []);
    }
}
