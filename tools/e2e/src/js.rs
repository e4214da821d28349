//! The npm package bittorrent-tracker: another tracker, and another client of trackers.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::lab::target_folder;
use crate::program::Program;
use crate::skip;

/// The client: asks once, prints what came back as a JSON line, and ends.
const CLIENT: &str = include_str!("client.mjs");
/// The server: prints its ports as a JSON line, then every announce.
const SERVER: &str = include_str!("server.mjs");

/// Is the package here? If not, that is said.
pub fn is_here() -> bool {
    let found = package().join("package.json").exists() && skip::find("node").is_some();
    found || skip::without("npm package bittorrent-tracker", "cargo xtask test")
}

fn package() -> PathBuf {
    target_folder().join("foreign/npm/node_modules/bittorrent-tracker")
}

fn node(script: &str, text: &str, folder: &Path, order: &Value) -> Command {
    let file = folder.join(script);
    std::fs::write(&file, text).expect("a script");
    let mut command = Command::new("node");
    command.arg(file).arg(order.to_string());
    command.env("BITTORRENT_TRACKER", package()).env("NODE_NO_WARNINGS", "1");
    command
}

/// Starts the client; `order` has `infoHash`, `peerId`, `announce`, `port`, `left` and `what`, which is
/// an event of a client or `scrape`.
pub fn client(folder: &Path, order: &Value) -> Program {
    Program::start("client of bittorrent-tracker", &mut node("client.mjs", CLIENT, folder, order))
}

/// Starts the server on ports of its own.
pub fn server(folder: &Path) -> Program {
    Program::start("bittorrent-tracker", &mut node("server.mjs", SERVER, folder, &Value::Null))
}
