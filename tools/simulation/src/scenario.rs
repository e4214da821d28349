//! A small swarm put together by hand, for tests that say what must happen in it.

use std::time::Duration;

use shared::{Bitfield, Moment};
use swarm::{Alert, SuperSeed};

use crate::content::{Hashing, Publication};
use crate::node::{Manners, Wish};
use crate::world::World;

/// Bytes in a KiB, for rates and sizes.
pub const KIB: u64 = 1024;
/// Bytes in a MiB.
pub const MIB: u64 = 1024 * KIB;

/// A world and the way to fill it.
#[derive(Debug)]
pub struct Scenario {
    /// The world itself.
    pub world: World,
    /// Whether nodes that are added from now on choke by the classic rules.
    pub classic_choke: bool,
}

impl Scenario {
    /// `size` bytes in pieces of `piece_length`, two milliseconds between any two nodes.
    pub fn new(size: u64, piece_length: u64, hashing: Hashing, seed: u64) -> Self {
        let piece_length = u32::try_from(piece_length).unwrap_or(u32::MAX >> 8);
        let publication = Publication::new(size, piece_length, hashing);
        Self { world: World::new(publication, Duration::from_millis(2), seed), classic_choke: false }
    }

    /// A node with the pieces `have`, which can send `up` bytes per second.
    pub fn add(&mut self, up: u64, have: Bitfield, manners: Manners) -> usize {
        let classic_choke = self.classic_choke;
        let super_seed = SuperSeed::default();
        self.world.add(Wish {
            up: Some(up),
            down: None,
            have,
            manners,
            classic_choke,
            foreign: false,
            super_seed,
        })
    }

    /// An honest node that has everything.
    pub fn seed(&mut self, up: u64) -> usize {
        let have = Bitfield::full(self.world.pieces());
        self.add(up, have, Manners::Honest)
    }

    /// An honest node that has nothing.
    pub fn leech(&mut self, up: u64) -> usize {
        self.behaving(up, Manners::Honest)
    }

    /// A node that has nothing and treats others like this.
    pub fn behaving(&mut self, up: u64, manners: Manners) -> usize {
        let have = Bitfield::empty(self.world.pieces());
        self.add(up, have, manners)
    }

    /// Starts all nodes and names them to each other.
    pub fn start_all(&mut self) {
        for node in 0..self.world.nodes.len() {
            self.world.start(node);
        }
        for node in 0..self.world.nodes.len() {
            self.world.announce(node);
        }
    }

    /// Lets `time` pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.world.now + time;
        self.world.run(until, |_| false);
    }

    /// Runs until all of `nodes` are complete: how long that took, unless it takes longer than `limit`.
    pub fn complete(&mut self, nodes: &[usize], limit: Duration) -> Option<Duration> {
        let from = self.world.now;
        let done = |world: &World| nodes.iter().all(|node| is_done(world, *node));
        if !self.world.run(from + limit, done) {
            return None;
        }
        nodes.iter().filter_map(|node| self.done_at(*node)).max().map(|last| last.since(from))
    }

    /// When `node` was complete.
    pub fn done_at(&self, node: usize) -> Option<Moment> {
        self.world.nodes.get(node).and_then(|node| node.done_at)
    }

    /// How many pieces `node` has.
    pub fn pieces_of(&self, node: usize) -> u32 {
        let brain = self.world.nodes.get(node).and_then(|node| node.brain.as_ref());
        brain.map_or(0, |brain| brain.have().count())
    }

    /// Whom `node` has banned.
    pub fn banned_by(&self, node: usize) -> Vec<usize> {
        let alerts = self.world.nodes.get(node).map_or(&[][..], |node| &node.alerts);
        alerts
            .iter()
            .filter_map(|alert| match alert {
                Alert::Banned { peer_id, .. } => {
                    self.world.nodes.iter().position(|node| node.peer_id == *peer_id)
                }
                _ => None,
            })
            .collect()
    }
}

fn is_done(world: &World, node: usize) -> bool {
    world.nodes.get(node).is_some_and(|node| node.done_at.is_some())
}
