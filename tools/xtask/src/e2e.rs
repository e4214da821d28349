//! `cargo xtask e2e` and `cargo xtask demo`: build the programs, then run them for real.
//!
//! The tests themselves are in tools/e2e; they run one at a time because each of them uses the whole
//! machine.

use crate::step::{self, Failed};
use crate::workspace;

/// Which programs are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Programs {
    /// Those that ship.
    Released,
    /// Those that the other tests were built with, with their assertions; nothing more has to be built.
    Asserting,
}

/// Builds the programs that ship and runs the tests whose names contain the filter.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    run_with(Programs::Released, arguments)
}

/// Builds the programs and runs the tests whose names contain the filter.
pub(crate) fn run_with(programs: Programs, arguments: &[String]) -> Result<(), Failed> {
    build(programs)?;
    let mut command = workspace::cargo();
    command.args(["test", "--package", "e2e", "--"]);
    command.args(["--test-threads=1", "--nocapture"]).args(arguments);
    if programs == Programs::Asserting {
        command.env("E2E_BIN_DIR", workspace::target().join("debug"));
    }
    step::run(command)
}

/// Builds `peer` and `tracker`.
pub(crate) fn build(programs: Programs) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["build", "--bin", "peer", "--bin", "tracker"]);
    if programs == Programs::Released {
        command.arg("--release");
    }
    step::run(command)
}

/// The demonstration of the product itself.
pub(crate) fn demo(arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["run", "--release", "--bin", "peer", "--", "demo"]).args(arguments);
    step::run(command)
}
