//! Announces of clients without a name: straight to the crowd, with no decision and no event. Called by the
//! doors for BitTorrent clients, by way of the hub.

use std::net::SocketAddr;

use rand::{Rng, RngExt as _};
use shared::announce::Event as Why;
use shared::control::is_local;
use shared::{InfoHash, Moment};

use super::Registry;
use crate::addresses::{Asker, for_asker};
use crate::catalog::{Item, names};
use crate::command::{Announcement, Door, Unannounced};
use crate::config::Unknown;
use crate::crowd::{Arrival, Told, share};
use crate::event::Event;
use crate::identity::MemberId;
use crate::operate::{Deed, Target};

impl Registry {
    /// Takes an announce of a client that has no name here, and says whom it is told of; `None` when the
    /// announce is one for [`Self::execute`], as its client has a name or is to get one.
    pub fn meet(
        &mut self,
        said: &Announcement,
        now: Moment,
        at: u64,
        rng: &mut impl Rng,
        told: &mut Told,
    ) -> Option<Result<(), Unannounced>> {
        let met = self.meet_within(said, now, at, rng, told);
        self.refused += u64::from(matches!(met, Some(Err(_))));
        met
    }

    fn meet_within(
        &mut self,
        said: &Announcement,
        now: Moment,
        at: u64,
        rng: &mut impl Rng,
        told: &mut Told,
    ) -> Option<Result<(), Unannounced>> {
        told.clear();
        let ip = said.from.ip();
        let clients = self.state.members.len() - self.state.members.connected();
        if clients < self.config.named_announcers && self.crowd.places() == 0 {
            return None;
        }
        if self.state.ledger.standing.ban(said.announce.peer_id, ip, at).is_some() {
            return None;
        }
        let found = self.state.catalog.of_hash(said.announce.hash).map(|(key, _)| key);
        let key = found.unwrap_or(said.announce.hash);
        if self.state.members.says(said.announce.peer_id) {
            let id = self.decider(now, at).speaker(said);
            if self.state.members.get(id).is_some() {
                // It has a name now, and would be here twice.
                if self.crowd.remove(key, said) {
                    self.touch_crowd(key);
                }
                return None;
            }
        }
        if said.announce.event == Why::Stopped {
            if !self.crowd.remove(key, said) {
                return None;
            }
            self.touch_crowd(key);
            self.count(key, told);
            return Some(Ok(()));
        }
        let arrival = Arrival::of(said, self.config.min_interval.as_secs(), now);
        let early = match self.crowd.renew(key, &arrival) {
            Some(early) => early,
            None if clients < self.config.named_announcers => return None,
            None => {
                if let Err(refusal) = self.admit_to_crowd(said, key, clients) {
                    return Some(Err(refusal));
                }
                self.crowd.enter(key, &arrival, rng);
                self.touch_crowd(key);
                0
            }
        };
        told.is_hasty = early > self.config.max_early;
        let item = found.and_then(|key| self.state.catalog.get(key));
        let draw: u64 = rng.random();
        self.crowd.answer(key, said, draw, told, |crowd, told| match item {
            Some(item) => {
                add_named(item, told);
                if told.is_hasty { 0 } else { self.tell_named(item, said, crowd, rng, told) }
            }
            None => 0,
        });
        Some(Ok(()))
    }

    /// Whether there is room for one more without a name.
    fn admit_to_crowd(&self, said: &Announcement, key: InfoHash, clients: usize) -> Result<(), Unannounced> {
        let (config, ip) = (&self.config, said.from.ip());
        let item = self.state.catalog.get(key);
        let accepted = match config.unknown {
            Unknown::Accept => true,
            Unknown::Local => is_local(ip),
            Unknown::Refuse => false,
        };
        if !accepted && item.is_none_or(|item| !item.about.listed) {
            return Err(Unannounced::NotRegistered);
        }
        let full = |what, limit| Err(Unannounced::Full { what, limit });
        let torrents = self.state.catalog.unlisted() + self.crowd.torrents();
        if item.is_none() && torrents >= config.max_unlisted && !self.crowd.knows(key) {
            return full("torrents that nobody shared", config.max_unlisted);
        }
        let limit = config.max_announced_per_address;
        if self.crowd.places_of(ip) >= limit {
            return full("torrents at your address", limit);
        }
        if clients + self.crowd.places() >= config.max_announcers {
            return full("clients", config.max_announcers);
        }
        Ok(())
    }

    /// How the torrent fares, named clients included.
    pub(super) fn count(&self, key: InfoHash, told: &mut Told) {
        (told.seeds, told.leechers, told.completed) = self.crowd.counts(key);
        if let Some(item) = self.state.catalog.get(key) {
            add_named(item, told);
        }
    }

    /// Those who have a name, in proportion to the number of the others; says how many.
    fn tell_named(
        &self,
        item: &Item,
        said: &Announcement,
        crowd: u32,
        rng: &mut impl Rng,
        told: &mut Told,
    ) -> usize {
        let (want, crowd) = (usize::from(said.announce.wanted), usize::try_from(crowd).unwrap_or(usize::MAX));
        let want = share(item.swarm.sources.len(), crowd, want);
        let nobody = MemberId::session(said.announce.peer_id);
        let asker = Asker { ip: said.from.ip(), via: said.via };
        let own = SocketAddr::new(asker.ip, said.announce.port);
        let mut count = 0;
        for other in item.swarm.sample(want, nobody, rng) {
            let other = Some(other).filter(|other| other.peer_id != said.announce.peer_id);
            let Some(member) = other.and_then(|other| self.state.members.get(other)) else { continue };
            let addresses = for_asker(&member.addresses, asker);
            for v4 in [true, false] {
                let fits = said.door != Door::Udp || v4 == said.from.is_ipv4();
                let best = addresses.iter().find(|address| address.is_ipv4() == v4 && fits);
                if let Some(best) = best.filter(|best| **best != own) {
                    told.add(*best, member.id.peer_id);
                    count += 1;
                }
            }
        }
        count
    }

    /// What an event means for those without a name.
    pub(super) fn tell_crowd(&mut self, event: &Event) {
        if self.crowd.places() == 0 {
            return;
        }
        match event {
            Event::Operated { order } => {
                if let Deed::Banned { target, .. } = &order.deed {
                    let target: &Target = target;
                    let shrunk = self.crowd.drop_all(|peer, ip| target.hits(peer, ip));
                    for key in shrunk {
                        self.touch_crowd(key);
                    }
                }
            }
            Event::Shared { new: Some(new), .. } | Event::Met { new, .. } => {
                let Some(hashes) = new.hashes() else { return };
                let key = hashes.primary();
                for hash in names(&hashes) {
                    self.crowd.merge(hash, key);
                }
            }
            Event::Forgotten { key } => self.crowd.forget(*key),
            _ => {}
        }
    }
}

/// Those of a torrent who have a name are counted too.
fn add_named(item: &Item, told: &mut Told) {
    if item.swarm.sources.is_empty() && item.swarm.completed == 0 {
        return;
    }
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let full = item.swarm.full();
    told.seeds = told.seeds.saturating_add(number(full));
    told.leechers = told.leechers.saturating_add(number(item.swarm.sources.len() - full));
    told.completed = told.completed.saturating_add(u32::try_from(item.swarm.completed).unwrap_or(u32::MAX));
}
