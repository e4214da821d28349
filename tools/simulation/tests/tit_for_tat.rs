//! Who only takes gets less while others need the uplinks.

#![expect(clippy::print_stdout, reason = "figures for whoever tunes the choker")]

use std::time::Duration;

use simulation::content::Hashing;
use simulation::node::Manners;
use simulation::scenario::{KIB, MIB, Scenario};

/// When half of the honest peers were complete, and the share of the file that the free rider had
/// then; and when it was complete.
fn race(classic_choke: bool, seed: u64) -> (Duration, f64, Duration) {
    let mut swarm = Scenario::new(32 * MIB, 256 * KIB, Hashing::Tree, seed);
    swarm.classic_choke = classic_choke;
    swarm.seed(768 * KIB);
    let honest: Vec<_> = (0..12).map(|_| swarm.leech(256 * KIB)).collect();
    let rider = swarm.behaving(256 * KIB, Manners::OnlyTakes);
    swarm.start_all();
    let limit = swarm.world.now + Duration::from_secs(1200);
    let half = swarm.world.run(limit, |world| {
        honest.iter().filter(|node| world.nodes[**node].done_at.is_some()).count() >= honest.len() / 2
    });
    assert!(half, "half of them complete");
    let (median, pieces) = (swarm.world.now.since_start(), swarm.pieces_of(rider));
    assert!(swarm.complete(&[rider], Duration::from_secs(1200)).is_some(), "it gets the file too, later");
    let last = swarm.done_at(rider).map_or(Duration::ZERO, shared::Moment::since_start);
    (median, f64::from(pieces) / f64::from(swarm.world.pieces()), last)
}

fn free_riders_are_slower(classic_choke: bool, most: f64) {
    let (mut share, mut honest, mut riders) = (0.0, Duration::ZERO, Duration::ZERO);
    for seed in 0..3 {
        let (median, had, last) = race(classic_choke, seed);
        println!(
            "classic {classic_choke}, seed {seed}: honest {median:?}, free rider has {had:.3}, {last:?}"
        );
        share += had / 3.0;
        honest += median;
        riders += last;
    }
    assert!(riders > honest, "honest {honest:?}, free riders {riders:?}");
    assert!(share < most, "free riders had {share:.3} of the file when the others had all of it");
}

#[test]
fn a_free_rider_is_slower_by_the_classic_rules() {
    free_riders_are_slower(true, 0.6);
}

#[test]
fn a_free_rider_is_slower_with_slots_that_follow_the_link() {
    free_riders_are_slower(false, 0.75);
}
