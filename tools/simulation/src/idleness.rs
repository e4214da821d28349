//! Where uplinks lie idle, and why: the loss to the lower bound, taken apart.
//!
//! Looks at the whole world at one moment, which no brain can. Changes nothing; the flash crowd asks it
//! many times a second and prints the shares.

use shared::Bitfield;

use crate::node::Node;
use crate::world::World;

/// How many looks at uplinks of the crowd found what. The first is use, the others are loss.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idleness {
    /// Sending.
    pub busy: u64,
    /// Has no piece yet.
    pub empty: u64,
    /// No neighbour lacks anything that it has.
    pub unwanted: u64,
    /// Those who lack something are choked.
    pub choked: u64,
    /// Those who lack something may ask, and do not: they have asked others.
    pub unasked: u64,
    /// Something is asked for and not sent yet.
    pub slow: u64,
}

impl Idleness {
    /// One more look at every uplink of the crowd: all nodes but the first.
    pub fn look(&mut self, world: &World) {
        for node in world.nodes.iter().skip(1) {
            self.look_at(node, world);
        }
    }

    fn look_at(&mut self, node: &Node, world: &World) {
        let Some(brain) = node.brain.as_ref() else { return };
        if node.up.is_busy(world.now) {
            self.busy += 1;
            return;
        }
        if brain.have().count() == 0 {
            self.empty += 1;
            return;
        }
        let (mut wanted, mut may_ask, mut asked) = (false, false, false);
        for view in brain.peers(world.now) {
            let end = node.ends.get(view.peer.0 as usize).filter(|end| end.open);
            let other = end.and_then(|end| world.nodes.get(end.node)).and_then(|node| node.brain.as_ref());
            if other.is_some_and(|other| lacks_something(other.have(), brain.have())) {
                wanted = true;
                may_ask |= view.unchoked;
                asked |= view.unchoked && view.queued > 0;
            }
        }
        let count = match (wanted, may_ask, asked) {
            (false, _, _) => &mut self.unwanted,
            (_, false, _) => &mut self.choked,
            (_, _, false) => &mut self.unasked,
            _ => &mut self.slow,
        };
        *count += 1;
    }

    /// The shares of all looks: busy, empty, unwanted, choked, unasked, slow.
    pub fn shares(&self) -> [f64; 6] {
        let counts = [self.busy, self.empty, self.unwanted, self.choked, self.unasked, self.slow];
        let all = counts.iter().sum::<u64>().max(1) as f64;
        counts.map(|count| count as f64 / all)
    }
}

fn lacks_something(has: &Bitfield, other: &Bitfield) -> bool {
    has.as_bytes().iter().zip(other.as_bytes()).any(|(has, other)| other & !has != 0)
}
