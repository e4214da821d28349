//! One node: answers others, looks for peers of torrents, and says where we have them ourselves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use shared::control::is_local;
use shared::{InfoHash, Moment};

use crate::flood::Flood;
use crate::krpc::{Body, Kind, KrpcError, MAX_DATAGRAM, MAX_NODES, MAX_PEERS, Message, Query, Reply};
use crate::lookup::{Goal, Lookup};
use crate::node_id::NodeId;
use crate::queries::{Purpose, Queries};
use crate::store::Store;
use crate::table::{BUCKET, Table};
use crate::token::Tokens;

/// How often peers of a torrent are looked for, and ours is announced.
const REPEAT: Duration = Duration::from_secs(300);
/// How soon it is tried again when nobody was there, or when a newcomer may know more.
const SOON: Duration = Duration::from_secs(3);
/// How often nodes that were named to us are asked again while we know nobody.
const KNOCK: Duration = Duration::from_secs(15);
/// How often the table is looked after.
const UPKEEP: Duration = Duration::from_secs(60);
/// How often we look for our own neighbours.
const NEIGHBOURS: Duration = Duration::from_secs(600);
/// The most nodes that were named to us by hand.
const MAX_NAMED: usize = 200;
/// The most torrents of ours.
const MAX_SOUGHT: usize = 5_000;
/// Walks under way at once.
const MAX_LOOKUPS: usize = 16;

/// Which nodes we speak with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of this machine, LAN or VPN, and those that were named to us by hand.
    Lan,
    /// All.
    Public,
}

/// How a node behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeConfig {
    /// What it is called.
    pub id: NodeId,
    /// With whom it speaks.
    pub scope: Scope,
    /// Whether its socket can send to IPv6.
    pub ipv6: bool,
}

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// To where.
        to: SocketAddr,
        /// Its bytes.
        datagram: Vec<u8>,
    },
    /// These peers have a torrent that was asked for.
    Found {
        /// Which.
        hash: InfoHash,
        /// Where they listen, by the word of strangers.
        peers: Vec<SocketAddr>,
    },
}

/// A torrent of ours.
#[derive(Debug, Clone, Copy)]
struct Sought {
    port: Option<u16>,
    next: Moment,
    last: Option<Moment>,
    under_way: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    dice: Xoshiro256PlusPlus,
    table: Table,
    store: Store,
    tokens: Tokens,
    flood: Flood,
    queries: Queries,
    lookups: BTreeMap<u32, Lookup>,
    next_lookup: u32,
    sought: BTreeMap<InfoHash, Sought>,
    /// Named by hand.
    named: BTreeSet<SocketAddr>,
    out: VecDeque<Output>,
    next_knock: Moment,
    next_upkeep: Moment,
    next_neighbours: Moment,
    dropped: u64,
}

impl Node {
    /// A node that begins at `now` and knows nobody.
    pub fn new(config: NodeConfig, seed: u64, now: Moment) -> Self {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self {
            config,
            tokens: Tokens::new(&mut dice, now),
            dice,
            table: Table::new(config.id),
            store: Store::default(),
            flood: Flood::default(),
            queries: Queries::default(),
            lookups: BTreeMap::new(),
            next_lookup: 0,
            sought: BTreeMap::new(),
            named: BTreeSet::new(),
            out: VecDeque::new(),
            next_knock: now + KNOCK,
            next_upkeep: now + UPKEEP,
            next_neighbours: now + NEIGHBOURS,
            dropped: 0,
        }
    }

    /// Somebody whom the person or a peer trusts runs a node there.
    pub fn meet(&mut self, address: SocketAddr, now: Moment) {
        let sendable = self.config.ipv6 || address.is_ipv4();
        if address.port() == 0 || !sendable || self.named.len() >= MAX_NAMED {
            return;
        }
        self.named.insert(address);
        let known = self.table.iter().any(|contact| contact.address == address);
        if !known && !self.queries.asks(address) {
            self.ask(address, Kind::Ping, Purpose::Ping, now);
        }
    }

    /// Looks for peers of a torrent from now on, and announces our TCP port there if there is one.
    pub fn seek(&mut self, hash: InfoHash, port: Option<u16>, now: Moment) {
        if self.sought.len() >= MAX_SOUGHT {
            return;
        }
        let fresh = Sought { port, next: now, last: None, under_way: false };
        let sought = self.sought.entry(hash).or_insert(fresh);
        if sought.port != port {
            (sought.port, sought.next) = (port, now);
        }
        self.advance(now);
    }

    /// The torrent is not ours any more.
    pub fn forget(&mut self, hash: InfoHash) {
        self.sought.remove(&hash);
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Moment) {
        if datagram.len() > MAX_DATAGRAM || !self.speaks_with(from) || !self.flood.takes(from.ip(), now) {
            self.dropped += 1;
            return;
        }
        match Message::decode(datagram) {
            Ok(Message { transaction, body: Body::Query(query) }) => {
                self.answer(transaction, &query, from, now);
            }
            Ok(Message { transaction, body: Body::Reply(reply) }) => {
                match self.queries.answered(&transaction, from) {
                    Some(purpose) => self.take(reply, from, purpose, now),
                    None => self.dropped += 1,
                }
            }
            Ok(Message { transaction, body: Body::Error { .. } }) => {
                // It is there, but of no use for this.
                if let Some(Purpose::Lookup(lookup)) = self.queries.answered(&transaction, from)
                    && let Some(lookup) = self.lookups.get_mut(&lookup)
                {
                    lookup.failed(from);
                }
            }
            Err(KrpcError::Unknown { transaction }) => {
                self.refuse(transaction, from, 204, "unknown question");
            }
            Err(_) => self.dropped += 1,
        }
        self.advance(now);
    }

    /// The moment that [`Self::next_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        for (address, purpose) in self.queries.expire(now) {
            self.table.failed(address);
            if let Purpose::Lookup(lookup) = purpose
                && let Some(lookup) = self.lookups.get_mut(&lookup)
            {
                lookup.failed(address);
            }
        }
        if now >= self.next_knock {
            self.next_knock = now + KNOCK;
            if self.table.len() == 0 {
                for address in self.named.clone() {
                    self.ask(address, Kind::Ping, Purpose::Ping, now);
                }
            }
        }
        if now >= self.next_upkeep {
            self.next_upkeep = now + UPKEEP;
            self.store.expire(now);
            for address in self.table.stale(now) {
                if !self.queries.asks(address) {
                    self.ask(address, Kind::Ping, Purpose::Ping, now);
                }
            }
        }
        if now >= self.next_neighbours {
            self.next_neighbours = now + NEIGHBOURS;
            self.look_up(self.config.id, Goal::Nodes);
        }
        self.advance(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Moment {
        let sought = self.sought.values().filter(|sought| !sought.under_way).map(|sought| sought.next);
        let sought = sought.min().filter(|_| self.lookups.len() < MAX_LOOKUPS);
        let fixed = self.next_knock.min(self.next_upkeep).min(self.next_neighbours);
        [self.queries.next_timeout(), sought].into_iter().flatten().fold(fixed, Moment::min)
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Nodes that answered, to begin with next time.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        self.table.iter().filter(|contact| contact.failures == 0).map(|contact| contact.address).collect()
    }

    /// Datagrams that were dropped: too many, too long, from nobody that was asked, or none of this
    /// protocol.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether we speak with an address at all.
    fn speaks_with(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let usable = address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast();
        let in_reach = match self.config.scope {
            Scope::Public => true,
            Scope::Lan => is_local(ip) || self.named.iter().any(|named| named.ip() == ip),
        };
        usable && in_reach && (self.config.ipv6 || ip.is_ipv4())
    }

    fn answer(&mut self, transaction: Vec<u8>, query: &Query, from: SocketAddr, now: Moment) {
        if query.id == self.config.id {
            return;
        }
        let mut reply = Reply { id: Some(self.config.id), asker: Some(from), ..Reply::default() };
        let near = match &query.kind {
            Kind::Ping => None,
            Kind::FindNode(target) => Some(*target),
            Kind::GetPeers(hash) => {
                reply.peers = self.store.some(hash, MAX_PEERS, &mut self.dice);
                // Whoever cannot dial IPv6 has no use for it.
                reply.peers.retain(|peer| peer.is_ipv4() == from.is_ipv4());
                reply.token = Some(self.tokens.give(from.ip(), &mut self.dice, now));
                Some(NodeId::from(*hash))
            }
            Kind::AnnouncePeer { hash, port, token } => {
                if !self.tokens.check(token, from.ip(), &mut self.dice, now) {
                    return self.refuse(transaction, from, 203, "bad token");
                }
                let peer = SocketAddr::new(from.ip(), port.unwrap_or(from.port()));
                if !self.store.add(*hash, peer, now) {
                    return self.refuse(transaction, from, 202, "no room");
                }
                if self.sought.contains_key(hash) {
                    self.out.push_back(Output::Found { hash: *hash, peers: vec![peer] });
                }
                None
            }
        };
        if let Some(target) = near {
            let (mut v4, mut v6) = query.want;
            if !v4 && !v6 {
                (v4, v6) = (from.is_ipv4(), from.is_ipv6());
            }
            for (wanted, is_v4) in [(v4, true), (v6, false)] {
                let fits = |contact: &crate::contact::Contact| contact.address.is_ipv4() == is_v4;
                if wanted {
                    reply.nodes.extend(self.table.nearest(target, BUCKET, fits));
                }
            }
        }
        self.send(&Message { transaction, body: Body::Reply(reply) }, from);
        // Whoever asks us may be worth knowing: it has to answer first.
        let known = self.table.knows(query.id, from);
        if !query.read_only && !known && !self.queries.asks(from) {
            self.ask(from, Kind::Ping, Purpose::Ping, now);
        }
    }

    /// An answer to a question of ours came.
    fn take(&mut self, reply: Reply, from: SocketAddr, purpose: Purpose, now: Moment) {
        let Some(id) = reply.id.filter(|id| *id != self.config.id) else {
            // Nothing to learn from it, and a look-up must not wait for it any more.
            if let Purpose::Lookup(number) = purpose
                && let Some(lookup) = self.lookups.get_mut(&number)
            {
                lookup.failed(from);
            }
            return;
        };
        let was_empty = self.table.len() == 0;
        if self.table.answered(id, from, now) {
            if was_empty {
                self.look_up(self.config.id, Goal::Nodes);
            }
            if self.table.len() <= BUCKET {
                // In so small a network everybody is near: the newcomer is asked and told at once.
                for sought in self.sought.values_mut() {
                    let least = sought.last.map_or(now, |last| last + SOON);
                    sought.next = sought.next.min(least);
                }
            }
        }
        let Purpose::Lookup(number) = purpose else { return };
        let nodes: Vec<(NodeId, SocketAddr)> = reply
            .nodes
            .into_iter()
            .take(2 * MAX_NODES)
            .filter(|(id, address)| *id != self.config.id && self.speaks_with(*address))
            .collect();
        let Some(lookup) = self.lookups.get_mut(&number) else { return };
        lookup.answered(from, reply.token);
        for (id, address) in nodes {
            lookup.learn(id, address);
        }
        if let Goal::Peers { hash, .. } = lookup.goal
            && !reply.peers.is_empty()
        {
            self.out.push_back(Output::Found { hash, peers: reply.peers });
        }
    }

    /// Starts what is due and takes every walk a step further.
    fn advance(&mut self, now: Moment) {
        let due = self.sought.iter().filter(|(_, sought)| !sought.under_way && sought.next <= now);
        let due: Vec<(InfoHash, Option<u16>)> = due.map(|(hash, sought)| (*hash, sought.port)).collect();
        for (hash, port) in due {
            if self.lookups.len() >= MAX_LOOKUPS {
                break;
            }
            if let Some(sought) = self.sought.get_mut(&hash) {
                (sought.under_way, sought.last) = (true, Some(now));
            }
            let ours = self.store.some(&hash, MAX_PEERS, &mut self.dice);
            if !ours.is_empty() {
                self.out.push_back(Output::Found { hash, peers: ours });
            }
            self.look_up(hash.into(), Goal::Peers { hash, port });
        }
        let numbers: Vec<u32> = self.lookups.keys().copied().collect();
        for number in numbers {
            self.step(number, now);
        }
    }

    fn look_up(&mut self, target: NodeId, goal: Goal) {
        let mut lookup = Lookup::new(target, goal);
        for (id, address) in self.table.nearest(target, 2 * BUCKET, |_| true) {
            lookup.learn(id, address);
        }
        self.lookups.insert(self.next_lookup, lookup);
        self.next_lookup = self.next_lookup.wrapping_add(1);
    }

    fn step(&mut self, number: u32, now: Moment) {
        while let Some(lookup) = self.lookups.get_mut(&number)
            && let Some(address) = lookup.next()
        {
            let kind = match lookup.goal {
                Goal::Nodes => Kind::FindNode(lookup.target()),
                Goal::Peers { hash, .. } => Kind::GetPeers(hash),
            };
            if !self.ask(address, kind, Purpose::Lookup(number), now)
                && let Some(lookup) = self.lookups.get_mut(&number)
            {
                lookup.failed(address);
            }
        }
        if !self.lookups.get(&number).is_some_and(Lookup::is_over) {
            return;
        }
        let Some(lookup) = self.lookups.remove(&number) else { return };
        let Goal::Peers { hash, port } = lookup.goal else { return };
        if let Some(sought) = self.sought.get_mut(&hash) {
            sought.under_way = false;
            let jitter = self.dice.random_range(0..30);
            // With nobody there the first one who comes makes it due.
            let alone = lookup.count_answered() == 0;
            sought.next = now + if alone { KNOCK } else { REPEAT } + Duration::from_secs(jitter);
            sought.last = sought.last.filter(|_| !alone);
            if let Some(port) = port {
                for (address, token) in lookup.nearest_with_token() {
                    let kind = Kind::AnnouncePeer { hash, port: Some(port), token };
                    self.ask(address, kind, Purpose::Announce, now);
                }
            }
        }
    }

    /// Asks one node something; `false` when too much is under way.
    fn ask(&mut self, to: SocketAddr, kind: Kind, purpose: Purpose, now: Moment) -> bool {
        let mark: u32 = self.dice.random();
        if !self.queries.add(mark, to, purpose, now) {
            return false;
        }
        let want = (self.config.ipv6, self.config.ipv6);
        let query = Query { id: self.config.id, kind, want, read_only: false };
        self.send(&Message { transaction: mark.to_be_bytes().to_vec(), body: Body::Query(query) }, to);
        true
    }

    fn refuse(&mut self, transaction: Vec<u8>, to: SocketAddr, code: i64, text: &str) {
        self.send(&Message { transaction, body: Body::Error { code, text: text.to_owned() } }, to);
    }

    fn send(&mut self, message: &Message, to: SocketAddr) {
        self.out.push_back(Output::Send { to, datagram: message.encode() });
    }
}

#[cfg(test)]
mod tests;
