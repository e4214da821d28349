//! Peers leave and return at any time, without a word; whoever stays gets the file.

use std::time::Duration;

use simulation::content::{Hashing, mix};
use simulation::scenario::{KIB, MIB, Scenario};

#[test]
fn everybody_completes_although_half_of_them_keep_falling_over() {
    for seed in 0..6 {
        let mut swarm = Scenario::new(6 * MIB, 64 * KIB, Hashing::Tree, seed);
        swarm.seed(MIB);
        let crowd: Vec<_> = (0..16).map(|_| swarm.leech(512 * KIB)).collect();
        swarm.world.check_every = 256;
        swarm.start_all();
        for round in 0..20 {
            swarm.pass(Duration::from_millis(700));
            // The odd ones fall over now and then, and come back in the round after.
            for node in crowd.iter().copied().filter(|node| node % 2 == 1) {
                if !swarm.world.is_up(node) {
                    swarm.world.join(node);
                } else if mix(seed ^ mix(round ^ mix(node as u64))).is_multiple_of(3) {
                    swarm.world.kill(node);
                }
            }
        }
        for node in &crowd {
            if !swarm.world.is_up(*node) {
                swarm.world.join(*node);
            }
        }
        assert!(swarm.complete(&crowd, Duration::from_secs(300)).is_some(), "seed {seed}");
    }
}

#[test]
fn a_half_complete_peer_serves_a_newcomer_and_both_finish_when_the_source_returns() {
    let mut swarm = Scenario::new(8 * MIB, 64 * KIB, Hashing::Tree, 5);
    let source = swarm.seed(MIB);
    let (first, second) = (swarm.leech(MIB), swarm.leech(MIB));
    swarm.world.join(source);
    swarm.world.join(first);
    swarm.pass(Duration::from_secs(4));
    swarm.world.kill(source);
    swarm.world.join(second);
    swarm.pass(Duration::from_secs(10));
    let (half, copied) = (swarm.pieces_of(first), swarm.pieces_of(second));
    assert!(half > 20 && half < swarm.world.pieces(), "{half} pieces");
    assert_eq!(half, copied, "the second one has all that the first one had");
    swarm.world.join(source);
    assert!(swarm.complete(&[first, second], Duration::from_secs(120)).is_some());
}
