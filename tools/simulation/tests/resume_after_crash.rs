//! A brain that starts with what was on disk asks for the rest only.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::scenario::{KIB, MIB, Scenario};

#[test]
fn what_was_verified_before_a_crash_is_not_fetched_again() {
    for seed in 0..8 {
        let mut swarm = Scenario::new(8 * MIB, 128 * KIB, Hashing::Tree, seed);
        swarm.seed(MIB);
        let leech = swarm.leech(MIB);
        swarm.world.check_every = 16;
        swarm.start_all();
        for crash in 0..4 {
            swarm.pass(Duration::from_millis(500 + 300 * crash));
            swarm.world.kill(leech);
            swarm.pass(Duration::from_millis(50));
            swarm.world.join(leech);
        }
        assert!(swarm.complete(&[leech], Duration::from_secs(120)).is_some(), "seed {seed}");
        let node = &swarm.world.nodes[leech];
        let mut verified = node.verified.clone();
        verified.sort_unstable();
        assert_eq!(verified, (0..swarm.world.pieces()).collect::<Vec<_>>(), "each piece once");
    }
}
