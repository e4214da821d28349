//! `cargo xtask bench`: whole programs against the best of the field, and micro-benchmarks.
//!
//! Nothing here runs in CI and nothing asserts on speed: a figure is for a person to read.

use std::process::Command;

use crate::needs;
use crate::step::{self, Failed};
use crate::{e2e, workspace};

/// `bulk` or `micro`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    match arguments.split_first() {
        Some((word, rest)) if word == "bulk" => bulk(rest),
        Some((word, rest)) if word == "micro" => micro(rest),
        _ => Err(Failed::new("what to measure?\n  try: cargo xtask bench bulk, or: cargo xtask bench micro")),
    }
}

fn micro(arguments: &[String]) -> Result<(), Failed> {
    let mut command = workspace::cargo();
    command.args(["bench", "--package", "benches", "--features", "criterion"]);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    step::run(command)
}

fn bulk(arguments: &[String]) -> Result<(), Failed> {
    let wants_help = arguments.iter().any(|argument| argument == "--help");
    if !wants_help {
        if !needs::answers(Command::new("aria2c").arg("--version")) {
            needs::install(&["aria2"])?;
        }
        if !needs::answers(Command::new("python3").args(["-c", "import libtorrent"])) {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "libtorrent"]);
            step::run(pip)?;
        }
        e2e::build()?;
    }
    let mut command = Command::new("python3");
    command.arg(workspace::root().join("tools/benches/rivals/bulk.py"));
    command.args(arguments).current_dir(workspace::root());
    step::run(command)
}
