//! The swarm as a page shows it: who is here, who has how much of what, and what moves now.
//!
//! Taken at one moment and bounded: what does not fit is counted. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use shared::control::{Entry, EntryId};
use shared::{InfoHash, Moment};

use crate::catalog::Item;
use crate::identity::MemberId;
use crate::registry::Registry;

/// Peers that are shown.
const MAX_PEERS: usize = 300;
/// Entries that are shown.
const MAX_SHARES: usize = 60;
/// Holders of one entry that are shown.
const MAX_HOLDERS: usize = 40;
/// Connections that are shown, those first that move most.
const MAX_FLOWS: usize = 400;

/// One moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scene {
    /// Who is here, those first that move something.
    pub peers: Vec<ScenePeer>,
    /// How many are here.
    pub online: usize,
    /// What is shared, that first which moves, then the newest.
    pub shares: Vec<SceneShare>,
    /// How many entries there are.
    pub entries: usize,
    /// What moves from whom to whom.
    pub flows: Vec<SceneFlow>,
    /// Bytes per second in all.
    pub rate: u64,
}

/// Someone who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenePeer {
    /// What a page calls it: no peer id, as that is what a person is known by.
    pub number: u64,
    /// What it is called. From outside.
    pub nick: String,
    /// Its program. From outside.
    pub agent: String,
    /// Whether it can be written to.
    pub chat: bool,
    /// When it came: milliseconds since 1970.
    pub since: u64,
    /// Entries that it shares.
    pub shares: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes per second that it receives.
    pub down: u64,
    /// Bytes per second that it gives.
    pub up: u64,
}

/// An entry with those who have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneShare {
    /// The entry.
    pub entry: Entry,
    /// How many pieces it has.
    pub pieces: u64,
    /// Who has how much of it.
    pub holders: Vec<Holder>,
    /// Bytes per second that move of it.
    pub rate: u64,
    /// Downloads that completed.
    pub completed: u64,
    /// Bytes that were received: what one server would have sent.
    pub delivered: u64,
    /// Bytes that those sent who had all from the beginning.
    pub from_origin: u64,
}

/// Who has how much of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// [`ScenePeer::number`].
    pub peer: u64,
    /// What it is called. From outside.
    pub nick: String,
    /// Hundredths that it has.
    pub percent: u8,
    /// Whether it has everything.
    pub full: bool,
    /// Its piece map, where it tells one: a byte a cell, 0 to 255.
    pub cells: Vec<u8>,
    /// Bytes per second of this entry that it receives.
    pub down: u64,
    /// Bytes per second of this entry that it gives.
    pub up: u64,
}

/// What moves from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneFlow {
    /// [`ScenePeer::number`] of the giver; 0 for somebody who is not here.
    pub from: u64,
    /// The same of the receiver.
    pub to: u64,
    /// Bytes per second.
    pub rate: u64,
}

/// What moves of one entry: from, to, bytes per second. Both ends may tell of it.
type Flows = BTreeMap<(InfoHash, u64, u64), u64>;

impl Registry {
    /// How things are at `now`.
    pub fn scene(&self, now: Moment) -> Scene {
        let flows = self.flows(now);
        let mut edges: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for ((_, from, to), rate) in &flows {
            *edges.entry((*from, *to)).or_default() += rate;
        }
        let rate = edges.values().sum();
        let mut shown: Vec<SceneFlow> =
            edges.iter().map(|((from, to), rate)| SceneFlow { from: *from, to: *to, rate: *rate }).collect();
        shown.sort_by(|a, b| b.rate.cmp(&a.rate).then_with(|| (a.from, a.to).cmp(&(b.from, b.to))));
        shown.truncate(MAX_FLOWS);
        let keys = self.shown_keys(&flows);
        let shares =
            keys.iter().filter_map(|key| Some(self.share(*key, self.state().catalog.get(*key)?, &flows)));
        Scene {
            peers: self.scene_peers(&edges),
            online: self.state().members.len(),
            shares: shares.collect(),
            entries: self.state().catalog.len(),
            flows: shown,
            rate,
        }
    }

    /// Bytes per second that move at `now`.
    pub fn rate(&self, now: Moment) -> u64 {
        self.flows(now).values().sum()
    }

    /// One entry by its short id, with those who have it.
    pub fn scene_share(&self, id: &EntryId, now: Moment) -> Option<SceneShare> {
        let key = self.state().catalog.of_id(id)?;
        let item = self.state().catalog.get(key).filter(|item| item.about.listed)?;
        Some(self.share(key, item, &self.flows(now)))
    }

    fn flows(&self, now: Moment) -> Flows {
        let mut ids = BTreeMap::new();
        for member in self.state().members.iter() {
            if let Some(number) = self.pictures().number(member.id) {
                ids.insert(member.id.peer_id, number);
            }
        }
        let mut flows = Flows::new();
        for (peer, key, flow) in self.pictures().moving(now) {
            let Some(own) = self.pictures().number(peer) else { continue };
            let other = ids.get(&flow.peer_id).copied().unwrap_or(0);
            for (from, to, rate) in [(other, own, flow.down), (own, other, flow.up)] {
                if rate > 0 && from != to {
                    let known = flows.entry((key, from, to)).or_default();
                    *known = rate.max(*known);
                }
            }
        }
        flows
    }

    fn shown_keys(&self, flows: &Flows) -> Vec<InfoHash> {
        let (mut shown, mut seen) = (Vec::new(), BTreeSet::new());
        let moving = flows.keys().map(|(key, _, _)| *key);
        let all = self.state().catalog.iter().map(|(key, _)| *key);
        // The catalog may be long: only as much of it is looked at as can be shown.
        for key in moving.chain(self.pictures().newest()).chain(all.take(2 * MAX_SHARES)) {
            if shown.len() >= MAX_SHARES {
                break;
            }
            let listed = self.state().catalog.get(key).is_some_and(|item| item.about.listed);
            if listed && seen.insert(key) {
                shown.push(key);
            }
        }
        shown
    }

    fn scene_peers(&self, edges: &BTreeMap<(u64, u64), u64>) -> Vec<ScenePeer> {
        let mut rates: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for ((from, to), rate) in edges {
            rates.entry(*from).or_default().1 += rate;
            rates.entry(*to).or_default().0 += rate;
        }
        let number = |id: MemberId| self.pictures().number(id).unwrap_or(0);
        let mut members: Vec<_> =
            self.state().members.iter().map(|member| (number(member.id), member)).collect();
        members.sort_by_key(|(number, _)| (!rates.contains_key(number), *number));
        members.truncate(MAX_PEERS);
        let peers = members.into_iter().map(|(number, member)| {
            let items = member.entries.iter().filter_map(|key| self.state().catalog.get(*key));
            let items = items.filter(|item| item.about.listed);
            let (shares, bytes) =
                items.fold((0, 0_u64), |(n, sum), item| (n + 1, sum.saturating_add(item.about.size)));
            let (down, up) = rates.get(&number).copied().unwrap_or_default();
            ScenePeer {
                number,
                nick: member.nick.clone(),
                agent: member.agent.clone(),
                chat: member.session.is_some(),
                since: member.since,
                shares,
                bytes,
                down,
                up,
            }
        });
        peers.collect()
    }

    fn share(&self, key: InfoHash, item: &Item, flows: &Flows) -> SceneShare {
        let mut rates: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut rate = 0;
        for ((_, from, to), moved) in flows.range((key, 0, 0)..=(key, u64::MAX, u64::MAX)) {
            rates.entry(*from).or_default().1 += moved;
            rates.entry(*to).or_default().0 += moved;
            rate += moved;
        }
        let mut sources: Vec<_> = item
            .swarm
            .sources
            .iter()
            .map(|(peer, source)| (self.pictures().number(*peer).unwrap_or(0), *peer, source))
            .collect();
        sources
            .sort_by_key(|(number, _, source)| (source.have.is_full(), !rates.contains_key(number), *number));
        let holders = sources.into_iter().filter_map(|(number, peer, source)| {
            let member = self.state().members.get(peer)?;
            let full = source.have.is_full();
            let cells = self.pictures().of(peer, key).filter(|_| !full).map(|report| report.cells.clone());
            let (down, up) = rates.get(&number).copied().unwrap_or_default();
            Some(Holder {
                peer: number,
                nick: member.nick.clone(),
                percent: if full { 100 } else { source.percent.min(99) },
                full,
                cells: cells.unwrap_or_default(),
                down,
                up,
            })
        });
        SceneShare {
            entry: self.entry(item),
            pieces: item.pieces(),
            holders: holders.take(MAX_HOLDERS).collect(),
            rate,
            completed: item.completed(self.crowded()),
            delivered: item.swarm.downloaded,
            from_origin: item.swarm.from_origin,
        }
    }
}
