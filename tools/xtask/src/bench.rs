//! `cargo xtask bench`: whole programs against the best of the field, and micro-benchmarks.
//!
//! Nothing here runs in CI and nothing asserts on speed: a figure is for a person to read.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;
use crate::step::{self, Failed};
use crate::{e2e, workspace};

/// Programs that the tracker's sessions are measured beside; their Debian packages have the same names.
const SESSIONS: [&str; 2] = ["redis-server", "nats-server"];

/// `alone`, `bulk`, `crowd`, `micro`, `picker`, `search` or `tracker`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    match arguments.split_first() {
        Some((word, rest)) if word == "alone" => rivals("alone.py", &["mkfs.ext4"], rest),
        Some((word, rest)) if word == "bulk" => rivals("bulk.py", &[], rest),
        Some((word, rest)) if word == "crowd" => rivals("crowd.py", &["ip", "tc", "unshare"], rest),
        Some((word, rest)) if word == "micro" => micro(rest),
        Some((word, _)) if word == "picker" => picker(),
        Some((word, rest)) if word == "search" => program("search", rest),
        Some((word, rest)) if word == "tracker" => tracker(rest),
        _ => {
            let words = "alone, or bulk, or crowd, or micro, or picker, or search, or tracker";
            Err(Failed::new(format!("what to measure?\n  try: cargo xtask bench {words}")))
        }
    }
}

/// What a decision of the picker costs, by pieces and connections.
fn picker() -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["bench", "--package", "benches", "--features", "picker", "--bench", "picker"]);
    step::run(command)
}

/// A program of `tools/benches` that is built only for this: its feature has its name.
fn program(name: &str, arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["run", "--release", "--package", "benches", "--features", name, "--bin", name, "--"]);
    command.args(arguments);
    step::run(command)
}

/// The tracker beside others: `announces` or `sessions`.
fn tracker(arguments: &[String]) -> Result<(), Failed> {
    match arguments.split_first() {
        Some((word, rest)) if word == "announces" => announces(rest),
        Some((word, rest)) if word == "sessions" => sessions(rest),
        _ => {
            let words = "announces, or cargo xtask bench tracker sessions";
            Err(Failed::new(format!("what of the tracker?\n  try: cargo xtask bench tracker {words}")))
        }
    }
}

/// Thousands of JSON sessions: memory, logins, searches, messages, one to many beside Redis and NATS.
fn sessions(arguments: &[String]) -> Result<(), Failed> {
    if !needs::answers(Command::new("taskset").arg("--version")) {
        return Err(Failed::new("taskset is missing\n  try: apt-get install util-linux"));
    }
    let is_missing = |program: &&str| !needs::answers(Command::new(program).arg("--version"));
    let missing: Vec<&str> = SESSIONS.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        needs::install(&missing)?;
    }
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", "tracker"]);
    step::run(build)?;
    program("sessions", arguments)
}

/// Announces over HTTP and UDP, memory, floods and churn, beside the trackers that are here.
fn announces(arguments: &[String]) -> Result<(), Failed> {
    if !needs::answers(Command::new("taskset").arg("--version")) {
        return Err(Failed::new("taskset is missing\n  try: apt-get install util-linux"));
    }
    needs::foreign_trackers();
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", "tracker"]);
    step::run(build)?;
    let mut command = workspace::cargo();
    command.args(["run", "--release", "--package", "benches", "--features", "announces"]);
    command.args(["--bin", "announces", "--"]).args(arguments).current_dir(workspace::root());
    step::run(command)
}

fn micro(arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["bench", "--package", "benches", "--features", "criterion"]);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    step::run(command)
}

/// Runs a script of `tools/benches/rivals` with all the programs that it measures.
fn rivals(script: &str, also: &[&str], arguments: &[String]) -> Result<(), Failed> {
    if let Some(missing) = also.iter().find(|program| !needs::answers(Command::new(program).arg("-V"))) {
        return Err(Failed::new(format!(
            "{missing} is missing\n  try: apt-get install iproute2 util-linux e2fsprogs"
        )));
    }
    let wants_help = arguments.iter().any(|argument| argument == "--help");
    let mut python = PathBuf::from("python3");
    if !wants_help {
        if !needs::answers(Command::new("aria2c").arg("--version")) {
            needs::install(&["aria2"])?;
        }
        python = python_with_libtorrent()?;
        e2e::build(e2e::Programs::Released)?;
    }
    let mut command = Command::new(python);
    command.arg(workspace::root().join("tools/benches/rivals").join(script));
    command.args(arguments).current_dir(workspace::root());
    step::run(command)
}

/// The system's Python if it has libtorrent, else one of our own in `target`, made on first use.
fn python_with_libtorrent() -> Result<PathBuf, Failed> {
    let has_it = |python: &Path| needs::answers(Command::new(python).args(["-c", "import libtorrent"]));
    let system = PathBuf::from("python3");
    let folder = workspace::root().join("target/rivals");
    let own = folder.join("bin/python3");
    if let Some(python) = [&system, &own].into_iter().find(|python| has_it(python)) {
        return Ok(python.clone());
    }
    let mut make = Command::new(&system);
    make.args(["-m", "venv"]).arg(&folder);
    step::run(make)?;
    let mut install = Command::new(&own);
    install.args(["-m", "pip", "install", "--quiet", "libtorrent"]);
    step::run(install)?;
    Ok(own)
}
