//! The tracker as it ships, with thousands of JSON sessions: `cargo xtask bench tracker sessions [CASE...]`.
//!
//! The program is started on one core with a folder of its own; the load comes from another one over real
//! sockets. Every figure is the median of several rounds. Without cases, all are measured, and
//! docs/benchmarks-tracker-sessions.md is written.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that cannot go on ends")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "figures are rounded anyway"
)]

mod crowd;
mod durable;
mod fanout;
mod idle;
mod programs;
mod replay;
mod searching;
mod table;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::table::Table;

/// Rounds of each case.
const ROUNDS: usize = 3;
/// Where the tables go.
const DOCUMENT: &str = "docs/benchmarks-tracker-sessions.md";

/// A case by its name.
type Case = (&'static str, fn() -> Table);

const CASES: [Case; 6] = [
    ("idle", idle_sessions),
    ("search", searches),
    ("messages", messages),
    ("fanout", rooms),
    ("replay", replay),
    ("memory", memory),
];

const FIGURES: [&str; 3] = ["what", "median (least to most)", "wanted"];

fn idle_sessions() -> Table {
    let note = "A session is a TCP connection whose `hello` was answered. Memory is what the tracker has more than \
        with one session, by its resident set, when all have heard of each other: fifty million lines, so this is \
        one round.";
    let mut table = Table::new("Sessions and logins", note, &FIGURES);
    idle::sessions(&mut table);
    idle::logins(ROUNDS, &mut table);
    table
}

fn searches() -> Table {
    let note = "64 sessions with 4 questions each on their way, 20 entries a page. New questions: each is made from \
        words of what is shared and was hardly asked before; also at an even pace, however long the answers take. \
        As people ask: 500 questions, a few of them often.";
    let columns =
        ["shares", "questions", "searches/s", "wanted", "99 % below: ms", "microseconds of processor each"];
    let mut table = Table::new("Searches", note, &columns);
    for shares in [10_000, 100_000] {
        searching::searches(shares, ROUNDS, &mut table);
    }
    table
}

fn messages() -> Table {
    let note = "Messages to people who are away, each answered when it is in the database. The last row is a plain \
        loop in the same run, on the same disk: two pages are written behind each other and forced to the disk.";
    let columns = [
        "--sync",
        "clients",
        "on their way each",
        "acknowledged/s",
        "wanted",
        "against the disk",
        "microseconds of processor each",
    ];
    let mut table = Table::new("Messages that last", note, &columns);
    durable::messages(ROUNDS, &mut table);
    table
}

fn rooms() -> Table {
    let note = "One speaks and all hear it: 40 bytes of text, 8 messages on their way. Ours is kept for the room's \
        history and in the database (`--sync full`) as always; Redis and NATS keep nothing. Delay is from before the \
        message is sent until it was read.";
    let columns = [
        "contender",
        "listeners",
        "deliveries/s",
        "half below: ms",
        "99 % below: ms",
        "microseconds of processor each",
        "enjambre against it",
        "wanted",
    ];
    let mut table = Table::new("One to many", note, &columns);
    for listeners in [100, 1_000] {
        fanout::rooms(listeners, ROUNDS, &mut table);
    }
    table
}

fn replay() -> Table {
    let note = "A term of a school: 400 people who come and go, join 20 rooms, write to each other, to rooms and \
        to all, and share 100,000 things.";
    let mut table = Table::new("Starting with much to remember", note, &FIGURES);
    replay::starts(ROUNDS, &mut table);
    table
}

fn memory() -> Table {
    let note = "What a tracker has more than an empty one after its start, by the resident set.";
    let mut table = Table::new("Memory of what is remembered", note, &FIGURES);
    replay::memory(ROUNDS, &mut table);
    table
}

/// What a reader must know of the machine.
fn head() -> String {
    let first = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "# Benchmarks: the tracker's sessions\n\nMade by `cargo xtask bench tracker sessions` on {}: the tracker as \
        it ships (enjambre {}, commit {}) on one core, the load on another one, over loopback; {ROUNDS} rounds; each \
        cell is the median (least to most).\n\nMachine: {} cores ({}), Linux {}; load average when the run began: \
        {}. Figures move with the machine; ratios of one run are what to compare.\n",
        first("date", &["+%Y-%m-%d"]),
        env!("CARGO_PKG_VERSION"),
        first("git", &["rev-parse", "--short", "HEAD"]),
        // This program itself is kept on one of them.
        first("nproc", &["--all"]),
        processor.trim_start_matches([' ', '\t', ':']),
        first("uname", &["-r"]),
        load.split_whitespace().next().unwrap_or_default(),
    )
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let names = CASES.map(|(name, _)| name).join(" ");
    if wanted.iter().any(|word| !CASES.iter().any(|(name, _)| name == word)) {
        println!("cargo xtask bench tracker sessions [CASE...]\n  cases: {names}");
        return;
    }
    let (begin, mut text) = (Instant::now(), head());
    println!("{text}");
    programs::pin();
    for (name, measure) in CASES {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            text.push_str(&measure().into_text());
        }
    }
    println!("\n{:.0} s in all", begin.elapsed().as_secs_f64());
    if wanted.is_empty() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(DOCUMENT), text).unwrap();
        println!("written to {DOCUMENT}");
    }
}
