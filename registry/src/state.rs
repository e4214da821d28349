//! The state: the fold of all events. Nothing else changes it, and applying asks no questions.

use serde::{Deserialize, Serialize};
use shared::InfoHash;
use shared::control::{Entry, Have, Source};

use crate::addresses::{Asker, for_asker};
use crate::catalog::{Catalog, Item};
use crate::crowd::Crowd;
use crate::event::{Event, Milestone, NewEntry};
use crate::identity::MemberId;
use crate::ledger::Ledger;
use crate::members::{Member, Members};
use crate::swarm::SourceState;
use crate::talk::Talk;

/// Nicks that an entry tells of those who share it.
pub(crate) const MAX_BY: usize = 8;

/// Sums since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    pub(crate) connects: u64,
    pub(crate) most_online: usize,
    pub(crate) messages: u64,
    pub(crate) completed: u64,
    pub(crate) downloaded: u64,
}

/// Who is here, what is shared, what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) members: Members,
    pub(crate) catalog: Catalog,
    pub(crate) talk: Talk,
    pub(crate) sums: Sums,
    pub(crate) ledger: Ledger,
}

impl State {
    /// Lets an event happen. An event that does not fit (of a journal that was cut, say) changes
    /// what it can.
    pub fn apply(&mut self, event: &Event) {
        self.ledger.apply(event);
        self.forget_rooms();
        match event {
            Event::Joined { member, at, .. } => {
                self.members.add(member, *at);
                self.sums.connects += 1;
                self.sums.most_online = self.sums.most_online.max(self.members.len());
            }
            Event::Resumed { member, at } => self.members.resume(member, *at),
            Event::Left { peer, at, .. } => self.leave(*peer, *at),
            Event::Shared { peer, key, have, new, info, layers, alias, at, .. } => {
                if let Some(new) = new {
                    self.add(new);
                }
                if let Some(info) = info {
                    self.catalog.add_info(*key, info, layers.as_deref());
                }
                if let Some(alias) = alias {
                    self.catalog.add_name(*key, alias);
                }
                self.share(*peer, *key, *have, *at);
            }
            Event::Unshared { peer, key, .. } => {
                let seen = self.ledger.seen(*key);
                self.drop_source(*peer, *key, seen);
                if self.catalog.get(*key).is_some_and(|item| item.swarm.sources.is_empty()) {
                    if self.ledger.shares.is_held(*key) {
                        self.name_holders(*key);
                    } else {
                        self.forget(*key);
                    }
                }
            }
            Event::Met { new, at } => {
                self.add(new);
                self.catalog.settle(new.hashes().map_or(InfoHash([0; 20]), |hashes| hashes.primary()), *at);
            }
            Event::Moved { peer, address, addresses } => self.members.moved(*peer, *address, addresses),
            Event::Forgotten { key } => self.forget(*key),
            Event::Subscribed { peer, key, wants } => self.subscribe(*peer, *key, *wants),
            Event::Progressed { .. } => self.progress(event),
            Event::Messaged { .. } => self.say(event.clone()),
            Event::Away { peer, text } => self.members.set_away(*peer, text.as_deref()),
            Event::Numbered { last } => self.talk.go_on_from(*last),
            Event::Restarted { .. } => self.restart(),
            Event::Tallied { sums } => self.sums = *sums,
            Event::Operated { .. }
            | Event::Standing { .. }
            | Event::Entered { .. }
            | Event::Exited { .. }
            | Event::Ignored { .. }
            | Event::Room { .. }
            | Event::Collected { .. }
            | Event::Known { .. }
            | Event::Catalogued { .. } => {}
        }
    }

    /// A new item. Members of swarms that it takes over follow it.
    fn add(&mut self, new: &NewEntry) {
        let Some(key) = new.hashes().map(|hashes| hashes.primary()) else { return };
        let taken = self.catalog.add(new.clone());
        let Some(item) = self.catalog.get(key).filter(|_| taken.iter().any(|old| *old != key)) else {
            return;
        };
        for peer in item.swarm.sources.keys().chain(&item.swarm.subscribers) {
            let Some(member) = self.members.get_mut(*peer) else { continue };
            for old in &taken {
                if member.entries.remove(old) {
                    member.entries.insert(key);
                }
                if member.subscriptions.remove(old) {
                    member.subscriptions.insert(key);
                }
            }
        }
    }

    fn leave(&mut self, peer: MemberId, at: u64) {
        let Some(member) = self.members.get(peer) else { return };
        for key in member.entries.clone() {
            self.drop_source(peer, key, at);
        }
        let Some(member) = self.members.remove(peer) else { return };
        for key in member.subscriptions {
            if let Some(item) = self.catalog.get_mut(key) {
                item.swarm.subscribers.remove(&peer);
            }
            self.forget_unlisted(key);
        }
    }

    fn forget(&mut self, key: InfoHash) {
        let Some(item) = self.catalog.remove(key) else { return };
        for peer in item.swarm.subscribers {
            if let Some(member) = self.members.get_mut(peer) {
                member.subscriptions.remove(&key);
            }
        }
        for peer in item.swarm.sources.keys() {
            if let Some(member) = self.members.get_mut(*peer) {
                member.entries.remove(&key);
            }
        }
    }

    fn subscribe(&mut self, peer: MemberId, key: InfoHash, wants: bool) {
        let (Some(member), Some(item)) = (self.members.get_mut(peer), self.catalog.get_mut(key)) else {
            return;
        };
        if wants {
            member.subscriptions.insert(key);
            item.swarm.subscribers.insert(peer);
        } else {
            member.subscriptions.remove(&key);
            item.swarm.subscribers.remove(&peer);
            self.forget_unlisted(key);
        }
    }

    fn share(&mut self, peer: MemberId, key: InfoHash, have: Have, at: u64) {
        let (Some(member), Some(item)) = (self.members.get_mut(peer), self.catalog.get_mut(key)) else {
            return;
        };
        member.entries.insert(key);
        let pieces = item.pieces();
        let percent = match have {
            Have::Full => 100,
            Have::Pieces(count) => percent_of(count, pieces),
        };
        let before = item.swarm.sources.get(&peer).copied();
        let source = SourceState {
            have,
            sharer: true,
            percent,
            downloaded: before.map_or(0, |before| before.downloaded),
            uploaded: before.map_or(0, |before| before.uploaded),
            started: before.and_then(|before| before.started),
            heard: at,
            early: 0,
        };
        item.swarm.sources.insert(peer, source);
        self.catalog.settle(key, at);
    }

    fn progress(&mut self, event: &Event) {
        let Event::Progressed {
            peer, key, size, have, left, downloaded, uploaded, milestone, early, at, ..
        } = event
        else {
            return;
        };
        let Some(have) = have else { return self.drop_source(*peer, *key, *at) };
        let (Some(member), Some(item)) = (self.members.get_mut(*peer), self.catalog.get_mut(*key)) else {
            return;
        };
        member.entries.insert(*key);
        let swarm = &mut item.swarm;
        let before = swarm.sources.get(peer).copied();
        let started = match milestone {
            Some(Milestone::Start { .. }) => Some((*at, *downloaded)),
            Some(Milestone::Done { .. }) => {
                swarm.completed += 1;
                self.sums.completed += 1;
                None
            }
            _ => before.and_then(|before| before.started),
        };
        let sum_before = swarm.downloaded;
        swarm.count(before.as_ref(), *downloaded, *uploaded);
        self.sums.downloaded = self.sums.downloaded.saturating_add(swarm.downloaded - sum_before);
        let source = SourceState {
            have: *have,
            sharer: before.is_some_and(|before| before.sharer),
            percent: percent_of(size.saturating_sub(*left), *size),
            downloaded: *downloaded,
            uploaded: *uploaded,
            started,
            heard: *at,
            early: *early,
        };
        swarm.sources.insert(*peer, source);
        self.catalog.settle(*key, *at);
    }

    fn drop_source(&mut self, peer: MemberId, key: InfoHash, at: u64) {
        let nick = self.members.get_mut(peer).map(|member| {
            member.entries.remove(&key);
            member.nick.clone()
        });
        if let Some(item) = self.catalog.get_mut(key)
            && item.swarm.sources.remove(&peer).is_some()
            && item.swarm.sources.is_empty()
        {
            item.last_by = nick.into_iter().collect();
        }
        self.catalog.settle(key, at);
        self.forget_unlisted(key);
    }

    /// A torrent without a name is known for as long as somebody is in its swarm or waits for it.
    fn forget_unlisted(&mut self, key: InfoHash) {
        let item = self.catalog.get(key).filter(|item| !item.about.listed);
        if item.is_some_and(|item| item.swarm.sources.is_empty() && item.swarm.subscribers.is_empty()) {
            self.forget(key);
        }
    }

    /// An entry as it is told, with those who have no name.
    pub(crate) fn entry(&self, item: &Item, crowd: &Crowd) -> Entry {
        let sharers = item.swarm.sources.iter().filter(|(_, source)| source.sharer || source.have.is_full());
        let nicks = sharers.filter_map(|(peer, _)| self.members.get(*peer)).map(|member| member.nick.clone());
        let mut entry = item.entry(nicks.take(MAX_BY).collect());
        let (full, others, _) = crowd.counts(item.hashes.primary());
        if full > 0 || others > 0 {
            if entry.sources == 0 {
                // Somebody has it: who had it last says nothing any more.
                (entry.by, entry.seen) = (Vec::new(), None);
            }
            entry.full += u64::from(full);
            entry.sources += u64::from(full) + u64::from(others);
        }
        entry
    }

    /// A source as it is told to `asker`.
    pub(crate) fn source(member: &Member, have: Have, asker: Asker) -> Source {
        Source {
            nick: member.nick.clone(),
            peer_id: member.id.peer_id,
            addresses: for_asker(&member.addresses, asker),
            have,
            agent: member.agent.clone(),
        }
    }
}

/// How many hundredths `part` is of `whole`; all of nothing is all.
pub(crate) fn percent_of(part: u64, whole: u64) -> u8 {
    if whole == 0 {
        return 100;
    }
    let percent = u128::from(part.min(whole)) * 100 / u128::from(whole);
    u8::try_from(percent).unwrap_or(100)
}
