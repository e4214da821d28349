//! How many announces the tracker answers, beside others: `cargo xtask bench tracker announces`.
//!
//! The server has the first core, the load the second. Servers are filled once and asked in turns; what
//! counts are medians, and ratios within one run. Words behind it choose cases: http, udp, memory, flood,
//! churn; without any it is all of them, the document is written, and it takes about six minutes.
//!
//! Others are measured where they are: opentracker of Debian, the npm package in `target/foreign`, and what
//! `cargo install aquatic_udp aquatic_http --root target/rivals/aquatic` puts there.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on ends"
)]
#![allow(clippy::disallowed_methods, reason = "a load keeps its pace by waiting")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded anyway"
)]

mod by_http;
mod by_udp;
mod cases;
mod ceiling;
mod churn;
mod load;
mod paper;
mod servers;
mod strain;
mod trials;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::cases::{Way, side_by_side};
use crate::load::{Seen, Shape};
use crate::servers::{Folders, NOT_HERE, Program};

/// Where it is written.
const DOCUMENT: &str = "docs/benchmarks-tracker-announces.md";

const HEAD: &str = "\
# Announces on one core

`cargo xtask bench tracker announces` writes this page. Each server has the first core to itself and the load
the second; servers stand side by side, are filled once and asked in turns of two seconds, and what is told is
the median of three turns. Compare within one run: the figures of two runs are those of two machines. Every
answer holds up to fifty peers, and every announce says `started`, as ours tells nobody to a client that announces
again and again within 30 seconds without a reason. Ours runs as it is shipped, with the release build and a database on disk, and
with `http_requests_per_second`, `udp_requests_per_second`, `clients_per_address` and `torrents_per_address`
set to 0 in its settings, as one machine announces for all.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ceiling", address] => ceiling::run(address.parse().expect("an address")),
        [way @ ("load-kept" | "load-new" | "load-udp"), server, torrents, peers, span] => {
            let shape = Shape { torrents: number(torrents), peers: number(peers) };
            let span = span.parse().ok().map(Duration::from_millis);
            println!("{}", one_load(way, server, shape, span));
        }
        ["strain", kind, server, seconds] => strain_one(kind, server, number(seconds)),
        ["fill-spread", server] => println!("{}", trials::fill_spread(server.parse().expect("an address"))),
        words => return measure(words),
    }
    ExitCode::SUCCESS
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn one_load(way: &str, server: &str, shape: Shape, span: Option<Duration>) -> Seen {
    let server = server.parse().expect("an address");
    if way == "load-udp" {
        return by_udp::run(server, shape, span);
    }
    by_http::run(by_http::Plan { server, shape, close: way == "load-new", span })
}

fn strain_one(kind: &str, server: &str, seconds: u64) {
    let (server, span) = (server.parse().expect("an address"), Duration::from_secs(seconds));
    if *kind == *"flood" {
        let (seen, bad) = strain::flood(server, span);
        println!("{bad}\n{seen}");
    } else {
        let (seen, held) = strain::half_open(server, span);
        println!("{held}\n{seen}");
    }
}

fn measure(words: &[&str]) -> ExitCode {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| PathBuf::from("target"), PathBuf::from);
    let target = std::path::absolute(target).expect("a folder");
    let tracker = std::env::var("TRACKER").map_or_else(|_| target.join("release/tracker"), PathBuf::from);
    let scratch = std::env::temp_dir().join(format!("announces-{}", std::process::id()));
    let folders = Folders { target, tracker, scratch };
    if !folders.tracker.exists() {
        println!("{} is missing\n  try: cargo build --release --package tracker", folders.tracker.display());
        return ExitCode::FAILURE;
    }
    let cases: Vec<&str> = words.iter().copied().filter(|word| *word != "ours").collect();
    let asked = |case: &str| cases.is_empty() || cases.contains(&case);
    let only = |programs: &[Program]| -> Vec<Program> {
        let ours = words.contains(&"ours");
        programs.iter().copied().filter(|program| !ours || *program == Program::Ours).collect()
    };
    let mut paper = format!("{HEAD}\nMeasured on {}.\n\n", benches::figures::machine());
    let mut notes = Vec::new();
    let all: BTreeSet<Program> = Program::HTTP.into_iter().chain(Program::UDP).collect();
    let all: Vec<Program> = all.into_iter().collect();
    paper.push_str(&paper::versions(&all, &folders));
    if asked("http") {
        section(&mut paper, &http(&only(&Program::HTTP), &folders, &mut notes));
    }
    if asked("udp") {
        section(&mut paper, &udp(&only(&Program::UDP), &folders, &mut notes));
    }
    for (word, measure) in [
        ("memory", trials::memory as fn(&Folders) -> Result<String, String>),
        ("flood", trials::floods),
        ("churn", trials::churn),
    ] {
        if asked(word) {
            match measure(&folders) {
                Ok(text) => section(&mut paper, &text),
                Err(error) => notes.push(format!("{word}: {error}")),
            }
        }
    }
    // The list above says who is not here.
    notes.retain(|note| !note.ends_with(NOT_HERE));
    for note in notes {
        println!("{note}");
        let _ = writeln!(paper, "\nNote: {note}.");
    }
    let _ = std::fs::remove_dir_all(&folders.scratch);
    if words.is_empty() {
        std::fs::write(DOCUMENT, &paper).expect("the document can be written");
        println!("written: {DOCUMENT}");
    }
    ExitCode::SUCCESS
}

fn section(paper: &mut String, text: &str) {
    println!("{text}");
    paper.push('\n');
    paper.push_str(text);
}

fn http(programs: &[Program], folders: &Folders, notes: &mut Vec<String>) -> String {
    let mut rows = Vec::new();
    for shape in [Shape::FULL, Shape::SINGLE] {
        let ways: &[Way] = if shape == Shape::FULL { &[Way::Kept, Way::New] } else { &[Way::Kept] };
        let (more, said) = side_by_side(programs, shape, ways, folders);
        rows.extend(more);
        notes.extend(said);
    }
    let cases = [
        (Shape::FULL, Way::Kept, "kept connections, 1,000 torrents x 100"),
        (Shape::SINGLE, Way::Kept, "kept, 100,000 x 1"),
        (Shape::FULL, Way::New, "a new connection each, 1,000 x 100"),
    ];
    let table = paper::rates(&rows, programs, &cases);
    format!("## HTTP\n\n{table}\n{}", paper::ratios(&rows, &cases))
}

fn udp(programs: &[Program], folders: &Folders, notes: &mut Vec<String>) -> String {
    let mut rows = Vec::new();
    for shape in [Shape::FULL, Shape::SINGLE] {
        let (more, said) = side_by_side(programs, shape, &[Way::Udp], folders);
        rows.extend(more);
        notes.extend(said);
    }
    let cases = [(Shape::FULL, Way::Udp, "1,000 torrents x 100"), (Shape::SINGLE, Way::Udp, "100,000 x 1")];
    let table = paper::rates(&rows, programs, &cases);
    format!("## UDP\n\n{table}\n{}", paper::ratios(&rows, &cases))
}
