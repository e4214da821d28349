//! The same seed gives the same trace; another seed gives another one.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::flash_crowd::FlashCrowd;
use simulation::network::System;

fn crowd(seed: u64) -> FlashCrowd {
    FlashCrowd {
        peers: 12,
        size: 4 << 20,
        piece_length: 64 << 10,
        up: 1 << 20,
        down: None,
        source_up: 1 << 20,
        latency: Duration::from_millis(2),
        classic_choke: false,
        foreign: 0,
        super_seed: swarm::SuperSeed::default(),
        system: System::default(),
        hashing: Hashing::RootOnly,
        seed,
    }
}

#[test]
fn one_seed_one_trace() {
    let (first, again, other) = (crowd(7).run(), crowd(7).run(), crowd(8).run());
    assert_eq!(first.trace, again.trace);
    assert_eq!(first.done, again.done);
    assert_ne!(first.trace, other.trace);
}

#[test]
fn the_books_are_right_after_every_input() {
    for hashing in [Hashing::Tree, Hashing::RootOnly, Hashing::Pieces] {
        for seed in 0..4 {
            let mut world = FlashCrowd { hashing, ..crowd(seed) }.world();
            world.check_every = 1;
            let limit = shared::Moment::START + Duration::from_secs(600);
            assert!(
                world.run(limit, |world| world.nodes.iter().all(|node| node.done_at.is_some())),
                "{hashing:?}"
            );
        }
    }
}
