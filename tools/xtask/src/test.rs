//! `cargo xtask test`: all that CI checks, in the order in which mistakes are cheapest to find.
//!
//! Everything is built once, in the profile of development: the programs that are run for real are those, with
//! their assertions on (`cargo xtask e2e` tries the ones that ship).
//!
//! Test runners print for themselves; nothing here counts tests or hides a line.

use crate::step::{self, Failed, Step};
use crate::{e2e, needs, tidy, workspace};

/// Crates whose tests run as a step of their own.
const APART: [&str; 3] = ["e2e", "simulation", "fuzz"];

/// The whole list.
pub(crate) fn run(_: &[String]) -> Result<(), Failed> {
    let mut format = workspace::cargo();
    format.args(["fmt", "--all", "--check"]);
    let mut clippy = workspace::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    let mut unit = workspace::cargo();
    unit.args(["test", "--workspace"]);
    for crate_name in APART {
        unit.args(["--exclude", crate_name]);
    }
    step::run_all(vec![
        Step::new("what the machine needs", needs::check),
        Step::command("format", format),
        Step::new("tidy", || tidy::run(&[])),
        Step::command("clippy, warnings denied", clippy),
        Step::command("unit and property tests", unit),
        Step::new("simulation, fixed seeds", || sim(&[])),
        Step::new("fuzz corpus replay", || fuzz(&[])),
        Step::new("e2e, real processes", || e2e::run_with(e2e::Programs::Asserting, &[])),
    ])
}

/// The scenario tests with their fixed seeds, or one scenario with the arguments given.
pub(crate) fn sim(arguments: &[String]) -> Result<(), Failed> {
    if !workspace::members()?.contains_key("simulation") {
        println!("   there is no crate `simulation` in this tree");
        return Ok(());
    }
    let mut command = workspace::cargo();
    if arguments.is_empty() {
        command.args(["test", "--package", "simulation"]);
    } else {
        command.args(["run", "--release", "--package", "simulation", "--"]).args(arguments);
    }
    step::run(command)
}

/// Replays the corpus; an argument asks for more mutations of each entry.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["test", "--package", "fuzz"]);
    if let Some(rounds) = arguments.first() {
        command.env("FUZZ_ROUNDS", rounds);
    }
    step::run(command)
}
