//! Two peers that cannot dial each other meet through one that is connected to both (BEP 55).
//!
//! We take each of the three places: we ask somebody in the middle when a dial has failed, we are that
//! somebody for others, and we dial by uTP whom one in the middle names. Every one of them is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use shared::Moment;
use wire::extended::ut_holepunch::{PunchError, UtHolepunch};
use wire::extended::ut_pex::PexFlags;

use crate::addresses;
use crate::extensions::Extension;
use crate::io::{Output, PeerKey, PeerSource};
use crate::peer::Peer;
use crate::torrent::Torrent;

/// How long one in the middle may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an address is left alone after all that could be asked were asked.
const REST: Duration = Duration::from_secs(600);
/// The most addresses that we try to meet, or leave alone, at a time.
const MOST_MEETINGS: usize = 64;
/// How many in the middle are asked about one address.
const MOST_ASKED: usize = 3;
/// Rendezvous that one peer may ask of us in a minute, and that it may name to us.
const MOST_A_MINUTE: u32 = 10;
/// That minute.
const MINUTE: Duration = Duration::from_secs(60);

/// How often something was done in the running minute.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    since: Option<Moment>,
    count: u32,
}

impl Allowance {
    /// One more; `false` when that is too many.
    fn take(&mut self, now: Moment) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= MINUTE) {
            *self = Self { since: Some(now), count: 0 };
        }
        self.count += 1;
        self.count <= MOST_A_MINUTE
    }
}

/// How much of this one peer has had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meddling {
    asked: Allowance,
    named: Allowance,
}

/// An address that could not be dialled.
#[derive(Debug)]
struct Meeting {
    asked: BTreeSet<PeerKey>,
    /// Whose answer we wait for.
    waiting_for: Option<PeerKey>,
    /// When we stop waiting, or may begin anew.
    until: Moment,
}

/// Whom we try to meet.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    meetings: BTreeMap<SocketAddr, Meeting>,
}

impl Torrent {
    /// Whether we take part: only with uTP, never in a private torrent.
    pub(crate) fn punches_holes(&self) -> bool {
        self.config.utp && !self.is_private()
    }

    /// `address` could not be dialled: somebody who claims to be connected to it may bring us together.
    pub(crate) fn seek_meeting(&mut self, address: SocketAddr, now: Moment) {
        if !self.punches_holes() || self.paused || self.stopped {
            return;
        }
        let meetings = &mut self.meetings.meetings;
        if meetings.contains_key(&address) || meetings.len() >= MOST_MEETINGS {
            return;
        }
        if self.peers.values().any(|peer| peer.knows(address)) {
            meetings.insert(address, Meeting { asked: BTreeSet::new(), waiting_for: None, until: now });
            self.ask_next(address, now);
        }
    }

    /// Asks the next one about `address`; leaves it alone when there is none.
    fn ask_next(&mut self, address: SocketAddr, now: Moment) {
        let Some(meeting) = self.meetings.meetings.get_mut(&address) else { return };
        let room = meeting.asked.len() < MOST_ASKED;
        let candidate = self
            .peers
            .values_mut()
            .find(|peer| room && peer.knows(address) && !meeting.asked.contains(&peer.key()));
        let Some(peer) = candidate else {
            (meeting.waiting_for, meeting.until) = (None, now + REST);
            return;
        };
        meeting.asked.insert(peer.key());
        (meeting.waiting_for, meeting.until) = (Some(peer.key()), now + PATIENCE);
        let message = UtHolepunch::Rendezvous(address).encode();
        if let Some(message) = peer.extended(Extension::Holepunch, message) {
            self.out.send(peer, message, now);
        }
    }

    /// Once a second: those who do not answer are not waited for, and old failures are forgotten.
    pub(crate) fn look_after_meetings(&mut self, now: Moment) {
        let (waiting, over): (Vec<_>, Vec<_>) = self
            .meetings
            .meetings
            .iter()
            .filter(|(_, meeting)| meeting.until <= now)
            .map(|(address, meeting)| (*address, meeting.waiting_for.is_some()))
            .partition(|(_, waiting)| *waiting);
        for (address, _) in over {
            self.meetings.meetings.remove(&address);
        }
        for (address, _) in waiting {
            self.ask_next(address, now);
        }
    }

    /// A message of the extension came from `key`.
    pub(crate) fn holepunch_message(&mut self, key: PeerKey, payload: &[u8], now: Moment) {
        match UtHolepunch::decode(payload) {
            Ok(UtHolepunch::Rendezvous(address)) => self.bring_together(key, address, now),
            Ok(UtHolepunch::Connect(address)) => self.meet(key, address, now),
            Ok(UtHolepunch::Error(address, _)) => {
                if self.meetings.is_waiting(address, key) {
                    self.ask_next(address, now);
                } else {
                    self.nuisance(key, now);
                }
            }
            Err(_) => self.nuisance(key, now),
        }
    }

    /// `key` asks to be brought together with the peer at `address`.
    fn bring_together(&mut self, key: PeerKey, address: SocketAddr, now: Moment) {
        let Some(asking) = self.peers.get_mut(key) else { return };
        if !asking.about.meddling.asked.take(now) {
            return self.nuisance(key, now);
        }
        let answer = match self.introduction(key, address) {
            Ok((other, of_asking)) => {
                self.punch_message(other, UtHolepunch::Connect(of_asking), now);
                UtHolepunch::Connect(address)
            }
            Err(error) => UtHolepunch::Error(address, error),
        };
        self.punch_message(key, answer, now);
    }

    /// Who is at `address`, and how it can reach `key`.
    fn introduction(&self, key: PeerKey, address: SocketAddr) -> Result<(PeerKey, SocketAddr), PunchError> {
        let asking = self.peers.get(key).ok_or(PunchError::NoSuchPeer)?;
        let listener = asking.identity.address.ip();
        let named = addresses::believable(address, listener).ok_or(PunchError::NoSuchPeer)?;
        if self.own_addresses().contains(&named) {
            return Err(PunchError::NoSelf);
        }
        let is_there = |peer: &&Peer| {
            let known = [Some(peer.identity.address), peer.listens_at(), peer.endpoint()];
            peer.key() != key && known.contains(&Some(named))
        };
        let other = self.peers.values().find(is_there).ok_or(PunchError::NotConnected)?;
        if other.takes(Extension::Holepunch).is_none() {
            return Err(PunchError::NoSupport);
        }
        let of_asking = asking.endpoint().ok_or(PunchError::NoSuchPeer)?;
        let fits = of_asking.is_ipv4() == named.is_ipv4()
            && addresses::is_of_use(of_asking, other.identity.address.ip());
        if fits { Ok((other.key(), of_asking)) } else { Err(PunchError::NoSuchPeer) }
    }

    /// `key` has told somebody at `address` to dial us now, and we dial it now too.
    fn meet(&mut self, key: PeerKey, address: SocketAddr, now: Moment) {
        let Some(between) = self.peers.get_mut(key) else { return };
        let believed = addresses::believable(address, between.identity.address.ip());
        let allowed = between.about.meddling.named.take(now);
        let Some(address) = believed.filter(|_| allowed) else { return self.nuisance(key, now) };
        if let Some(meeting) = self.meetings.meetings.get_mut(&address) {
            (meeting.waiting_for, meeting.until) = (None, now + REST);
        } else if self.meetings.meetings.len() < MOST_MEETINGS {
            // Should this fail as well, nobody is asked for it again at once.
            let meeting = Meeting { asked: BTreeSet::new(), waiting_for: None, until: now + REST };
            self.meetings.meetings.insert(address, meeting);
        }
        let known = self.own_addresses().contains(&address)
            || self.peers.values().any(|peer| peer.endpoint() == Some(address));
        if known || self.paused || self.stopped || !self.has_room_to_dial() {
            return;
        }
        self.list.found(address, PeerSource::Exchange, now);
        if self.list.take(address) {
            self.out.push(Output::Punch { address });
        }
    }

    fn punch_message(&mut self, to: PeerKey, message: UtHolepunch, now: Moment) {
        let Some(peer) = self.peers.get_mut(to) else { return };
        if let Some(message) = peer.extended(Extension::Holepunch, message.encode()) {
            self.out.send(peer, message, now);
        }
    }
}

impl Meetings {
    fn is_waiting(&self, address: SocketAddr, between: PeerKey) -> bool {
        self.meetings.get(&address).is_some_and(|meeting| meeting.waiting_for == Some(between))
    }
}

impl Peer {
    /// Whether it could bring us together with `address`: it takes part, and says that the peer there
    /// does.
    fn knows(&self, address: SocketAddr) -> bool {
        let flags = self.about.acquaintances.says_of(address);
        flags.is_some_and(|flags| flags.has(PexFlags::HOLEPUNCH))
            && self.takes(Extension::Holepunch).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use wire::Message;
    use wire::extended::handshake::ExtendedHandshake;
    use wire::extended::ut_holepunch::{PunchError, UtHolepunch};
    use wire::extended::ut_pex::{Met, PexFlags, UtPex};

    use crate::config::TorrentConfig;
    use crate::io::{Command, DialFailure, Input, Output, PeerKey, PeerSource};
    use crate::rig::{PUNCH, Rig, Shake, address};

    fn rig() -> Rig {
        Rig::public().with(TorrentConfig {
            utp: true,
            listen_port: Some(7),
            max_outgoing: 8,
            ..TorrentConfig::default()
        })
    }

    /// What came out of hole punching: messages to peers, and whom we dial.
    fn punches(outputs: &[Output]) -> (Vec<(PeerKey, UtHolepunch)>, Vec<SocketAddr>) {
        let (mut said, mut dials) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Send { peer, message: Message::Extended { id, payload } } if *id == PUNCH => {
                    said.push((*peer, UtHolepunch::decode(payload).unwrap()));
                }
                Output::Punch { address } => dials.push(*address),
                _ => {}
            }
        }
        (said, dials)
    }

    fn say(rig: &mut Rig, peer: PeerKey, message: UtHolepunch) -> Vec<Output> {
        let id = rig.number_of("ut_holepunch").unwrap();
        rig.input(Input::Message {
            peer,
            message: Message::Extended { id, payload: message.encode().into() },
        })
    }

    fn met(rig: &mut Rig, port: u16) -> PeerKey {
        let peer = rig.dialled(port);
        rig.greet(peer, ExtendedHandshake::default());
        peer
    }

    /// `peer` says that it is connected to those addresses.
    fn claims(rig: &mut Rig, peer: PeerKey, ports: &[u16], flags: PexFlags) -> Vec<Output> {
        let added = ports.iter().map(|port| Met { address: address(*port), flags }).collect();
        let payload = UtPex { added, dropped: vec![] }.encode().into();
        let id = rig.number_of("ut_pex").unwrap();
        rig.input(Input::Message { peer, message: Message::Extended { id, payload } })
    }

    fn failed(rig: &mut Rig, port: u16) -> Vec<Output> {
        rig.input(Input::DialFailed { address: address(port), reason: DialFailure::TimedOut })
    }

    #[test]
    fn a_peer_between_two_tells_both_to_dial() {
        let mut rig = rig();
        let (one, two) = (met(&mut rig, 1), rig.came(2));
        rig.greet(two, ExtendedHandshake { port: Some(2), ..ExtendedHandshake::default() });
        let outputs = say(&mut rig, one, UtHolepunch::Rendezvous(address(2)));
        let both = vec![(two, UtHolepunch::Connect(address(1))), (one, UtHolepunch::Connect(address(2)))];
        assert_eq!(punches(&outputs), (both, vec![]));
    }

    #[test]
    fn the_far_end_of_a_utp_connection_is_what_others_are_told() {
        let mut rig = rig();
        let one = met(&mut rig, 1);
        let two = rig.connect_from("10.0.0.77:40123", Shake { utp: true, ..Shake::default() });
        rig.greet(two, ExtendedHandshake { port: Some(6881), ..ExtendedHandshake::default() });
        let mapped: SocketAddr = "10.0.0.77:40123".parse().unwrap();
        for named in [mapped, "10.0.0.77:6881".parse().unwrap()] {
            let (said, _) = punches(&say(&mut rig, one, UtHolepunch::Rendezvous(named)));
            assert_eq!(said.len(), 2, "{named}");
        }
        let (said, _) = punches(&say(&mut rig, two, UtHolepunch::Rendezvous(address(1))));
        assert_eq!(said[0], (one, UtHolepunch::Connect(mapped)));
    }

    #[test]
    fn what_cannot_be_brought_together_is_told() {
        let mut rig = rig();
        let one = rig.dialled(1);
        let yourip = Some(address(40).ip());
        rig.greet(one, ExtendedHandshake { yourip, ..ExtendedHandshake::default() });
        rig.dialled(2);
        let ours = SocketAddr::new(address(40).ip(), 7);
        for (named, error) in [
            (address(3), PunchError::NotConnected),
            (address(2), PunchError::NoSupport),
            (ours, PunchError::NoSelf),
            (address(1), PunchError::NotConnected),
            ("10.0.0.3:0".parse().unwrap(), PunchError::NoSuchPeer),
            ("224.0.0.1:5".parse().unwrap(), PunchError::NoSuchPeer),
            ("127.0.0.1:5".parse().unwrap(), PunchError::NoSuchPeer),
        ] {
            let outputs = say(&mut rig, one, UtHolepunch::Rendezvous(named));
            assert_eq!(punches(&outputs), (vec![(one, UtHolepunch::Error(named, error))], vec![]), "{named}");
        }
    }

    #[test]
    fn nobody_is_brought_together_without_end() {
        let mut rig = rig();
        let (one, _two) = (met(&mut rig, 1), met(&mut rig, 2));
        let ask = |rig: &mut Rig| punches(&say(rig, one, UtHolepunch::Rendezvous(address(2)))).0.len();
        let told: usize = (0..100).map(|_| ask(&mut rig)).sum();
        assert_eq!(told, 20, "ten a minute, two messages each");
        rig.pass(60);
        assert_eq!(ask(&mut rig), 2);
    }

    #[test]
    fn an_address_that_cannot_be_dialled_is_met_through_who_knows_it() {
        let mut rig = rig();
        let between = met(&mut rig, 1);
        claims(&mut rig, between, &[5], PexFlags::HOLEPUNCH);
        assert_eq!(rig.dials(), [address(5)]);
        let outputs = failed(&mut rig, 5);
        assert_eq!(punches(&outputs).0, [(between, UtHolepunch::Rendezvous(address(5)))]);
        let outputs = say(&mut rig, between, UtHolepunch::Connect(address(5)));
        assert_eq!(punches(&outputs).1, [address(5)]);
        let outputs = failed(&mut rig, 5);
        assert_eq!(punches(&outputs), (vec![], vec![]), "it does not begin anew at once");
        rig.torrent.check_invariants();
    }

    #[test]
    fn the_next_one_is_asked_after_an_error_or_silence_and_then_it_rests() {
        let mut rig = rig();
        let between: Vec<_> = (1..=4).map(|port| met(&mut rig, port)).collect();
        for peer in &between {
            claims(&mut rig, *peer, &[9], PexFlags::HOLEPUNCH);
        }
        let asked = |outputs: &[Output]| punches(outputs).0.iter().map(|(peer, _)| *peer).collect::<Vec<_>>();
        assert_eq!(asked(&failed(&mut rig, 9)), [between[0]]);
        let error = UtHolepunch::Error(address(9), PunchError::NotConnected);
        assert_eq!(asked(&say(&mut rig, between[3], error)), [], "it was not asked");
        assert_eq!(asked(&say(&mut rig, between[0], error)), [between[1]]);
        assert_eq!(asked(&rig.pass(16)), [between[2]], "silence");
        assert_eq!(asked(&say(&mut rig, between[2], error)), [], "three are enough");
        assert_eq!(asked(&rig.pass(100)), []);
    }

    #[test]
    fn only_who_takes_part_is_asked_about_who_takes_part() {
        let mut rig = rig();
        let between = met(&mut rig, 1);
        claims(&mut rig, between, &[5], PexFlags::UTP);
        assert_eq!(punches(&failed(&mut rig, 5)).0, [], "the other end does not");
        rig.input(Input::PeersFound { addresses: vec![address(6)], source: PeerSource::Tracker });
        assert_eq!(punches(&failed(&mut rig, 6)).0, [], "nobody knows it");
        let mut deaf = Rig::public();
        let between = met(&mut deaf, 1);
        claims(&mut deaf, between, &[5], PexFlags::HOLEPUNCH);
        assert_eq!(punches(&failed(&mut deaf, 5)).0, [], "we have no uTP");
        assert_eq!(deaf.number_of("ut_holepunch"), None);
    }

    #[test]
    fn whom_one_in_the_middle_names_is_dialled_within_bounds() {
        let mut rig = rig();
        let between = met(&mut rig, 1);
        let name = |rig: &mut Rig, address| punches(&say(rig, between, UtHolepunch::Connect(address))).1;
        assert_eq!(name(&mut rig, address(5)), [address(5)], "asked by the other side");
        assert_eq!(name(&mut rig, address(5)), [], "it is being dialled");
        assert_eq!(name(&mut rig, address(1)), [], "connected");
        for odd in ["10.0.0.5:0", "127.0.0.1:5", "224.0.0.1:5", "[::]:9"] {
            assert_eq!(name(&mut rig, odd.parse().unwrap()), [], "{odd}");
        }
        let dialled: usize = (20..40).map(|port| name(&mut rig, address(port)).len()).sum();
        assert_eq!(dialled, 3, "ten names a minute count");
        rig.pass(60);
        let dialled: usize = (40..60).map(|port| name(&mut rig, address(port)).len()).sum();
        assert_eq!(dialled, 3, "and no more connections than there may be");
        rig.input(Input::Command(Command::Pause));
        rig.torrent.check_invariants();
    }

    #[test]
    fn nonsense_does_nothing() {
        let mut rig = rig();
        let peer = met(&mut rig, 1);
        let id = rig.number_of("ut_holepunch").unwrap();
        for payload in
            [&b""[..], b"\0", b"\0\0\0\0\0\0\0", b"\x09\0\x0a\0\0\x01\0\x01", b"\0\x07xxxxxxxxxxxx"]
        {
            let message = Message::Extended { id, payload: Bytes::from_static(payload) };
            let outputs = rig.input(Input::Message { peer, message });
            assert_eq!(punches(&outputs), (vec![], vec![]));
        }
    }

    #[test]
    fn a_private_torrent_takes_no_part() {
        let mut rig = Rig::private().with(TorrentConfig { utp: true, ..TorrentConfig::default() });
        rig.input(Input::PeersFound { addresses: vec![address(1)], source: PeerSource::Tracker });
        met(&mut rig, 1);
        assert_eq!(rig.number_of("ut_holepunch"), None);
    }
}
