//! Chromium at the tracker's page or at a peer's own, steered by playwright-core from Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::lab::target_folder;
use crate::program::Program;
use crate::skip;

/// The script at the tracker's page: prints what it saw as JSON lines, and ends.
const SCRIPT: &str = include_str!("browser.mjs");
/// The same at a peer's own page; after each thing that it did it waits for a line.
const OWN: &str = include_str!("own.mjs");

/// Are Chromium, Node.js and both packages here? If not, that is said.
pub fn is_here() -> bool {
    let packages = ["playwright-core", "axe-core"].iter().all(|package| packages().join(package).is_dir());
    let found = packages && skip::find("node").is_some() && skip::find("chromium").is_some();
    found || skip::without("Chromium with playwright-core and axe-core", "cargo xtask test")
}

fn packages() -> PathBuf {
    target_folder().join("foreign/npm/node_modules")
}

/// A folder below `target` for what a person may want to look at after the tests.
pub fn pictures() -> PathBuf {
    let folder = target_folder().join("page");
    std::fs::create_dir_all(&folder).expect("a folder for pictures");
    folder
}

/// Starts it; `order` has `url`, `folder`, `file`, `nick`, `token` and `kick`.
pub fn start(folder: &Path, order: Value) -> Program {
    run(folder, SCRIPT, order)
}

/// Starts it at a peer's own page; `order` has `url`, `folder`, `file` and `cancel`.
pub fn start_own(folder: &Path, order: Value) -> Program {
    run(folder, OWN, order)
}

fn run(folder: &Path, text: &str, mut order: Value) -> Program {
    let script = folder.join("browser.mjs");
    std::fs::write(&script, text).expect("a script");
    order["chromium"] =
        skip::find("chromium").map_or_else(String::new, |path| path.display().to_string()).into();
    let mut command = Command::new("node");
    command.arg(script).arg(order.to_string()).env("NODE_FOLDER", packages());
    Program::start("chromium", &mut command)
}
