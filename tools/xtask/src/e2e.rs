//! `cargo xtask e2e` and `cargo xtask demo`: build the programs that ship, then run them for real.
//!
//! The tests themselves are in tools/e2e; they look for the programs beside their own folder in
//! `target`, and run one at a time because each of them uses the whole machine.

use crate::step::{self, Failed};
use crate::workspace;

/// Builds the release programs and runs the tests whose names contain the filter.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    build()?;
    let mut command = workspace::cargo();
    command.args(["test", "--package", "e2e", "--"]);
    command.args(["--test-threads=1", "--nocapture"]).args(arguments);
    step::run(command)
}

/// Builds `peer` and `tracker` as they ship.
pub(crate) fn build() -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["build", "--release", "--bin", "peer", "--bin", "tracker"]);
    step::run(command)
}

/// The demonstration of the product itself.
pub(crate) fn demo(arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["run", "--release", "--bin", "peer", "--", "demo"]).args(arguments);
    step::run(command)
}
