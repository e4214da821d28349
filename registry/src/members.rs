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
use crate::identity::MemberId;

/// Steps that cost as much as one look into the map.
const WALK: usize = 12;

/// Someone who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) nick: String,
    pub(crate) id: MemberId,
    /// Its connection; `None` for a client that only announces.
    pub(crate) session: Option<SessionKey>,
    pub(crate) token: String,
    pub(crate) address: SocketAddr,
    pub(crate) via: IpAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) agent: String,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    /// What it says while it does not look.
    pub(crate) away: Option<String>,
    /// Entries it is a source of.
    pub(crate) entries: BTreeSet<InfoHash>,
    /// Entries whose sources it wants to be told of.
    pub(crate) subscriptions: BTreeSet<InfoHash>,
}

impl Member {
    /// Someone who has just come.
    pub(crate) fn new(new: &NewMember, at: u64) -> Self {
        Self {
            nick: new.nick.clone(),
            id: new.id(),
            session: new.session,
            token: new.token.clone(),
            address: new.address,
            via: new.via,
            addresses: new.addresses.clone(),
            agent: new.agent.clone(),
            since: at,
            away: None,
            entries: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
        }
    }

    pub(crate) fn asker(&self) -> Asker {
        Asker { ip: self.address.ip(), via: self.via }
    }

    pub(crate) fn person(&self, asker: Asker, shares: u64, bytes: u64) -> Person {
        Person {
            nick: self.nick.clone(),
            peer_id: self.id.peer_id,
            address: self.address,
            addresses: for_asker(&self.addresses, asker),
            agent: self.agent.clone(),
            shares,
            bytes,
            since: self.since,
            chat: self.session.is_some(),
            away: self.away.clone(),
        }
    }
}

/// All who are here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Members {
    peers: BTreeMap<MemberId, Member>,
    sessions: BTreeMap<SessionKey, MemberId>,
    nicks: BTreeMap<String, MemberId>,
    /// Clients that only announce, by where they were seen last.
    announcers: BTreeMap<IpAddr, BTreeSet<MemberId>>,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.peers.values()
    }

    pub(crate) fn get(&self, peer: MemberId) -> Option<&Member> {
        self.peers.get(&peer)
    }

    /// Of some in the order of their ids, who is here with a connection's id. Many of them are found by one walk
    /// through all, few by looking for each.
    pub(crate) fn of_peers<'a>(
        &'a self,
        peers: impl ExactSizeIterator<Item = PeerId> + 'a,
    ) -> impl Iterator<Item = (PeerId, Option<&'a Member>)> {
        let walks = peers.len().saturating_mul(WALK) >= self.peers.len();
        let mut here = self.peers.iter().peekable();
        peers.map(move |peer| {
            let id = MemberId::session(peer);
            if !walks {
                return (peer, self.get(id));
            }
            while here.next_if(|(other, _)| **other < id).is_some() {}
            (peer, here.next_if(|(other, _)| **other == id).map(|(_, member)| member))
        })
    }

    pub(crate) fn get_mut(&mut self, peer: MemberId) -> Option<&mut Member> {
        self.peers.get_mut(&peer)
    }

    pub(crate) fn of_session(&self, session: SessionKey) -> Option<&Member> {
        self.sessions.get(&session).and_then(|peer| self.peers.get(peer))
    }

    pub(crate) fn of_nick(&self, nick: &str) -> Option<&Member> {
        self.nicks.get(&nick_key(nick)).and_then(|peer| self.peers.get(peer))
    }

    /// The connections of all but one.
    pub(crate) fn sessions_except(&self, peer: MemberId) -> Vec<SessionKey> {
        self.iter().filter(|member| member.id != peer).filter_map(|member| member.session).collect()
    }

    /// How many have a connection.
    pub(crate) fn connected(&self) -> usize {
        self.sessions.len()
    }

    /// Clients that only announce, seen last in the network of `ip`.
    pub(crate) fn announcers(&self, ip: IpAddr) -> impl Iterator<Item = &Member> {
        let found = self.announcers.get(&network(ip)).into_iter().flatten();
        found.filter_map(|id| self.peers.get(id))
    }

    /// Whether anybody here says that id.
    pub(crate) fn says(&self, peer: PeerId) -> bool {
        self.peers.range(MemberId::session(peer)..).next().is_some_and(|(id, _)| id.peer_id == peer)
    }

    /// Someone does not look, or looks again.
    pub(crate) fn set_away(&mut self, peer: MemberId, text: Option<&str>) {
        if let Some(member) = self.peers.get_mut(&peer) {
            member.away = text.map(str::to_owned);
        }
    }

    /// A client that announces was seen elsewhere, or tells more addresses.
    pub(crate) fn moved(&mut self, peer: MemberId, address: SocketAddr, addresses: &[SocketAddr]) {
        let Some(member) = self.peers.get_mut(&peer).filter(|member| member.session.is_none()) else {
            return;
        };
        let before = std::mem::replace(&mut member.address, address);
        member.addresses = addresses.to_vec();
        self.leave_network(before.ip(), peer);
        self.announcers.entry(network(address.ip())).or_default().insert(peer);
    }

    fn leave_network(&mut self, ip: IpAddr, peer: MemberId) {
        if let Some(there) = self.announcers.get_mut(&network(ip)) {
            there.remove(&peer);
            if there.is_empty() {
                self.announcers.remove(&network(ip));
            }
        }
    }

    /// Nicks like the one that nobody has.
    pub(crate) fn near(&self, nick: &str) -> Vec<String> {
        nearest(nick, self.iter().map(|member| member.nick.as_str()), 3)
    }

    /// The nick that `peer` can have: the wanted one, or with the first number that is free.
    /// `is_held` says which nicks are kept for somebody who is away.
    pub(crate) fn grant(
        &self,
        wanted: &str,
        peer: MemberId,
        is_held: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let is_own = |nick: &str| self.nicks.get(&nick_key(nick)).is_none_or(|owner| *owner == peer);
        let free = |nick: &str| is_own(nick) && !is_held(nick);
        if free(wanted) {
            return Some(wanted.to_owned());
        }
        (2..100_000).map(|number| numbered(wanted, number)).find(|nick| free(nick))
    }

    /// Someone came. Whoever had the same id, connection or nick is gone.
    pub(crate) fn add(&mut self, new: &NewMember, at: u64) {
        self.remove(new.id());
        if let Some(other) = self.nicks.get(&nick_key(&new.nick)).copied() {
            self.remove(other);
        }
        let member = Member::new(new, at);
        match new.session {
            Some(session) => drop(self.sessions.insert(session, new.id())),
            None => drop(self.announcers.entry(network(new.address.ip())).or_default().insert(new.id())),
        }
        self.nicks.insert(nick_key(&new.nick), new.id());
        self.peers.insert(new.id(), member);
    }

    /// Someone who is here continues on another connection, with all it had.
    pub(crate) fn resume(&mut self, new: &NewMember, at: u64) {
        let Some(old) = self.remove(new.id()) else { return self.add(new, at) };
        self.add(new, at);
        if let Some(member) = self.peers.get_mut(&new.id()) {
            member.since = old.since;
            member.away = old.away;
            member.entries = old.entries;
            member.subscriptions = old.subscriptions;
        }
    }

    /// Someone went.
    pub(crate) fn remove(&mut self, peer: MemberId) -> Option<Member> {
        let member = self.peers.remove(&peer)?;
        match member.session {
            Some(session) => drop(self.sessions.remove(&session)),
            None => self.leave_network(member.address.ip(), peer),
        }
        self.nicks.remove(&nick_key(&member.nick));
        Some(member)
    }
}

/// What counts as one place: an IPv4 address, or the 64 bits of an IPv6 one that a household gets.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
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
