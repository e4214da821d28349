//! Runs a swarm in virtual time and prints how it went.

#![expect(clippy::print_stdout, reason = "printing is its purpose")]

use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use shared::metainfo::piece_length_for;
use simulation::content::Hashing;
use simulation::flash_crowd::FlashCrowd;
use simulation::network::System;
use swarm::SuperSeed;

#[derive(Debug, Parser)]
#[command(about = "Swarms of brains in virtual time: one seed, one trace")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// One source, and everybody wants the file at once.
    FlashCrowd(FlashCrowdArguments),
}

#[derive(Debug, Args)]
struct FlashCrowdArguments {
    /// How many want the file.
    #[arg(long, default_value_t = 100)]
    peers: usize,
    /// Its size, such as 64MiB.
    #[arg(long, default_value = "64MiB", value_parser = bytes)]
    size: u64,
    /// Length of a piece; what `share` would take if not given.
    #[arg(long, value_parser = bytes)]
    piece_length: Option<u64>,
    /// What each of the crowd can send in a second.
    #[arg(long, default_value = "4MiB", value_parser = bytes)]
    up: u64,
    /// What each of the crowd can receive in a second; without limit if not given.
    #[arg(long, value_parser = bytes)]
    down: Option<u64>,
    /// What the source can send in a second; as everybody else if not given.
    #[arg(long, value_parser = bytes)]
    source_up: Option<u64>,
    /// Milliseconds from any node to any other.
    #[arg(long, default_value_t = 1.0)]
    latency_ms: f64,
    /// Bytes that the system of each peer takes in before they are sent: blocks count as sent too early.
    #[arg(long, default_value = "0", value_parser = bytes)]
    hides: u64,
    /// Messages wait behind the blocks that were sent before them.
    #[arg(long)]
    in_order: bool,
    /// Bytes of headers for every thousand bytes; TCP over Ethernet has 46.
    #[arg(long, default_value_t = 0)]
    headers: u64,
    /// Exactly 4 slots every 10 s and one optimistic every 30 s.
    #[arg(long)]
    classic_choke: bool,
    /// How many of the crowd are other programs, which pay no heed to the source's suggestions.
    #[arg(long, default_value_t = 0)]
    foreign: usize,
    /// Whether the source reveals piece after piece (BEP 16): off, auto or on.
    #[arg(long, default_value = "off", value_parser = super_seed)]
    super_seed: SuperSeed,
    /// Judge whole pieces (v1) instead of blocks.
    #[arg(long)]
    v1: bool,
    /// Tell what each second was like.
    #[arg(long)]
    by_seconds: bool,
    /// The one number everything random comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this many seeds, counting up from the first.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        other => return Err(format!("unit {other:?} is none of B, kB, KiB, MB, MiB, GB, GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is not a whole number"))?;
    number.checked_mul(unit).ok_or_else(|| format!("{text:?} is out of range"))
}

fn super_seed(text: &str) -> Result<SuperSeed, String> {
    text.parse().map_err(|()| String::from("it is off, auto or on"))
}

/// Starts the program anew with huge pages, if nothing was said about memory: what a great crowd touches lies
/// far apart, and finding the page costs as much as fetching what is there. The system's allocator reads how
/// it is to be only at the start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn ask_for_huge_pages() {
    use std::os::unix::process::CommandExt;
    const TUNABLES: &str = "GLIBC_TUNABLES";
    if std::env::var_os(TUNABLES).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let mut anew = std::process::Command::new(program);
        // Comes back only when it fails: then small pages have to do.
        let _failure = anew.args(std::env::args_os().skip(1)).env(TUNABLES, "glibc.malloc.hugetlb=1").exec();
    }
}

fn main() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    ask_for_huge_pages();
    let Scenario::FlashCrowd(arguments) = Arguments::parse().scenario;
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        flash_crowd(&arguments, seed);
    }
}

fn flash_crowd(arguments: &FlashCrowdArguments, seed: u64) {
    let crowd = FlashCrowd {
        peers: arguments.peers,
        size: arguments.size,
        piece_length: arguments.piece_length.map_or_else(
            || piece_length_for(arguments.size),
            |length| u32::try_from(length).unwrap_or(1 << 24).next_power_of_two(),
        ),
        up: arguments.up,
        down: arguments.down,
        source_up: arguments.source_up.unwrap_or(arguments.up),
        latency: Duration::from_secs_f64(arguments.latency_ms.clamp(0.0, 10_000.0) / 1000.0),
        system: System { hides: arguments.hides, in_order: arguments.in_order, headers: arguments.headers },
        classic_choke: arguments.classic_choke,
        foreign: arguments.foreign,
        super_seed: arguments.super_seed,
        hashing: if arguments.v1 { Hashing::Pieces } else { Hashing::Tree },
        seed,
    };
    let started = Instant::now();
    let report = if arguments.by_seconds {
        crowd.run_by_seconds(|it| {
            let [busy, empty, unwanted, choked, unasked, slow] = it.idleness.shares();
            println!(
                "{:4} s: {:5} pieces in the crowd, {:7.1} on average, uplinks used: source {:.2} (first copies {:.2}), \
                 crowd {:.2}; looks: busy {:.3}, empty {:.3}, unwanted {:.3}, choked {:.3}, unasked {:.3}, slow {:.3}",
                it.second, it.distinct, it.mean, it.source, it.first_copies, it.crowd, busy, empty, unwanted, choked, unasked, slow
            );
        })
    } else {
        crowd.run()
    };
    let seconds = |duration: Option<&Duration>| duration.map_or(0.0, Duration::as_secs_f64);
    println!(
        "seed {seed}: {} of {} done, last {:.2} s, median {:.2} s, first {:.2} s, bound {:.2} s, ratio {:.3}, \
         source sent {:.3} copies, wasted {:.2} %, small messages {:.2} %",
        report.done.len(),
        crowd.peers,
        report.last().as_secs_f64(),
        seconds(report.done.get(report.done.len() / 2)),
        seconds(report.done.first()),
        report.bound.as_secs_f64(),
        report.ratio(),
        report.copies,
        100.0 * report.wasted,
        100.0 * report.overhead,
    );
    println!(
        "        {} inputs in {:.2} s of real time, trace {:016x}",
        report.events,
        started.elapsed().as_secs_f64(),
        report.trace,
    );
}
