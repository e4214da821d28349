//! Local service discovery (BEP 14): says on the local networks which torrents we have, and hears what
//! others have.
//!
//! Never speaks of a private torrent (BEP 27), and of no torrent more often than once a minute.
//! Everything heard is counted before it is believed. Started by the session.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use runtime::multicast::{GroupAddress, Multicast};
use shared::lsd::{self, Datagram};
use shared::{InfoHash, InfoHashes, Moment};
use swarm::PeerSource;
use tokio::time::{MissedTickBehavior, interval};

use crate::connection::Event;
use crate::shared_parts::Parts;
use crate::status::State;
use crate::torrent::Command;

/// How often a torrent is spoken of by itself.
const REPEAT: Duration = Duration::from_secs(300);
/// The least time between two announces of one torrent.
const LEAST: Duration = Duration::from_secs(60);
/// How often torrents and interfaces are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Datagrams that are read in one second, from all and from one address.
const HEARD: (u32, u32) = (200, 40);
/// Addresses that are counted in one second.
const COUNTED: usize = 256;

/// Speaks and listens until the session ends. Without multicast it does nothing.
pub(crate) async fn run(parts: Arc<Parts>, listen: SocketAddr) {
    let group = GroupAddress { port: parts.config.lsd_port, ..runtime::lan::GROUP };
    let member = match Multicast::join(group, listen.ip()) {
        Ok(member) => member,
        Err(error) => {
            tracing::warn!(%error, "no local discovery: the group cannot be joined");
            return;
        }
    };
    let cookie = format!("{:016x}", rand::random::<u64>());
    let local = Local { parts, member, port: listen.port(), cookie, next: BTreeMap::new() };
    local.run().await;
}

/// The state of local discovery.
struct Local {
    parts: Arc<Parts>,
    member: Multicast,
    port: u16,
    cookie: String,
    /// When each torrent was last spoken of, and when it is next.
    next: BTreeMap<InfoHash, Turn>,
}

/// The turn of one torrent.
#[derive(Debug, Clone, Copy)]
struct Turn {
    last: Moment,
    next: Moment,
}

impl Local {
    async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Counter::new(self.parts.clock.now());
        let mut buffer = [0; lsd::MAX_DATAGRAM + 1];
        let end = self.parts.end.clone();
        let mut changed = self.parts.torrents_changed.subscribe();
        loop {
            let got = tokio::select! {
                () = end.cancelled() => return,
                _ = look.tick() => {
                    if self.member.refresh() {
                        self.again();
                    }
                    self.speak();
                    continue;
                }
                Ok(()) = changed.changed() => { self.speak(); continue }
                got = self.member.receive(&mut buffer) => got,
            };
            match got {
                Ok((length, from)) => {
                    if heard.takes(from.ip(), self.parts.clock.now()) {
                        self.hear(buffer.get(..length).unwrap_or_default(), from);
                    }
                }
                Err(error) => tracing::debug!(%error, "a datagram could not be read"),
            }
        }
    }

    /// Speaks of every torrent whose turn it is.
    fn speak(&mut self) {
        let now = self.parts.clock.now();
        let here: BTreeMap<InfoHash, InfoHashes> = self
            .parts
            .torrents()
            .iter()
            .filter(|torrent| !torrent.is_private())
            .filter(|torrent| !matches!(torrent.status.borrow().state, State::Paused | State::Error))
            .map(|torrent| (torrent.id, torrent.hashes))
            .collect();
        self.next.retain(|id, turn| here.contains_key(id) || turn.last + LEAST > now);
        let mut names = BTreeSet::new();
        for (id, hashes) in here {
            if self.next.get(&id).is_none_or(|turn| turn.next <= now) {
                self.next.insert(id, Turn { last: now, next: now + REPEAT });
                let v2 = hashes.get_v2().map(|v2| v2.truncated());
                names.extend([hashes.get_v1(), v2].into_iter().flatten());
            }
        }
        let names: Vec<InfoHash> = names.into_iter().collect();
        for hashes in names.chunks(lsd::MAX_HASHES) {
            let datagram =
                Datagram { port: self.port, hashes: hashes.to_vec(), cookie: Some(self.cookie.clone()) };
            let ways = self.member.send(|group| datagram.encode(group));
            tracing::debug!(torrents = hashes.len(), ways, "announced on the local networks");
        }
    }

    /// There is a new interface: everything is said again as soon as it may be.
    fn again(&mut self) {
        self.next.values_mut().for_each(|turn| turn.next = turn.next.min(turn.last + LEAST));
    }

    fn hear(&mut self, bytes: &[u8], from: SocketAddr) {
        let datagram = match Datagram::parse(bytes) {
            Ok(datagram) => datagram,
            Err(error) => {
                tracing::debug!(%from, %error, "a datagram of local discovery was dropped");
                return;
            }
        };
        if datagram.port == 0 || datagram.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        let mut address = from;
        address.set_port(datagram.port);
        for hash in datagram.hashes {
            let Some((_, torrent)) = self.parts.find(&hash).filter(|(_, torrent)| !torrent.is_private())
            else {
                continue;
            };
            let found = Event::Command(Command::Peers(vec![address], PeerSource::LocalDiscovery));
            // A torrent that is too busy hears it the next time.
            let _ = torrent.inbox.try_send(found).is_ok();
            // A newcomer that nobody can dial has to hear of us.
            if let Some(turn) = self.next.get_mut(&torrent.id) {
                turn.next = turn.next.min(turn.last + LEAST);
            }
        }
    }
}

/// Counts datagrams of the present second.
struct Counter {
    second: Moment,
    all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

impl Counter {
    fn new(now: Moment) -> Self {
        Self { second: now, all: 0, by_address: BTreeMap::new() }
    }

    /// Whether one more may be read.
    fn takes(&mut self, from: IpAddr, now: Moment) -> bool {
        if now.since(self.second) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        if self.by_address.len() >= COUNTED && !self.by_address.contains_key(&from) {
            return false;
        }
        let count = self.by_address.entry(from).or_default();
        *count = count.saturating_add(1);
        if *count > HEARD.1 {
            return false;
        }
        self.all += 1;
        self.all <= HEARD.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_one_address_is_dropped_and_others_are_heard() {
        let mut counter = Counter::new(Moment::START);
        let (loud, quiet) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let heard = (0..1_000).filter(|_| counter.takes(loud, Moment::START)).count();
        assert_eq!(heard, 40);
        assert!(counter.takes(quiet, Moment::START));
        let others = (3..250).filter(|last| counter.takes(IpAddr::from([10, 0, 0, *last]), Moment::START));
        assert_eq!(others.count(), 159, "200 in all");
        assert!(counter.takes(loud, Moment::START + Duration::from_secs(1)), "a second later");
    }
}
