//! Clients that have no name here: beyond the first few hundred, those that only announce are counted and
//! told to each other, and that is all.
//!
//! It is soft state, apart from the events: a client is here for as long as it announces. Records have a
//! fixed size (34 bytes for IPv4, 46 for IPv6) and lie in flat lists, one for each torrent; nothing is allocated for a
//! client, and nobody else is looked at when one announces. What lasts and what is shown never comes from
//! here. Called by the registry only.

mod arriving;
mod index;
mod places;
mod swarm;
mod telling;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

use rand::{Rng, RngExt as _};
use shared::{InfoHash, Moment, PeerId};

pub(crate) use self::arriving::Arrival;
use self::arriving::{seconds, who};
use self::swarm::Swarm;
pub(crate) use self::telling::Stranger;
pub use self::told::{Told, hasty};
use crate::command::Announcement;
use crate::members::network;

/// Each torrent is looked at for those who fell silent once in this time.
const ROUND: Duration = Duration::from_secs(20);

/// All clients without a name.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    swarms: BTreeMap<InfoHash, Swarm>,
    /// Places of each network.
    networks: BTreeMap<IpAddr, u32>,
    places: usize,
    /// What the tables of positions are mixed with.
    secret: u64,
    /// The torrent that was looked at last, and when.
    cursor: Option<InfoHash>,
    swept: Moment,
}

/// How many of `want` are to be of one part of a swarm, in proportion to what the other has.
pub(crate) fn share(one: usize, other: usize, want: usize) -> usize {
    let all = one.saturating_add(other);
    if all <= want { one } else { (want * one).div_ceil(all.max(1)).min(one) }
}

impl Crowd {
    /// Places in torrents, each client counted in each.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// Torrents in which somebody is.
    pub(crate) fn torrents(&self) -> usize {
        self.swarms.len()
    }

    /// Places of those who come from the network of `ip`.
    pub(crate) fn places_of(&self, ip: IpAddr) -> usize {
        self.networks.get(&network(ip)).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX))
    }

    /// Whether somebody is in that torrent.
    pub(crate) fn knows(&self, key: InfoHash) -> bool {
        self.swarms.contains_key(&key)
    }

    /// Seeds, others, and completed downloads of a torrent.
    pub(crate) fn counts(&self, key: InfoHash) -> (u32, u32, u32) {
        self.swarms.get(&key).map_or((0, 0, 0), |swarm| {
            let (full, others) = swarm.counts();
            (full, others, swarm.completed)
        })
    }

    /// The one who announces is here still: says how many announces in a row came too early. `None` when it
    /// is not here by this kind of address.
    pub(crate) fn renew(&mut self, key: InfoHash, arrival: &Arrival) -> Option<u8> {
        let swarm = self.swarms.get_mut(&key)?;
        let before = swarm.renew(arrival, self.secret)?;
        if network(before.ip) != network(arrival.ip) {
            leave(&mut self.networks, before.ip);
            *self.networks.entry(network(arrival.ip)).or_default() += 1;
        }
        Some(before.early)
    }

    /// Somebody comes who is not here by this kind of address.
    pub(crate) fn enter(&mut self, key: InfoHash, arrival: &Arrival, rng: &mut impl Rng) {
        if self.places == 0 {
            self.secret = rng.random();
        }
        self.swarms.entry(key).or_default().enter(arrival, self.secret);
        self.places += 1;
        *self.networks.entry(network(arrival.ip)).or_default() += 1;
    }

    /// The one who announces leaves a torrent. Says whether it was there.
    pub(crate) fn remove(&mut self, key: InfoHash, said: &Announcement) -> bool {
        let Some(swarm) = self.swarms.get_mut(&key) else { return false };
        let gone = swarm.remove(&who(said), self.secret);
        if swarm.is_empty() {
            self.swarms.remove(&key);
        }
        for ip in gone.into_iter().flatten() {
            self.places -= 1;
            leave(&mut self.networks, ip);
        }
        gone != [None, None]
    }

    /// At most `want` others in a torrent, each equally likely, as `said`'s sender can reach them.
    pub(crate) fn tell(
        &self,
        key: InfoHash,
        said: &Announcement,
        want: usize,
        rng: &mut impl Rng,
        told: &mut Told,
    ) {
        if let Some(swarm) = self.swarms.get(&key) {
            swarm.tell(said, want, rng.random(), told);
        }
    }

    /// At most `want` of those in a torrent that can be dialled, each equally likely. `draw` is random.
    pub(crate) fn sample(&self, key: InfoHash, want: usize, draw: u64) -> Vec<Stranger> {
        self.swarms.get(&key).map_or_else(Vec::new, |swarm| swarm.strangers(want, draw))
    }

    /// Puts the counts of a torrent into `told`, and, unless its client is hasty, whom it is told of;
    /// `named` says how many of these have a name when so many in the swarm have none. `draw` is random.
    pub(crate) fn answer(
        &self,
        key: InfoHash,
        said: &Announcement,
        draw: u64,
        told: &mut Told,
        named: impl FnOnce(u32, &mut Told) -> usize,
    ) {
        let Some(swarm) = self.swarms.get(&key) else { return };
        let (full, others) = swarm.counts();
        (told.seeds, told.leechers, told.completed) = (full, others, swarm.completed);
        let named = named(full + others, told);
        if !told.is_hasty {
            let want = usize::from(said.announce.wanted).saturating_sub(named);
            swarm.tell(said, want, draw, told);
        }
    }

    /// Looks at some of the torrents for those who have been silent for longer than `patience`: all of them
    /// are looked at in twenty seconds, however often this is called. Gives those that somebody left.
    pub(crate) fn expire(&mut self, now: Moment, patience: Duration) -> Vec<InfoHash> {
        let waited = now.since(self.swept).min(ROUND);
        let torrents = u128::try_from(self.swarms.len()).unwrap_or(0);
        let share = torrents * waited.as_millis() / ROUND.as_millis().max(1);
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        if share == 0 && !self.swarms.is_empty() {
            return Vec::new();
        }
        self.swept = now;
        let patience = u16::try_from(patience.as_secs()).unwrap_or(u16::MAX);
        let from = self.cursor.filter(|_| share < self.swarms.len());
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let (secret, now) = (self.secret, seconds(now));
        let mut shrunk = Vec::new();
        let mut left = share;
        self.cursor = None;
        for (key, swarm) in self.swarms.range_mut((from, Bound::Unbounded)) {
            if left == 0 {
                break;
            }
            left -= 1;
            self.cursor = Some(*key);
            let gone = swarm.take_out(secret, now, |_, _, age| age > patience);
            if !gone.is_empty() {
                shrunk.push(*key);
            }
            for ip in gone {
                self.places -= 1;
                leave(&mut self.networks, ip);
            }
        }
        if left > 0 {
            self.cursor = None;
        }
        self.drop_empty(&shrunk);
        shrunk
    }

    fn drop_empty(&mut self, shrunk: &[InfoHash]) {
        for key in shrunk {
            if self.swarms.get(key).is_some_and(Swarm::is_empty) {
                self.swarms.remove(key);
            }
        }
    }

    /// When [`Self::expire`] is to be called next, if there is anybody.
    pub(crate) fn next(&self) -> Option<Moment> {
        (!self.swarms.is_empty()).then(|| self.swept + Duration::from_secs(1))
    }

    /// All for whom `goes` holds, by id and address, are gone at once. Gives the torrents that they left.
    pub(crate) fn drop_all(&mut self, goes: impl Fn(PeerId, IpAddr) -> bool) -> Vec<InfoHash> {
        let secret = self.secret;
        let (mut gone, mut shrunk) = (Vec::new(), Vec::new());
        for (key, swarm) in &mut self.swarms {
            let before = gone.len();
            gone.extend(swarm.take_out(secret, 0, |who, ip, _| goes(who.id, ip)));
            if gone.len() > before {
                shrunk.push(*key);
            }
        }
        self.left(&gone);
        self.drop_empty(&shrunk);
        shrunk
    }

    /// A torrent is gone with all who were in it.
    pub(crate) fn forget(&mut self, key: InfoHash) {
        if let Some(mut swarm) = self.swarms.remove(&key) {
            let gone = swarm.take_out(self.secret, 0, |_, _, _| true);
            self.left(&gone);
        }
    }

    /// Two hashes are one torrent: those who came by `other` are in `key`.
    pub(crate) fn merge(&mut self, other: InfoHash, key: InfoHash) {
        if other == key {
            return;
        }
        if let Some(swarm) = self.swarms.remove(&other) {
            let twice = self.swarms.entry(key).or_default().merge(&swarm, self.secret);
            self.left(&twice);
        }
    }

    fn left(&mut self, gone: &[IpAddr]) {
        self.places -= gone.len();
        for ip in gone {
            leave(&mut self.networks, *ip);
        }
    }
}

fn leave(networks: &mut BTreeMap<IpAddr, u32>, ip: IpAddr) {
    let place = network(ip);
    if let Some(count) = networks.get_mut(&place) {
        *count -= 1;
        if *count == 0 {
            networks.remove(&place);
        }
    }
}
