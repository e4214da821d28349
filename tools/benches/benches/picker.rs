//! What a decision of the picker costs, by pieces of the torrent and by connections: a table.
//!
//! Run by `cargo xtask bench picker`. Each figure is the median of many rounds, in each of which every
//! connection is given one block.

#![expect(clippy::print_stdout, reason = "a table for people")]

use std::time::{Duration, Instant};

use swarm::measure::{Crowd, PickerAlone};

/// Decisions for one figure.
const DECISIONS: u32 = 60_000;

fn main() {
    println!("nanoseconds for one decision of the picker (what to ask of one peer next)");
    println!("{:>9} {:>12} {:>18} {:>18}", "pieces", "connections", "half of them each", "few of them each");
    for pieces in [1_000, 10_000, 100_000] {
        for connections in [10, 100, 500] {
            let [half, few] = [Crowd::Half, Crowd::Few].map(|crowd| median(pieces, connections, crowd));
            println!("{pieces:>9} {connections:>12} {half:>18} {few:>18}");
        }
    }
}

/// The median over rounds of the time for one decision, in nanoseconds.
fn median(pieces: u32, connections: u32, crowd: Crowd) -> u128 {
    let mut alone = PickerAlone::new(pieces, connections, crowd, 1);
    let mut times: Vec<Duration> = (0..DECISIONS / connections)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(alone.decide());
            let took = started.elapsed();
            alone.receive();
            took / connections
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_nanos)
}
