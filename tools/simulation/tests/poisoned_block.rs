//! Somebody sends false blocks: whoever got one finds out who it was, and blames nobody else.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::node::Manners;
use simulation::scenario::{KIB, MIB, Scenario};

const LIMIT: Duration = Duration::from_secs(900);

/// One source, one poisoner, five who want the file.
fn poisoned(hashing: Hashing, seed: u64) {
    let mut swarm = Scenario::new(MIB + 5 * KIB, 64 * KIB, hashing, seed);
    let source = swarm.seed(400 * KIB);
    let every = 1 + seed % 7;
    let poisoner = swarm.behaving(800 * KIB, Manners::Poisons { every });
    let honest: Vec<_> = (0..5).map(|_| swarm.leech(400 * KIB)).collect();
    swarm.world.check_every = 16;
    swarm.start_all();
    assert!(swarm.complete(&honest, LIMIT).is_some(), "{hashing:?}, seed {seed}: not all complete");
    // Comparing who sent what may go on for a moment after the last piece of another peer.
    swarm.pass(Duration::from_secs(1));
    let mut blamed = 0;
    for node in honest.iter().copied().chain([source]) {
        let banned = swarm.banned_by(node);
        assert!(
            banned.iter().all(|it| *it == poisoner),
            "{hashing:?}, seed {seed}: {node} banned {banned:?}"
        );
        assert!(banned.len() <= 1, "{hashing:?}, seed {seed}: banned twice");
        blamed += banned.len();
    }
    let sent = swarm.world.nodes[poisoner].false_blocks_sent;
    assert!(sent > 0, "{hashing:?}, seed {seed}: nothing false was ever sent");
    assert!(blamed > 0, "{hashing:?}, seed {seed}: {sent} false blocks and nobody was banned");
    assert!(sent <= 400, "{hashing:?}, seed {seed}: {sent} false blocks were fetched");
}

#[test]
fn a_false_block_is_found_at_once_when_the_leaves_are_known() {
    (0..100).for_each(|seed| poisoned(Hashing::Tree, seed));
}

#[test]
fn a_false_block_is_found_when_only_the_root_is_known() {
    (0..100).for_each(|seed| poisoned(Hashing::RootOnly, seed));
}

#[test]
fn comparing_two_attempts_at_a_piece_shows_who_lied() {
    (0..100).for_each(|seed| poisoned(Hashing::Pieces, seed));
}
