//! The source may leave as soon as every piece is somewhere in the crowd.

#![expect(clippy::cast_precision_loss, reason = "figures of a small swarm")]

use std::collections::BTreeSet;
use std::time::Duration;

use simulation::content::Hashing;
use simulation::scenario::{KIB, MIB, Scenario};

#[test]
fn the_crowd_completes_itself_after_the_source_has_left() {
    for seed in 0..5 {
        let mut swarm = Scenario::new(8 * MIB, 64 * KIB, Hashing::Tree, seed);
        let source = swarm.seed(MIB);
        let crowd: Vec<_> = (0..20).map(|_| swarm.leech(MIB)).collect();
        swarm.start_all();
        let limit = swarm.world.now + Duration::from_secs(120);
        let pieces = swarm.world.pieces() as usize;
        let all_out = swarm.world.run(limit, |world| {
            let out: BTreeSet<_> =
                crowd.iter().flat_map(|node| world.nodes[*node].verified.iter().copied()).collect();
            out.len() == pieces
        });
        assert!(all_out, "every piece leaves the source");
        let copies = swarm.world.nodes[source].bytes_sent as f64 / (8.0 * MIB as f64);
        assert!(copies < 1.25, "seed {seed}: the source sent {copies:.2} copies before the crowd had one");
        swarm.world.kill(source);
        assert!(swarm.complete(&crowd, Duration::from_secs(120)).is_some(), "seed {seed}: stuck without it");
    }
}

#[test]
fn pieces_spread_evenly() {
    let mut swarm = Scenario::new(8 * MIB, 64 * KIB, Hashing::Tree, 3);
    swarm.seed(4 * MIB);
    let crowd: Vec<_> = (0..20).map(|_| swarm.leech(512 * KIB)).collect();
    swarm.start_all();
    swarm.pass(Duration::from_secs(8));
    let mut copies = vec![0_u32; swarm.world.pieces() as usize];
    for node in &crowd {
        for piece in &swarm.world.nodes[*node].verified {
            copies[*piece as usize] += 1;
        }
    }
    let mean = f64::from(copies.iter().sum::<u32>()) / copies.len() as f64;
    let rarest = copies.iter().copied().min().unwrap_or(0);
    assert!(mean > 3.0 && f64::from(rarest) > mean / 3.0, "mean {mean:.1}, rarest {rarest}: {copies:?}");
}
