//! Virtual time: a queue of things to come, and the nodes they happen to.
//!
//! The same seed and the same calls give the same trace, whose hash is kept.

mod arrivals;
mod deeds;
mod event;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use shared::{Bitfield, BlockRef, Moment, PeerId};
use swarm::{Input, PeerKey, PeerSource, Torrent, TorrentConfig, TorrentStart};

use crate::agenda::Agenda;
use crate::content::{Filler, Publication, mix};
use crate::network::{Link, System};
use crate::node::{End, Manners, Node, Wish};
use event::{Event, Haves, Packet, number};

/// How long a disk takes for anything.
const DISK: Duration = Duration::from_micros(100);
/// Bytes around a block on the wire: message, TCP and IP headers.
const BLOCK_OVERHEAD: u64 = 13;
/// Peers that the tracker names to a newcomer.
const TRACKER_SAMPLE: usize = 50;
const PORT: u16 = 6881;

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// The present.
    pub now: Moment,
    /// What is shared.
    pub publication: Publication,
    /// All that ever joined.
    pub nodes: Vec<Node>,
    /// How long anything takes from one node to another.
    pub latency: Duration,
    /// What lies between each brain and its links.
    pub system: System,
    /// After how many inputs of a node its books are checked; 0 is never.
    pub check_every: u64,
    /// Things that have happened so far.
    pub events: u64,
    /// Blocks that node 0 has sent at least once.
    pub source_blocks: std::collections::BTreeSet<BlockRef>,
    agenda: Agenda<Event>,
    /// What was pushed last, while more of it may follow.
    telling: Haves,
    /// What is happening, one after the other, and its number.
    happening: (u64, Haves),
    trace: u64,
    rng: Xoshiro256PlusPlus,
    seed: u64,
    filler: Filler,
    /// The block that is being handed to a brain, with its digest.
    arriving: Option<(BlockRef, [u8; 32])>,
}

/// The address of a node.
pub fn address_of(node: usize) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(node).unwrap_or(0).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), PORT))
}

fn node_at(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V4(v4) if v4.port() == PORT => {
            let [_, a, b, c] = v4.ip().octets();
            usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()
        }
        _ => None,
    }
}

impl World {
    /// An empty world in which `publication` can be shared.
    pub fn new(publication: Publication, latency: Duration, seed: u64) -> Self {
        Self {
            now: Moment::START,
            publication,
            nodes: Vec::new(),
            latency,
            system: System::default(),
            check_every: 0,
            events: 0,
            source_blocks: std::collections::BTreeSet::new(),
            agenda: Agenda::default(),
            telling: Haves::default(),
            happening: (0, Haves::default()),
            trace: mix(seed),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            seed,
            filler: Filler::default(),
            arriving: None,
        }
    }

    /// The hash of everything that has happened so far.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Pieces of what is shared.
    pub fn pieces(&self) -> u32 {
        self.publication.content.layout.pieces()
    }

    /// A new node; it does nothing until [`World::join`].
    pub fn add(&mut self, wish: Wish) -> usize {
        let node = self.nodes.len();
        let mut id = *b"-EJ0001-000000000000";
        for (to, from) in id.iter_mut().skip(8).zip(format!("{node:012}").bytes()) {
            *to = from;
        }
        // Names must not rise with the number, or the first to come would win every tie.
        if let Some(first) = id.get_mut(8) {
            *first = b'A' + u8::try_from(mix(node as u64) % 26).unwrap_or(0);
        }
        if wish.foreign
            && let [_, one, two, ..] = &mut id
        {
            (*one, *two) = (b'X', b'X');
        }
        self.nodes.push(Node {
            up: Link::new(wish.up),
            down: Link::new(wish.down),
            wish,
            brain: None,
            peer_id: PeerId(id),
            ends: Vec::new(),
            false_blocks: std::collections::BTreeMap::new(),
            done_at: None,
            joined_at: self.now,
            timer: None,
            blocks_sent: 0,
            false_blocks_sent: 0,
            bytes_sent: 0,
            small_bytes_sent: 0,
            alerts: Vec::new(),
            verified: Vec::new(),
            breaches: Vec::new(),
            starts: 0,
        });
        node
    }

    /// Starts `node` and tells it of some of those that are up, as a tracker would.
    pub fn join(&mut self, node: usize) {
        self.start(node);
        self.announce(node);
    }

    /// Starts the brain of `node` with the pieces it has.
    pub fn start(&mut self, node: usize) {
        let (now, seed) = (self.now, self.seed);
        let content = std::sync::Arc::clone(&self.publication.content);
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.starts += 1;
        it.joined_at = now;
        it.timer = None;
        let claims = match it.wish.manners {
            Manners::Rejects | Manners::Ignores | Manners::Poisons { .. } => {
                Bitfield::full(content.layout.pieces())
            }
            Manners::Honest | Manners::OnlyTakes => it.wish.have.clone(),
        };
        if claims.is_full() {
            it.done_at = Some(now);
        }
        let config = TorrentConfig {
            peer_id: it.peer_id,
            listen_port: Some(PORT),
            classic_choke: it.wish.classic_choke,
            super_seed: it.wish.super_seed,
            ..TorrentConfig::default()
        };
        let start =
            TorrentStart { hashes: content.hashes, content: Some(content), have: claims, paused: false };
        let dice = mix(seed ^ mix(node as u64 + 1) ^ it.starts);
        it.brain = Some(Torrent::new(config, start, dice, now));
    }

    /// Names up to fifty random nodes that are up to `node`.
    pub fn announce(&mut self, node: usize) {
        let mut others: Vec<_> =
            (0..self.nodes.len()).filter(|other| *other != node && self.is_up(*other)).collect();
        let (sample, _) = others.partial_shuffle(&mut self.rng, TRACKER_SAMPLE);
        let addresses = sample.iter().map(|other| address_of(*other)).collect();
        self.input(node, Input::PeersFound { addresses, source: PeerSource::Tracker });
    }

    /// Whether `node` is running.
    pub fn is_up(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.brain.is_some())
    }

    /// Ends `node` without a word; what it has verified stays on its disk.
    pub fn kill(&mut self, node: usize) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let claims_truly = !matches!(it.wish.manners, Manners::Rejects | Manners::Ignores);
        if let Some(brain) = it.brain.take().filter(|_| claims_truly) {
            it.wish.have = brain.have().clone();
        }
        let ends = std::mem::take(&mut it.ends);
        // Numbers of connections are never used again: the new life begins where the old one ended.
        it.ends = ends.iter().map(|end| End { open: false, ..*end }).collect();
        for end in ends.into_iter().filter(|end| end.open) {
            self.push(
                self.now + self.latency,
                Event::Arrives { node: number(end.node), key: end.key, packet: Packet::Gone },
            );
        }
    }

    /// Hands `input` to the brain of `node` and does what it says.
    pub fn input(&mut self, node: usize, input: Input) {
        let (now, check_every) = (self.now, self.check_every);
        let Some(brain) = self.nodes.get_mut(node).and_then(|node| node.brain.as_mut()) else { return };
        brain.handle_input(input, now);
        self.events += 1;
        if check_every > 0 && self.events.is_multiple_of(check_every) {
            brain.check_invariants();
        }
        while let Some(output) =
            self.nodes.get_mut(node).and_then(|node| node.brain.as_mut()).and_then(Torrent::poll_output)
        {
            self.output(node, output);
        }
        let Some(it) = self.nodes.get_mut(node) else { return };
        let Some(at) = it.brain.as_ref().and_then(Torrent::next_timeout) else { return };
        if it.timer.is_none_or(|timer| at < timer) {
            it.timer = Some(at);
            self.push(at.max(now), Event::Timer { node: number(node) });
        }
    }

    fn push(&mut self, at: Moment, event: Event) {
        if !self.telling.takes(at, &event) {
            self.flush();
            if !self.telling.takes(at, &event) {
                self.agenda.push(at, event);
            }
        }
    }

    /// Nothing more follows what was pushed last.
    fn flush(&mut self) {
        match self.telling.to.len() {
            0 => {}
            1 => {
                let mut alone = std::mem::take(&mut self.telling);
                if let Some(event) = alone.next() {
                    self.agenda.push(alone.at, event);
                }
            }
            many => {
                let haves = std::mem::take(&mut self.telling);
                self.agenda.push_many(haves.at, Event::Haves(Box::new(haves)), many as u64);
            }
        }
    }

    /// Lets the next thing happen; false when nothing is to come before `until`.
    pub fn step(&mut self, until: Moment) -> bool {
        let (number, haves) = &mut self.happening;
        if let Some(event) = haves.next() {
            let (at, sequence) = (haves.at, *number + haves.reached as u64 - 1);
            self.let_happen(at, sequence, event);
            return true;
        }
        self.flush();
        let Some(at) = self.agenda.next_at() else { return false };
        if at > until {
            self.now = until;
            return false;
        }
        let Some((sequence, event)) = self.agenda.pop() else { return false };
        self.now = self.now.max(at);
        if let Event::Haves(haves) = event {
            self.fetch(&haves);
            self.happening = (sequence, *haves);
            return self.step(until);
        }
        self.let_happen(at, sequence, event);
        true
    }

    /// What they will touch is in no cache. Asked for here it is waited for once, and not by each in turn, as
    /// long as nothing is decided by what is found.
    fn fetch(&self, haves: &Haves) {
        let ends = |(node, key): &(u32, PeerKey)| {
            let end = self.nodes.get(*node as usize).and_then(|node| node.ends.get(key.0 as usize));
            end.map_or(0, |end| u32::from(end.open))
        };
        let found = |(node, key): &(u32, PeerKey)| {
            let brain = self.nodes.get(*node as usize).and_then(|node| node.brain.as_ref());
            let (theirs, ours, copies) =
                brain.map_or((false, false, 0), |brain| brain.about_piece(*key, haves.piece));
            u32::from(theirs) + u32::from(ours) + copies
        };
        std::hint::black_box(haves.to.iter().map(ends).sum::<u32>());
        std::hint::black_box(haves.to.iter().map(found).sum::<u32>());
    }

    fn let_happen(&mut self, at: Moment, sequence: u64, event: Event) {
        let nanos = u64::try_from(at.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.trace = mix(self.trace ^ mix(nanos) ^ sequence).wrapping_add(event.kind());
        self.happen(event);
    }

    /// Runs until `done` says so, checked after every event of note, or until `until`.
    pub fn run(&mut self, until: Moment, mut done: impl FnMut(&Self) -> bool) -> bool {
        let mut looked_at = 0;
        loop {
            if self.events >= looked_at + 256 {
                looked_at = self.events;
                if done(self) {
                    return true;
                }
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Reaches { node, key, packet } => self.reach(node as usize, key, packet),
            Event::Arrives { node, key, packet } => self.arrive(node as usize, key, packet),
            Event::Dialled { node, to } => self.connect(node as usize, to as usize),
            Event::Done { node, start, outcome } => {
                let node = node as usize;
                if self.nodes.get(node).is_some_and(|node| number(node.starts) == start) {
                    self.input(node, outcome.into());
                }
            }
            Event::Haves(_) => {}
            Event::Timer { node } => {
                let node = node as usize;
                let Some(it) = self.nodes.get_mut(node) else { return };
                if it.timer.is_some_and(|timer| timer <= self.now) {
                    it.timer = None;
                    self.input(node, Input::Timeout);
                }
            }
        }
    }
}
