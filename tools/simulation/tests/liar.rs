//! Somebody claims to have what he does not: it costs time, but everybody gets the file.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::node::Manners;
use simulation::scenario::{KIB, MIB, Scenario};

fn with_liars(manners: Manners, liars: usize, seed: u64) -> Duration {
    let mut swarm = Scenario::new(4 * MIB, 64 * KIB, Hashing::Tree, seed);
    swarm.seed(MIB);
    for _ in 0..liars {
        swarm.behaving(MIB, manners);
    }
    let honest: Vec<_> = (0..4).map(|_| swarm.leech(MIB)).collect();
    swarm.world.check_every = 64;
    swarm.start_all();
    let time = swarm.complete(&honest, Duration::from_secs(900));
    assert!(time.is_some(), "all complete");
    for node in honest {
        assert!(swarm.banned_by(node).is_empty(), "nothing false was sent");
    }
    time.unwrap_or_default()
}

#[test]
fn one_that_rejects_everything_hardly_matters() {
    for seed in 0..10 {
        let (clean, lied_to) = (with_liars(Manners::Rejects, 0, seed), with_liars(Manners::Rejects, 2, seed));
        assert!(lied_to < clean * 13 / 10 + Duration::from_secs(60), "{clean:?}, with liars {lied_to:?}");
    }
}

#[test]
fn one_that_never_answers_does_not_hold_anything_up() {
    for seed in 0..60 {
        let (clean, lied_to) = (with_liars(Manners::Ignores, 0, seed), with_liars(Manners::Ignores, 2, seed));
        assert!(lied_to < clean * 13 / 10 + Duration::from_secs(60), "{clean:?}, with liars {lied_to:?}");
    }
}
