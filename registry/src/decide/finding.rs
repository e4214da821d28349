//! What is there, and who has it.

use std::collections::{BTreeMap, BTreeSet};

use shared::InfoHash;
use shared::control::{
    Answer, Code, Counters, Entry, EntryId, Find, Found, Matches, Refusal, Search, Stats, SwarmCounters,
};

use super::{Decider, count};
use crate::catalog::{Item, Located};
use crate::command::Decision;
use crate::fold::search_key;
use crate::listing::{Candidate, Candidates, Cursor, MAX_RANKED};
use crate::page::{entry_weight, fitting, weight};
use crate::state::State;

/// Entries of a page when nobody says how many.
const PAGE: usize = 50;

impl Decider<'_> {
    /// What somebody shares who is here or away, by first hash; everything when nobody is named.
    pub(crate) fn shares_of(&self, by: Option<&str>) -> Result<Option<&BTreeSet<InfoHash>>, Refusal> {
        let Some(nick) = by else { return Ok(None) };
        match (self.state.members.of_nick(nick), self.state.ledger.of_nick(nick)) {
            (None, None) => Err(self.no_such_user(nick)),
            (Some(member), _) => Ok(Some(&member.entries)),
            (None, Some(known)) => Ok(Some(&known.shares)),
        }
    }

    pub(super) fn search(&self, search: &Search, found: Option<&Candidates>) -> Decision {
        let by = match self.shares_of(search.by.as_deref()) {
            Ok(by) => by,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let looked;
        let found = if let Some(found) = found {
            found
        } else {
            looked = self.look_through(search, by);
            &looked
        };
        let limit = search.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
        let listed = |key: InfoHash| {
            let item = self.state.catalog.get(key).filter(|item| item.about.listed)?;
            by.is_none_or(|theirs| theirs.contains(&key)).then_some(item)
        };
        // What is gone since the index was asked takes its place in the order with it.
        let page = found.page.iter().take(limit).map(|candidate| (candidate, listed(candidate.key)));
        let page = page.map(|(candidate, item)| (item.map(|item| self.entry(item)), &candidate.path));
        let page = fitting(page, |(entry, path)| {
            let Some(entry) = entry else { return 0 };
            entry_weight(entry) + path.as_deref().map_or(0, |path| weight(path) + 80)
        });
        let end = Cursor { place: found.at.place.saturating_add(page.len()), ..found.at };
        let more = !page.is_empty() && end.place < found.total.min(MAX_RANKED);
        let (mut entries, mut paths) = (Vec::new(), BTreeMap::new());
        for (entry, path) in page {
            let Some(entry) = entry else { continue };
            if let Some(path) = path {
                paths.insert(entry.entry.clone(), path.clone());
            }
            entries.push(entry);
        }
        let near = found.near.iter().filter_map(|key| listed(*key)).map(|item| item.about.name.clone());
        Decision::answer(Answer::Matches(Matches {
            after: end.number().filter(|_| more),
            entries,
            total: count(found.total),
            near: near.collect(),
            paths,
        }))
    }

    /// The catalog without an index: by names alone.
    fn look_through(&self, search: &Search, by: Option<&BTreeSet<InfoHash>>) -> Candidates {
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
        let mut found: Vec<(&InfoHash, &Item)> =
            self.state.catalog.iter().filter(|(key, item)| fits(key, item)).collect();
        found.sort_by_cached_key(|(_, item)| {
            let exact = item.search_names.contains(&query);
            let starts = item.search_names.iter().any(|name| name.starts_with(&query));
            let sources = std::cmp::Reverse(item.sources(self.crowd));
            (!exact, !starts, sources, item.about.name.clone(), item.about.entry.clone())
        });
        // An order of the index is not known here: its place is.
        let at = Cursor { order: 0, ..search.after.map(Cursor::from_number).unwrap_or_default() };
        let page = found.iter().skip(at.place).take(MAX_RANKED);
        let near = if found.is_empty() { self.state.catalog.near(&search.query) } else { Vec::new() };
        Candidates {
            page: page.map(|(key, _)| Candidate { key: **key, path: None }).collect(),
            at,
            total: found.len(),
            near: near.into_iter().filter_map(|name| self.state.catalog.named(&name)).collect(),
        }
    }

    pub(super) fn find(&self, find: &Find) -> Decision {
        let located = self.state.catalog.locate(find);
        let item = |key: InfoHash| self.state.catalog.get(key);
        match located {
            Located::One(key) => match item(key) {
                Some(item) => Decision::answer(Answer::Found(Box::new(Found {
                    entry: self.entry(item),
                    root: item.about.root,
                    info: item.about.info.clone(),
                }))),
                None => Decision::refuse(nothing_found(find)),
            },
            Located::Several(keys) => {
                let text = format!("{} entries fit {}", keys.len(), asked(find));
                let mut refusal = Refusal::new(Code::Ambiguous, text).advise("find by entry");
                refusal.candidates = keys.into_iter().filter_map(item).map(|item| self.entry(item)).collect();
                Decision::refuse(refusal)
            }
            Located::None(near) => {
                let mut refusal = nothing_found(find);
                refusal.near = near;
                Decision::refuse(refusal)
            }
        }
    }

    pub(super) fn stats(&self, entry: Option<&EntryId>) -> Decision {
        let Some(entry) = entry else {
            return Decision::answer(Answer::Stats(Stats::Tracker { tracker: self.counters() }));
        };
        match self.item(entry) {
            Err(refusal) => Decision::refuse(refusal),
            Ok((_, item)) => {
                let Entry { entry, sources, full, .. } = self.entry(item);
                let swarm = SwarmCounters {
                    entry,
                    full,
                    partial: sources - full,
                    completed: item.completed(self.crowd),
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
            unnamed: count(self.crowd.places()),
            most_online: count(sums.most_online),
            connects: sums.connects,
            entries: count(catalog.len()),
            bytes: catalog.bytes(),
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
