//! What is shared: found by info hash, by the root of its only file, by short id, or by name.
//!
//! The indexes always tell the same as the items. An entry without sources stays known, so that a
//! search can say that it exists, until there is no room for it.

use std::collections::{BTreeMap, BTreeSet};

use shared::control::{Entry, EntryId, Find};
use shared::{InfoHash, InfoHashV2, InfoHashes};

use crate::crowd::Crowd;
use crate::event::NewEntry;
use crate::fold::{nearest, search_key};
use crate::swarm::Swarm;

/// Names under which one entry can be found.
const MAX_NAMES: usize = 8;
/// Names that a "did you mean" looks at.
const MAX_NEAR: usize = 2_000;
/// Entries that are shown when a name fits several.
pub(crate) const MAX_CANDIDATES: usize = 20;

/// One entry with its swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) about: NewEntry,
    pub(crate) hashes: InfoHashes,
    /// All its names, folded for searching; the first is the one that is shown.
    pub(crate) search_names: Vec<String>,
    pub(crate) swarm: Swarm,
    /// Who shared it last, when nobody does now.
    pub(crate) last_by: Vec<String>,
    /// When its last source left: milliseconds since 1970.
    pub(crate) idle_since: Option<u64>,
}

impl Item {
    /// An entry that nobody has yet.
    pub(crate) fn new(about: NewEntry, hashes: InfoHashes) -> Self {
        Self {
            search_names: vec![search_key(&about.name)],
            about,
            hashes,
            swarm: Swarm::default(),
            last_by: Vec::new(),
            idle_since: None,
        }
    }

    /// The entry as it is told, given the nicks of those who share it.
    pub(crate) fn entry(&self, by: Vec<String>) -> Entry {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Entry {
            entry: self.about.entry.clone(),
            name: self.about.name.clone(),
            size: self.about.size,
            files: self.about.files,
            piece_length: self.about.piece_length,
            kind: self.about.kind,
            sources: count(self.swarm.sources.len()),
            full: count(self.swarm.full()),
            by: if by.is_empty() { self.last_by.clone() } else { by },
            seen: self.idle_since.filter(|seen| *seen > 0),
            hashes: self.hashes,
            comment: self.about.comment.clone(),
            private: self.about.private,
        }
    }

    /// Downloads that completed, with those of clients that have no name.
    pub(crate) fn completed(&self, crowd: &Crowd) -> u64 {
        self.swarm.completed.saturating_add(crowd.counts(self.hashes.primary()).2.into())
    }

    /// Who has any of it and is here, with clients that have no name.
    pub(crate) fn sources(&self, crowd: &Crowd) -> usize {
        let (full, others, _) = crowd.counts(self.hashes.primary());
        self.swarm.sources.len() + usize::try_from(u64::from(full) + u64::from(others)).unwrap_or(0)
    }

    fn listed_bytes(&self) -> u128 {
        if self.about.listed { self.about.size.into() } else { 0 }
    }

    /// How many pieces it has.
    pub(crate) fn pieces(&self) -> u64 {
        self.about.size.div_ceil(self.about.piece_length.max(1))
    }
}

/// What a name led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located {
    /// One entry.
    One(InfoHash),
    /// Several: the first [`MAX_CANDIDATES`] of them.
    Several(Vec<InfoHash>),
    /// None, and names that are like it.
    None(Vec<String>),
}

/// All that is shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    items: BTreeMap<InfoHash, Item>,
    /// Both hashes of an item lead to its first one.
    by_hash: BTreeMap<InfoHash, InfoHash>,
    by_root: BTreeMap<(InfoHashV2, bool), InfoHash>,
    by_id: BTreeMap<EntryId, InfoHash>,
    /// Items without sources, those first that have none for longest.
    idle: BTreeSet<(u64, InfoHash)>,
    info_bytes: usize,
    /// Bytes of all that is listed: the page asks for it every second.
    bytes: u128,
    /// Items that nobody shared: they have no name and stand on no list.
    unlisted: usize,
}

impl Catalog {
    /// How many are listed.
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.unlisted
    }

    /// How many torrents are known by their hash only.
    pub(crate) fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// Bytes of all that is listed.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    pub(crate) fn get(&self, key: InfoHash) -> Option<&Item> {
        self.items.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: InfoHash) -> Option<&mut Item> {
        self.items.get_mut(&key)
    }

    /// All that is listed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InfoHash, &Item)> {
        self.items.iter().filter(|(_, item)| item.about.listed)
    }

    /// The item with this hash, which may be its v1 hash or its truncated v2 hash.
    pub(crate) fn of_hash(&self, hash: InfoHash) -> Option<(InfoHash, &Item)> {
        let key = *self.by_hash.get(&hash)?;
        self.items.get(&key).map(|item| (key, item))
    }

    /// Bytes of all info dictionaries and piece layers.
    pub(crate) fn info_bytes(&self) -> usize {
        self.info_bytes
    }

    /// The item without sources that is to go first.
    pub(crate) fn most_idle(&self) -> Option<InfoHash> {
        self.idle.first().map(|(_, key)| *key)
    }

    /// The item with one of these hashes, or with the same single file under another name.
    pub(crate) fn same(
        &self,
        hashes: &InfoHashes,
        root: Option<InfoHashV2>,
        private: bool,
    ) -> Option<InfoHash> {
        let v1 = hashes.get_v1();
        let v2 = hashes.get_v2().map(|v2| v2.truncated());
        let by_hash = v1.and_then(|v1| self.by_hash.get(&v1)).or_else(|| self.by_hash.get(&v2?));
        by_hash.or_else(|| self.by_root.get(&(root?, private))).copied()
    }

    /// The item that a short id or a whole hash in hexadecimal digits means.
    pub(crate) fn of_id(&self, id: &EntryId) -> Option<InfoHash> {
        if let Some(key) = self.by_id.get(id) {
            return Some(*key);
        }
        let v2 = id.0.parse::<InfoHashV2>().map(|v2| v2.truncated());
        v2.or_else(|_| id.0.parse()).ok().and_then(|hash| self.by_hash.get(&hash).copied())
    }

    /// A short id that nothing else has: six digits of the hash, or more.
    pub(crate) fn free_id(&self, key: InfoHash) -> EntryId {
        let digits = key.to_string();
        let ids = (6..=digits.len()).filter_map(|length| digits.get(..length));
        let mut ids = ids.map(|id| EntryId(id.to_owned()));
        ids.find(|id| !self.by_id.contains_key(id)).unwrap_or(EntryId(digits.clone()))
    }

    /// What `find` means.
    pub(crate) fn locate(&self, find: &Find) -> Located {
        let one =
            |found: Option<InfoHash>| self.listed(found).map_or(Located::None(Vec::new()), Located::One);
        match find {
            Find::Entry { entry } => one(self.of_id(entry)),
            Find::Hash { info_hash } => one(self.by_hash.get(info_hash).copied()),
            Find::Name { name } => self.of_name(name),
        }
    }

    /// Only what somebody shared can be found.
    fn listed(&self, key: Option<InfoHash>) -> Option<InfoHash> {
        key.filter(|key| self.get(*key).is_some_and(|item| item.about.listed))
    }

    /// An exact name before the same name in other letters, before a name that only begins so;
    /// among several those that somebody has.
    fn of_name(&self, name: &str) -> Located {
        let folded = search_key(name);
        let tests: [&dyn Fn(&Item) -> bool; 3] =
            [&|item| item.about.name == name, &|item| item.search_names.contains(&folded), &|item| {
                item.search_names.iter().any(|other| other.starts_with(&folded))
            }];
        if !folded.is_empty() {
            for fits in tests {
                let all: Vec<(InfoHash, bool)> = self
                    .iter()
                    .filter(|(_, item)| fits(item))
                    .map(|(key, item)| (*key, item.swarm.sources.is_empty()))
                    .collect();
                let alive: Vec<InfoHash> =
                    all.iter().filter(|(_, idle)| !idle).map(|(key, _)| *key).collect();
                match (all.as_slice(), alive.as_slice()) {
                    ([], _) => {}
                    ([(only, _)], _) | (_, [only]) => return Located::One(*only),
                    _ => {
                        let keys = all.into_iter().map(|(key, _)| key);
                        return Located::Several(keys.take(MAX_CANDIDATES).collect());
                    }
                }
            }
            let id = EntryId(name.trim_start_matches('#').to_lowercase());
            if let Some(key) = self.listed(self.of_id(&id)) {
                return Located::One(key);
            }
        }
        Located::None(self.near(name))
    }

    /// Names like one that nothing has.
    pub(crate) fn near(&self, name: &str) -> Vec<String> {
        nearest(name, self.iter().take(MAX_NEAR).map(|(_, item)| item.about.name.as_str()), 3)
    }

    /// The entry that is shown under exactly this name.
    pub(crate) fn named(&self, name: &str) -> Option<InfoHash> {
        self.iter().find(|(_, item)| item.about.name == name).map(|(key, _)| *key)
    }

    /// A new entry, or nothing when it has no hash. It takes over the swarms of torrents that were
    /// known by one of its hashes only; their keys are given back.
    pub(crate) fn add(&mut self, new: NewEntry) -> Vec<InfoHash> {
        let Some(hashes) = new.hashes() else { return Vec::new() };
        let key = hashes.primary();
        let mut item = Item::new(new, hashes);
        let mut taken = Vec::new();
        for hash in names(&hashes) {
            let known = self.of_hash(hash).filter(|(_, known)| !known.about.listed).map(|(key, _)| key);
            if let Some(known) = known.and_then(|known| self.remove(known)) {
                taken.push(known.hashes.primary());
                item.swarm.merge(known.swarm);
            }
        }
        self.remove(key);
        for hash in names(&hashes) {
            self.by_hash.insert(hash, key);
        }
        let about = &item.about;
        if let Some(root) = about.root {
            self.by_root.entry((root, about.private)).or_insert(key);
        }
        self.by_id.insert(about.entry.clone(), key);
        self.info_bytes += about.kept_bytes();
        self.unlisted += usize::from(!about.listed);
        self.bytes += item.listed_bytes();
        self.items.insert(key, item);
        taken
    }

    /// The info dictionary of an entry that had none.
    pub(crate) fn add_info(&mut self, key: InfoHash, info: &[u8], layers: Option<&[u8]>) {
        if let Some(item) = self.items.get_mut(&key).filter(|item| item.about.info.is_none()) {
            item.about.info = Some(info.to_vec());
            item.about.layers = layers.map(<[u8]>::to_vec);
            self.info_bytes += item.about.kept_bytes();
        }
    }

    /// Another name under which an entry is to be found.
    pub(crate) fn add_name(&mut self, key: InfoHash, name: &str) {
        let folded = search_key(name);
        if let Some(item) = self.items.get_mut(&key)
            && item.search_names.len() < MAX_NAMES
            && !item.search_names.contains(&folded)
        {
            item.search_names.push(folded);
        }
    }

    /// Puts the queue of idle items right after sources came or went.
    pub(crate) fn settle(&mut self, key: InfoHash, at: u64) {
        let Some(item) = self.items.get_mut(&key) else { return };
        let idle = item.swarm.sources.is_empty();
        if idle && item.idle_since.is_none() {
            item.idle_since = Some(at);
            self.idle.insert((at, key));
        } else if !idle && let Some(since) = item.idle_since.take() {
            item.last_by.clear();
            self.idle.remove(&(since, key));
        }
    }

    /// An entry is gone.
    pub(crate) fn remove(&mut self, key: InfoHash) -> Option<Item> {
        let item = self.items.remove(&key)?;
        self.unlisted -= usize::from(!item.about.listed);
        self.bytes -= item.listed_bytes();
        for hash in names(&item.hashes) {
            if self.by_hash.get(&hash) == Some(&key) {
                self.by_hash.remove(&hash);
            }
        }
        if let Some(root) = item.about.root.map(|root| (root, item.about.private))
            && self.by_root.get(&root) == Some(&key)
        {
            self.by_root.remove(&root);
        }
        self.by_id.remove(&item.about.entry);
        self.info_bytes -= item.about.kept_bytes();
        if let Some(since) = item.idle_since {
            self.idle.remove(&(since, key));
        }
        Some(item)
    }
}

/// The hashes that a handshake or an announce may say.
pub(crate) fn names(hashes: &InfoHashes) -> impl Iterator<Item = InfoHash> + use<> {
    hashes.get_v1().into_iter().chain(hashes.get_v2().map(|v2| v2.truncated()))
}
