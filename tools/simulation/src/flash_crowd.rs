//! Everybody wants the file at once: how long until the last one has it, against the least time that
//! any way of sharing could take.

use std::time::Duration;

use shared::{Bitfield, Moment};
use swarm::SuperSeed;

use crate::content::{Hashing, Publication};
use crate::idleness::Idleness;
use crate::network::System;
use crate::node::{Manners, Wish};
use crate::world::World;

/// One source and a crowd.
#[derive(Debug, Clone)]
pub struct FlashCrowd {
    /// How many want the file.
    pub peers: usize,
    /// Its bytes.
    pub size: u64,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// Bytes per second that each of the crowd can send.
    pub up: u64,
    /// Bytes per second that each of the crowd can receive; none is without limit.
    pub down: Option<u64>,
    /// Bytes per second that the source can send.
    pub source_up: u64,
    /// From any node to any other.
    pub latency: Duration,
    /// What lies between each brain and its links.
    pub system: System,
    /// The classic rules of choking.
    pub classic_choke: bool,
    /// How many of the crowd are other programs, which pay no heed to suggestions.
    pub foreign: usize,
    /// Whether the source reveals piece after piece (BEP 16).
    pub super_seed: SuperSeed,
    /// How blocks are judged.
    pub hashing: Hashing,
    /// The one number everything random comes from.
    pub seed: u64,
}

/// Looks at every uplink in a second.
const LOOKS: u32 = 50;

/// One second of it.
#[derive(Debug, Clone, Copy)]
pub struct Second {
    /// Which one, from 1.
    pub second: u64,
    /// Pieces that somebody of the crowd has at its end.
    pub distinct: usize,
    /// Pieces that one of the crowd has on average.
    pub mean: f64,
    /// How much of its uplink the source used.
    pub source: f64,
    /// How much of their uplinks the crowd used.
    pub crowd: f64,
    /// Why the rest of them lay idle.
    pub idleness: Idleness,
    /// How much of its uplink the source used for blocks that it had not sent before.
    pub first_copies: f64,
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Report {
    /// When each of the crowd was complete, sorted; those who never were are missing.
    pub done: Vec<Duration>,
    /// The lower bound of Kurose and Ross.
    pub bound: Duration,
    /// How often the source sent the whole file.
    pub copies: f64,
    /// Bytes of blocks that were of no use, as a share of all.
    pub wasted: f64,
    /// Bytes of small messages, as a share of the blocks.
    pub overhead: f64,
    /// Inputs of all brains.
    pub events: u64,
    /// The hash of everything that happened.
    pub trace: u64,
}

impl FlashCrowd {
    /// The world at the start: node 0 is the source.
    pub fn world(&self) -> World {
        let publication = Publication::new(self.size, self.piece_length, self.hashing);
        let mut world = World::new(publication, self.latency, self.seed);
        world.system = self.system;
        let pieces = world.pieces();
        let wish = |up, down, have, foreign| Wish {
            up: Some(up),
            down,
            have,
            manners: Manners::Honest,
            classic_choke: self.classic_choke,
            foreign,
            super_seed: self.super_seed,
        };
        world.add(wish(self.source_up, None, Bitfield::full(pieces), false));
        for number in 0..self.peers {
            let foreign = number < self.foreign;
            world.add(wish(self.up, self.down, Bitfield::empty(pieces), foreign));
        }
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        for node in 0..world.nodes.len() {
            world.announce(node);
        }
        world
    }

    /// Lets it happen, for at most an hour of virtual time.
    pub fn run(&self) -> Report {
        let mut world = self.world();
        let limit = Moment::START + Duration::from_secs(3600);
        world.run(limit, |world| world.nodes.iter().all(|node| node.done_at.is_some()));
        self.report(&world)
    }

    /// max(F/us, F/dmin, NF/(us + sum of ui)).
    pub fn bound(&self) -> Duration {
        let over = |bytes: u64, rate: u64| bytes as f64 / rate.max(1) as f64;
        let peers = self.peers as u64;
        let all = over(peers * self.size, self.source_up + peers * self.up);
        let slowest = self.down.map_or(0.0, |down| over(self.size, down));
        Duration::from_secs_f64(over(self.size, self.source_up).max(slowest).max(all))
    }

    /// Lets it happen and tells what each second of it was like.
    pub fn run_by_seconds(&self, mut tell: impl FnMut(Second)) -> Report {
        let mut world = self.world();
        let (mut sent_before, mut firsts_before) = ((0, 0), 0.0);
        for second in 1..3600 {
            let mut idleness = Idleness::default();
            let mut done = false;
            for look in 1..=LOOKS {
                let until =
                    Moment::START + Duration::from_secs(second - 1) + Duration::from_secs(1) * look / LOOKS;
                done = world.run(until, |world| world.nodes.iter().all(|node| node.done_at.is_some()));
                if done {
                    break;
                }
                idleness.look(&world);
            }
            let crowd = world.nodes.get(1..).unwrap_or_default();
            let sent = (
                world.nodes.first().map_or(0, |source| source.bytes_sent),
                crowd.iter().map(|node| node.bytes_sent).sum::<u64>(),
            );
            let firsts =
                world.source_blocks.len() as f64 * f64::from(crate::content::BLOCK) / self.source_up as f64;
            let pieces: usize = crowd.iter().map(|node| node.verified.len()).sum();
            let distinct: std::collections::BTreeSet<_> =
                crowd.iter().flat_map(|node| node.verified.iter().copied()).collect();
            tell(Second {
                second,
                distinct: distinct.len(),
                mean: pieces as f64 / crowd.len() as f64,
                source: (sent.0 - sent_before.0) as f64 / self.source_up as f64,
                crowd: (sent.1 - sent_before.1) as f64 / (self.up * self.peers as u64) as f64,
                idleness,
                first_copies: firsts - firsts_before,
            });
            (sent_before, firsts_before) = (sent, firsts);
            if done {
                break;
            }
        }
        self.report(&world)
    }

    fn report(&self, world: &World) -> Report {
        let crowd = world.nodes.get(1..).unwrap_or_default();
        let mut done: Vec<_> =
            crowd.iter().filter_map(|node| node.done_at.map(|at| at.since(node.joined_at))).collect();
        done.sort_unstable();
        let sum = |of: fn(&crate::node::Node) -> u64| world.nodes.iter().map(of).sum::<u64>() as f64;
        let sent = sum(|node| node.bytes_sent);
        Report {
            done,
            bound: self.bound(),
            copies: world.nodes.first().map_or(0, |source| source.bytes_sent) as f64 / self.size as f64,
            wasted: sum(|node| node.brain.as_ref().map_or(0, swarm::Torrent::wasted)) / sent,
            overhead: sum(|node| node.small_bytes_sent) / sent,
            events: world.events,
            trace: world.trace(),
        }
    }
}

impl Report {
    /// When the last one was complete.
    pub fn last(&self) -> Duration {
        self.done.last().copied().unwrap_or_default()
    }

    /// Time of the last one over the lower bound.
    pub fn ratio(&self) -> f64 {
        self.last().as_secs_f64() / self.bound.as_secs_f64()
    }
}
