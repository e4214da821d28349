//! The tracker names one peer and no other: the rest is peer exchange, and nothing of it in a private
//! torrent.

use std::sync::Arc;
use std::time::Duration;

use shared::Moment;
use simulation::content::Hashing;
use simulation::scenario::{KIB, MIB, Scenario};
use simulation::world::address_of;
use swarm::{Input, PeerSource};

const CROWD: usize = 20;

/// A source with a thin line, and a crowd that knows only the source.
fn star(private: bool, seed: u64) -> (Scenario, usize, Vec<usize>) {
    let mut swarm = Scenario::new(8 * MIB, 64 * KIB, Hashing::Tree, seed);
    Arc::make_mut(&mut swarm.world.publication.content).private = private;
    let source = swarm.seed(100 * KIB);
    let crowd: Vec<_> = (0..CROWD).map(|_| swarm.leech(400 * KIB)).collect();
    swarm.world.check_every = 64;
    swarm.world.start(source);
    for node in &crowd {
        swarm.world.start(*node);
        let addresses = vec![address_of(source)];
        swarm.world.input(*node, Input::PeersFound { addresses, source: PeerSource::Tracker });
    }
    (swarm, source, crowd)
}

/// How many others each of the crowd is connected to.
fn known(swarm: &Scenario, crowd: &[usize], now: Moment) -> Vec<usize> {
    let peers = |node: &usize| swarm.world.nodes[*node].brain.as_ref().map_or(0, |it| it.peers(now).len());
    crowd.iter().map(peers).collect()
}

#[test]
fn a_crowd_that_knows_one_peer_becomes_a_swarm() {
    for seed in 0..5 {
        let (mut swarm, _, crowd) = star(false, seed);
        swarm.pass(Duration::from_secs(10));
        let known = known(&swarm, &crowd, swarm.world.now);
        assert_eq!(known, vec![CROWD; CROWD], "seed {seed}: everybody knows everybody");
        // From the source alone this would take 8 MiB times 20 at 100 KiB a second: 27 minutes.
        assert!(swarm.complete(&crowd, Duration::from_secs(240)).is_some(), "seed {seed}");
    }
}

#[test]
fn a_private_torrent_stays_with_whom_the_tracker_names() {
    let (mut swarm, source, crowd) = star(true, 1);
    swarm.pass(Duration::from_secs(120));
    assert_eq!(known(&swarm, &crowd, swarm.world.now), vec![1; CROWD]);
    assert_eq!(known(&swarm, &[source], swarm.world.now), [CROWD]);
}
