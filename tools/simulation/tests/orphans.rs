//! The only source goes as soon as those it leaves behind have everything between them: they need
//! nobody else, and none of them waits for anything but the link.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::integer_division,
    reason = "small numbers"
)]

use std::time::Duration;

use simulation::content::{Hashing, mix};
use simulation::scenario::{KIB, MIB, Scenario};

/// How many seeds; more of them with `ORPHAN_SEEDS`.
fn seeds() -> u64 {
    std::env::var("ORPHAN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn orphans(seed: u64) -> Result<(), String> {
    let dice = |number: u64, sides: u64| mix(seed ^ mix(number)) % sides;
    let hashing = [Hashing::Tree, Hashing::RootOnly, Hashing::Pieces][dice(1, 3) as usize];
    let size = 2 * MIB + dice(2, 6 * MIB);
    let up = (256 * KIB) << dice(3, 5);
    let piece = (32 * KIB) << dice(9, 4);
    let crowd = 2 + dice(4, 2) as usize;
    let mut swarm = Scenario::new(size, piece, hashing, seed);
    swarm.world.latency = Duration::from_micros(200 << dice(5, 8));
    swarm.classic_choke = dice(6, 4) == 0;
    let source = swarm.seed(up);
    let left: Vec<_> = (0..crowd).map(|_| swarm.leech(up << dice(7, 2))).collect();
    swarm.start_all();
    let pieces = swarm.world.pieces();
    let all = |swarm: &Scenario| {
        let has = |node: &usize, piece| {
            let brain = swarm.world.nodes[*node].brain.as_ref();
            brain.is_some_and(|brain| brain.have().get(shared::PieceIndex::new(piece)))
        };
        (0..pieces).all(|piece| left.iter().any(|node| has(node, piece)))
    };
    while !all(&swarm) {
        swarm.pass(Duration::from_millis(1));
    }
    // At that moment, or a little later.
    swarm.pass(Duration::from_millis(dice(8, 3) * dice(10, 200)));
    let halves: Vec<u32> = left.iter().map(|node| swarm.pieces_of(*node)).collect();
    swarm.world.kill(source);
    let patience = Duration::from_secs(10 + 4 * size / up);
    match swarm.complete(&left, patience) {
        Some(_) if swarm.world.nodes.iter().all(|node| node.breaches.is_empty()) => Ok(()),
        Some(_) => {
            let breaches: Vec<_> = swarm.world.nodes.iter().map(|node| node.breaches.clone()).collect();
            Err(format!("seed {seed}: an honest peer is accused: {breaches:?}"))
        }
        None => Err(format!(
            "seed {seed}: of {pieces} they had {halves:?} and have {:?} after {patience:?}",
            left.iter().map(|node| swarm.pieces_of(*node)).collect::<Vec<_>>()
        )),
    }
}

#[test]
fn those_who_have_it_all_between_them_finish_without_the_source() {
    let stalls: Vec<_> = (0..seeds()).filter_map(|seed| orphans(seed).err()).collect();
    assert!(stalls.is_empty(), "{} stalls: {stalls:#?}", stalls.len());
}
