//! Who is here: by id, by connection, and by nick.
//!
//! The three maps always tell the same: each member is in all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use shared::control::{MAX_NICK_COLUMNS, Person};
use shared::{InfoHash, PeerId};
use unicode_width::UnicodeWidthStr as _;

use crate::addresses::{Asker, for_asker};
use crate::command::SessionKey;
use crate::event::NewMember;
use crate::fold::{nearest, nick_key};

/// Someone who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) nick: String,
    pub(crate) peer_id: PeerId,
    pub(crate) session: SessionKey,
    pub(crate) token: String,
    pub(crate) address: SocketAddr,
    pub(crate) via: IpAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) agent: String,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    /// Entries it is a source of.
    pub(crate) entries: BTreeSet<InfoHash>,
    /// Entries whose sources it wants to be told of.
    pub(crate) subscriptions: BTreeSet<InfoHash>,
}

impl Member {
    pub(crate) fn asker(&self) -> Asker {
        Asker { ip: self.address.ip(), via: self.via }
    }

    pub(crate) fn person(&self, asker: Asker, shares: u64, bytes: u64) -> Person {
        Person {
            nick: self.nick.clone(),
            peer_id: self.peer_id,
            address: self.address,
            addresses: for_asker(&self.addresses, asker),
            agent: self.agent.clone(),
            shares,
            bytes,
            since: self.since,
        }
    }
}

/// All who are here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Members {
    peers: BTreeMap<PeerId, Member>,
    sessions: BTreeMap<SessionKey, PeerId>,
    nicks: BTreeMap<String, PeerId>,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.peers.values()
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Member> {
        self.peers.get(&peer)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Member> {
        self.peers.get_mut(&peer)
    }

    pub(crate) fn of_session(&self, session: SessionKey) -> Option<&Member> {
        self.sessions.get(&session).and_then(|peer| self.peers.get(peer))
    }

    pub(crate) fn of_nick(&self, nick: &str) -> Option<&Member> {
        self.nicks.get(&nick_key(nick)).and_then(|peer| self.peers.get(peer))
    }

    /// The connections of all but one.
    pub(crate) fn sessions_except(&self, peer: PeerId) -> Vec<SessionKey> {
        self.iter().filter(|member| member.peer_id != peer).map(|member| member.session).collect()
    }

    /// Nicks like the one that nobody has.
    pub(crate) fn near(&self, nick: &str) -> Vec<String> {
        nearest(nick, self.iter().map(|member| member.nick.as_str()), 3)
    }

    /// The nick that `peer` can have: the wanted one, or with the first number that is free.
    pub(crate) fn grant(&self, wanted: &str, peer: PeerId) -> Option<String> {
        let free = |nick: &str| self.nicks.get(&nick_key(nick)).is_none_or(|owner| *owner == peer);
        if free(wanted) {
            return Some(wanted.to_owned());
        }
        (2..1_000).map(|number| numbered(wanted, number)).find(|nick| free(nick))
    }

    /// Someone came. Whoever had the same id, connection or nick is gone.
    pub(crate) fn add(&mut self, new: &NewMember, at: u64) {
        self.remove(new.peer_id);
        if let Some(other) = self.nicks.get(&nick_key(&new.nick)).copied() {
            self.remove(other);
        }
        let member = Member {
            nick: new.nick.clone(),
            peer_id: new.peer_id,
            session: new.session,
            token: new.token.clone(),
            address: new.address,
            via: new.via,
            addresses: new.addresses.clone(),
            agent: new.agent.clone(),
            since: at,
            entries: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
        };
        self.sessions.insert(new.session, new.peer_id);
        self.nicks.insert(nick_key(&new.nick), new.peer_id);
        self.peers.insert(new.peer_id, member);
    }

    /// Someone who is here continues on another connection, with all it had.
    pub(crate) fn resume(&mut self, new: &NewMember, at: u64) {
        let Some(old) = self.remove(new.peer_id) else { return self.add(new, at) };
        self.add(new, at);
        if let Some(member) = self.peers.get_mut(&new.peer_id) {
            member.since = old.since;
            member.entries = old.entries;
            member.subscriptions = old.subscriptions;
        }
    }

    /// Someone went.
    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Member> {
        let member = self.peers.remove(&peer)?;
        self.sessions.remove(&member.session);
        self.nicks.remove(&nick_key(&member.nick));
        Some(member)
    }
}

/// `ana` with a number, shortened where the whole would be too wide.
fn numbered(nick: &str, number: u32) -> String {
    let number = number.to_string();
    let mut stem = nick.to_owned();
    while stem.width() + number.len() > MAX_NICK_COLUMNS {
        stem.pop();
    }
    stem + &number
}
