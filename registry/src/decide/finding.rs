//! What is there, and who has it.

use rand::Rng;
use shared::InfoHash;
use shared::control::{
    Answer, Code, Counters, EntryId, Find, Found, Matches, Refusal, Search, Sources, SourcesOf, Stats,
    SwarmCounters, WhoIsHere,
};

use super::{Decider, count};
use crate::catalog::{Item, Located};
use crate::command::Decision;
use crate::event::Event;
use crate::fold::search_key;
use crate::members::Member;
use crate::page::{fitting, weight};
use crate::state::State;

/// Entries of a page when nobody says how many.
const PAGE: usize = 50;
/// Sources that one answer tells at most.
const MAX_WANT: usize = 200;

impl Decider<'_> {
    pub(super) fn search(&self, search: &Search) -> Decision {
        let by = match &search.by {
            None => None,
            Some(nick) => match (self.state.members.of_nick(nick), self.state.ledger.of_nick(nick)) {
                (None, None) => return Decision::refuse(self.no_such_user(nick)),
                (Some(member), _) => Some(&member.entries),
                (None, Some(known)) => Some(&known.shares),
            },
        };
        let query = search_key(&search.query);
        let words: Vec<&str> = query.split_whitespace().collect();
        let fits = |key: &InfoHash, item: &Item| {
            by.is_none_or(|theirs| theirs.contains(key))
                && search.kind.is_none_or(|kind| item.about.kind == kind)
                && search.min.is_none_or(|min| item.about.size >= min)
                && search.max.is_none_or(|max| item.about.size <= max)
                && (words.is_empty()
                    || item.search_names.iter().any(|name| words.iter().all(|word| name.contains(word))))
        };
        let mut found: Vec<&Item> =
            self.state.catalog.iter().filter(|(key, item)| fits(key, item)).map(|(_, item)| item).collect();
        found.sort_by_cached_key(|item| {
            let exact = item.search_names.contains(&query);
            let starts = item.search_names.iter().any(|name| name.starts_with(&query));
            let sources = std::cmp::Reverse(item.swarm.sources.len());
            (!exact, !starts, sources, item.about.name.clone(), item.about.entry.clone())
        });
        let start = search.after.map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX));
        let limit = search.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
        let page = found.iter().skip(start).take(limit).map(|item| self.state.entry(item));
        let entries = fitting(page, |entry| {
            let said = weight(&entry.name) + entry.comment.as_deref().map_or(0, weight);
            400 + said + entry.by.iter().map(|nick| weight(nick) + 3).sum::<usize>()
        });
        let end = start.saturating_add(entries.len());
        let near = if found.is_empty() { self.state.catalog.near(&search.query) } else { Vec::new() };
        Decision::answer(Answer::Matches(Matches {
            after: (end < found.len() && !entries.is_empty()).then(|| count(end)),
            entries,
            total: count(found.len()),
            near,
        }))
    }

    pub(super) fn find(&self, find: &Find) -> Decision {
        let located = self.state.catalog.locate(find);
        let item = |key: InfoHash| self.state.catalog.get(key);
        match located {
            Located::One(key) => match item(key) {
                Some(item) => Decision::answer(Answer::Found(Box::new(Found {
                    entry: self.state.entry(item),
                    root: item.about.root,
                    info: item.about.info.clone(),
                }))),
                None => Decision::refuse(nothing_found(find)),
            },
            Located::Several(keys) => {
                let text = format!("{} entries fit {}", keys.len(), asked(find));
                let mut refusal = Refusal::new(Code::Ambiguous, text).advise("find by entry");
                refusal.candidates =
                    keys.into_iter().filter_map(item).map(|item| self.state.entry(item)).collect();
                Decision::refuse(refusal)
            }
            Located::None(near) => {
                let mut refusal = nothing_found(find);
                refusal.near = near;
                Decision::refuse(refusal)
            }
        }
    }

    pub(super) fn sources(&self, member: &Member, ask: &SourcesOf, rng: &mut impl Rng) -> Decision {
        let (key, item) = match self.item(&ask.entry) {
            Ok(found) => found,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let subscribed = member.subscriptions.contains(&key);
        if ask.subscribe && !subscribed && member.subscriptions.len() >= self.config.max_subscriptions {
            let text =
                format!("you follow {} entries already, which is the limit", member.subscriptions.len());
            return Decision::refuse(Refusal::new(Code::TooMany, text));
        }
        let want = usize::try_from(ask.want).unwrap_or(MAX_WANT).min(MAX_WANT);
        let sample = item.swarm.sample(want, member.id, rng);
        let sources = sample.iter().filter_map(|peer| {
            let (other, source) = (self.state.members.get(*peer)?, item.swarm.sources.get(peer)?);
            Some(State::source(other, source.have, member.asker()))
        });
        let mut decision = Decision::answer(Answer::Sources(Sources {
            entry: item.about.entry.clone(),
            sources: sources.collect(),
            total: count(item.swarm.sources.len()),
            full: count(item.swarm.full()),
            subscribed: ask.subscribe,
        }));
        if ask.subscribe != subscribed {
            let (peer, wants) = (member.id, ask.subscribe);
            decision.events.push(Event::Subscribed { peer, key, wants });
        }
        decision
    }

    pub(super) fn who(&self, asker: &Member) -> Decision {
        let mut peers: Vec<_> = self
            .state
            .members
            .iter()
            .map(|member| {
                let shared = member.entries.iter().filter_map(|key| {
                    let item = self.state.catalog.get(*key).filter(|item| item.about.listed)?;
                    let source = item.swarm.sources.get(&member.id)?;
                    (source.sharer || source.have.is_full()).then_some(item.about.size)
                });
                let (shares, bytes) =
                    shared.fold((0, 0_u64), |(n, sum), size| (n + 1, sum.saturating_add(size)));
                member.person(asker.asker(), shares, bytes)
            })
            .collect();
        peers.sort_by(|a, b| a.nick.cmp(&b.nick));
        let total = count(peers.len());
        let peers = fitting(peers.into_iter(), |person| {
            300 + weight(&person.nick) + weight(&person.agent) + 60 * person.addresses.len()
        });
        Decision::answer(Answer::WhoIsHere(WhoIsHere { peers, total }))
    }

    pub(super) fn stats(&self, entry: Option<&EntryId>) -> Decision {
        let Some(entry) = entry else {
            return Decision::answer(Answer::Stats(Stats::Tracker { tracker: self.counters() }));
        };
        match self.item(entry) {
            Err(refusal) => Decision::refuse(refusal),
            Ok((_, item)) => {
                let full = item.swarm.full();
                let swarm = SwarmCounters {
                    entry: item.about.entry.clone(),
                    full: count(full),
                    partial: count(item.swarm.sources.len() - full),
                    completed: item.swarm.completed,
                    downloaded: item.swarm.downloaded,
                    uploaded: item.swarm.uploaded,
                };
                Decision::answer(Answer::Stats(Stats::Swarm { swarm }))
            }
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let State { members, catalog, sums, .. } = self.state;
        Counters {
            uptime: self.now.since_start().as_secs(),
            online: count(members.len()),
            most_online: count(sums.most_online),
            connects: sums.connects,
            entries: count(catalog.len()),
            bytes: catalog.iter().fold(0, |sum, (_, item)| item.about.size.saturating_add(sum)),
            messages: sums.messages,
            completed: sums.completed,
            downloaded: sums.downloaded,
            refused: self.refused,
        }
    }
}

fn asked(find: &Find) -> String {
    match find {
        Find::Entry { entry } => format!("the id {:?}", entry.0),
        Find::Name { name } => format!("{:?}", name.chars().take(80).collect::<String>()),
        Find::Hash { info_hash } => format!("the info hash {info_hash}"),
    }
}

fn nothing_found(find: &Find) -> Refusal {
    Refusal::new(Code::NoSuchEntry, format!("nobody shares {}", asked(find))).advise("search")
}
