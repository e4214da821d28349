//! Everyone who was ever here, with a bound: whoever was away for longest is forgotten first, those of
//! whom nothing else is kept before the others.
//!
//! A person is a peer id; the nick is what it was called last. Written by the ledger only.

use std::collections::{BTreeMap, BTreeSet};

use shared::{InfoHash, PeerId};

use crate::fold::{nearest, nick_key};

/// People who are remembered.
pub(crate) const MAX_PEOPLE: usize = 20_000;

/// People who are looked at when one must be forgotten.
const MAX_CANDIDATES: usize = 1_000;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) peer: PeerId,
    /// What it was called last.
    pub(crate) nick: String,
    /// When it came for the first time: milliseconds since 1970.
    pub(crate) first: u64,
    /// When it came or went last: milliseconds since 1970.
    pub(crate) seen: u64,
    pub(crate) here: bool,
    /// What it shares, also while it is away.
    pub(crate) shares: BTreeSet<InfoHash>,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct People {
    all: BTreeMap<PeerId, Known>,
    /// Who was called so last.
    nicks: BTreeMap<String, PeerId>,
    /// Those who are away, by when they were seen.
    away: BTreeSet<(u64, PeerId)>,
}

impl People {
    pub(crate) fn get(&self, peer: PeerId) -> Option<&Known> {
        self.all.get(&peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.all.values()
    }

    pub(crate) fn of_nick(&self, nick: &str) -> Option<&Known> {
        self.nicks.get(&nick_key(nick)).and_then(|peer| self.all.get(peer))
    }

    /// Nicks like one that nobody ever had.
    pub(crate) fn near(&self, nick: &str) -> Vec<String> {
        nearest(nick, self.all.values().take(2_000).map(|known| known.nick.as_str()), 3)
    }

    /// When someone came or went last; 0 for nobody.
    pub(crate) fn seen(&self, peer: PeerId) -> u64 {
        self.get(peer).map_or(0, |known| known.seen)
    }

    /// Those who are here now.
    pub(crate) fn here(&self) -> Vec<PeerId> {
        self.all.values().filter(|known| known.here).map(|known| known.peer).collect()
    }

    /// Someone is here. Gives back who had to be forgotten; `has_mail` says for whom mail is kept.
    pub(crate) fn meet(
        &mut self,
        peer: PeerId,
        nick: &str,
        at: u64,
        has_mail: impl Fn(PeerId) -> bool,
    ) -> Option<Known> {
        let first = self.all.get(&peer).map_or(at, |known| known.first);
        self.put(peer, nick, (first, at), true);
        if self.all.len() <= MAX_PEOPLE {
            return None;
        }
        let is_bare =
            |peer: PeerId| !has_mail(peer) && self.all.get(&peer).is_none_or(|known| known.shares.is_empty());
        let bare = self.away.iter().take(MAX_CANDIDATES).find(|(_, peer)| is_bare(*peer));
        let (seen, peer) = *bare.or_else(|| self.away.first())?;
        self.away.remove(&(seen, peer));
        let known = self.all.remove(&peer)?;
        self.drop_nick(&known);
        Some(known)
    }

    /// Someone was here, as a journal tells.
    pub(crate) fn know(&mut self, peer: PeerId, nick: &str, times: (u64, u64), is_named: bool) {
        let owner = self.nicks.get(&nick_key(nick)).copied();
        self.put(peer, nick, times, false);
        if let Some(owner) = owner.filter(|_| !is_named) {
            self.nicks.insert(nick_key(nick), owner);
        } else if !is_named {
            self.nicks.remove(&nick_key(nick));
        }
    }

    fn put(&mut self, peer: PeerId, nick: &str, (first, seen): (u64, u64), here: bool) {
        let old = self.all.remove(&peer);
        // A clock that was put back makes nobody older.
        let seen = old.as_ref().map_or(seen, |old| seen.max(old.seen));
        if let Some(old) = &old {
            self.away.remove(&(old.seen, peer));
            self.drop_nick(old);
        }
        if !here {
            self.away.insert((seen, peer));
        }
        self.nicks.insert(nick_key(nick), peer);
        let shares = old.map(|old| old.shares).unwrap_or_default();
        self.all.insert(peer, Known { peer, nick: nick.to_owned(), first, seen, here, shares });
    }

    fn drop_nick(&mut self, known: &Known) {
        let key = nick_key(&known.nick);
        if self.nicks.get(&key) == Some(&known.peer) {
            self.nicks.remove(&key);
        }
    }

    /// Someone went.
    pub(crate) fn leave(&mut self, peer: PeerId, at: u64) {
        let Some(known) = self.all.get_mut(&peer) else { return };
        self.away.remove(&(known.seen, peer));
        known.here = false;
        known.seen = known.seen.max(at);
        self.away.insert((known.seen, peer));
    }

    pub(crate) fn add_share(&mut self, peer: PeerId, key: InfoHash) {
        if let Some(known) = self.all.get_mut(&peer) {
            known.shares.insert(key);
        }
    }

    pub(crate) fn drop_share(&mut self, peer: PeerId, key: InfoHash) {
        if let Some(known) = self.all.get_mut(&peer) {
            known.shares.remove(&key);
        }
    }
}
