//! The last blocks do not wait for the slowest peer.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::scenario::{KIB, MIB, Scenario};

#[test]
fn a_slow_source_does_not_hold_up_the_end() {
    for seed in 0..10 {
        let mut swarm = Scenario::new(8 * MIB, 256 * KIB, Hashing::Tree, seed);
        swarm.seed(4 * MIB);
        // Sixteen blocks, which it is asked for at the start, would take it 64 seconds.
        swarm.seed(4 * KIB);
        let leech = swarm.leech(MIB);
        swarm.world.check_every = 16;
        swarm.start_all();
        let time = swarm.complete(&[leech], Duration::from_secs(600)).expect("complete");
        assert!(time < Duration::from_secs(4), "seed {seed}: {time:?}, the fast source alone needs 2 s");
        let node = &swarm.world.nodes[leech];
        let wasted = node.brain.as_ref().map_or(0, swarm::Torrent::wasted);
        assert!(wasted < 512 * KIB, "seed {seed}: {wasted} bytes came twice");
    }
}
