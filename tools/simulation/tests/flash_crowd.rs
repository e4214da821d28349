//! Everybody at once: near the bound in virtual time, whatever the machine.

use std::time::Duration;

use simulation::content::Hashing;
use simulation::flash_crowd::FlashCrowd;
use simulation::network::System;

fn crowd(peers: usize, seed: u64) -> FlashCrowd {
    FlashCrowd {
        peers,
        size: 32 << 20,
        piece_length: 256 << 10,
        up: 2 << 20,
        down: None,
        source_up: 2 << 20,
        latency: Duration::from_millis(1),
        classic_choke: false,
        foreign: 0,
        super_seed: swarm::SuperSeed::default(),
        system: System::default(),
        hashing: Hashing::Tree,
        seed,
    }
}

#[test]
fn the_last_of_forty_is_done_soon_after_the_bound() {
    for seed in 1..3 {
        let report = crowd(40, seed).run();
        assert_eq!(report.done.len(), 40);
        assert!(report.ratio() < 1.25, "seed {seed}: {:.3} of the bound", report.ratio());
        assert!(report.copies < 1.25, "seed {seed}: the source sent {:.3} copies", report.copies);
        assert!(report.wasted < 0.05, "seed {seed}: {:.3} wasted", report.wasted);
    }
}

#[test]
fn classic_choking_works_and_is_slower() {
    let (ours, classic) = (crowd(20, 1).run(), FlashCrowd { classic_choke: true, ..crowd(20, 1) }.run());
    assert_eq!(classic.done.len(), 20);
    assert!(classic.last() > ours.last());
}

#[test]
fn a_crowd_of_one_gets_what_the_link_carries() {
    let report = crowd(1, 1).run();
    assert!(report.ratio() < 1.02, "{:.3}", report.ratio());
}

#[test]
fn to_other_programs_the_source_reveals_piece_by_piece_and_sends_less_twice() {
    let of = |super_seed| {
        let reports = (1..4).map(|seed| {
            let crowd = FlashCrowd { foreign: 12, super_seed, ..crowd(12, seed) };
            let report = crowd.run();
            assert_eq!(report.done.len(), 12, "seed {seed}");
            report.copies
        });
        reports.sum::<f64>()
    };
    let (with, without) = (of(swarm::SuperSeed::Auto), of(swarm::SuperSeed::Off));
    assert!(with < without, "copies of three crowds: {with:.3} with, {without:.3} without");
    let alone = FlashCrowd { foreign: 1, super_seed: swarm::SuperSeed::Auto, ..crowd(1, 1) }.run();
    assert!(alone.ratio() < 1.02, "who is alone is not held up: {:.3}", alone.ratio());
}

#[test]
fn what_the_system_hides_costs_more_than_messages_that_wait_their_turn() {
    let system = System { hides: 0, in_order: true, headers: 46 };
    let told = FlashCrowd { system, ..crowd(8, 1) }.run();
    assert!(told.ratio() < 1.13, "{}", told.ratio());
    let hidden = FlashCrowd { system: System { hides: 256 << 10, ..system }, ..crowd(8, 1) }.run();
    assert!(hidden.ratio() > told.ratio() + 0.03, "{} and {}", hidden.ratio(), told.ratio());
    assert!(hidden.wasted > 4.0 * told.wasted, "{} and {}", hidden.wasted, told.wasted);
}
