//! One process of the demonstration: started, spoken to by its prompt, heard by its JSON lines, killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::broken;
use crate::failure::Failure;

/// How long a process may take to say what is expected of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer at its prompt.
#[derive(Debug)]
pub(super) struct Actor {
    nick: &'static str,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    kept: Vec<Self>,
}

fn own_program() -> Result<Command, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| broken(&format!("This program cannot find itself: {error}")))?;
    let mut command = Command::new(path);
    command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // What the person set for their own peer is not for these.
    for name in ["PEER_TRACKER", "PEER_NICK", "PEER_LISTEN", "PEER_INTO", "PEER_LIMIT_UP", "PEER_LIMIT_DOWN"]
    {
        command.env_remove(name);
    }
    Ok(command)
}

/// A tracker on a free port of this machine; gives where it listens.
pub(super) async fn start_tracker(folder: &Path) -> Result<(Child, String), Failure> {
    for _ in 0..5 {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| broken(&format!("No port is free: {error}")))?.to_string();
        let mut command = own_program()?;
        command
            .arg("tracker")
            .args(["--listen", &address])
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .stdin(Stdio::null());
        let mut child =
            command.spawn().map_err(|error| broken(&format!("The tracker cannot be started: {error}")))?;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..500 {
            ticks.tick().await;
            if TcpStream::connect(&address).await.is_ok() {
                return Ok((child, address));
            }
            // Somebody else may have taken the port in between: then the next one.
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
        }
    }
    Err(broken("The tracker did not start"))
}

impl Actor {
    /// Starts a peer that may send `uplink` bytes a second.
    pub(super) fn start(
        nick: &'static str,
        folder: &Path,
        tracker: &str,
        uplink: u64,
    ) -> Result<Self, Failure> {
        let mut command = own_program()?;
        command.args(["--json", "--nick", nick, "--tracker", tracker, "--listen", "127.0.0.1:0"]);
        command.args(["--limit-up", &uplink.to_string()]).arg("--dir").arg(folder);
        let mut child =
            command.spawn().map_err(|error| broken(&format!("{nick} cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(&format!("{nick} cannot be spoken to")));
        };
        Ok(Self { nick, child, input, output: BufReader::new(output).lines(), kept: Vec::new() })
    }

    /// What it is called.
    pub(super) fn nick(&self) -> &'static str {
        self.nick
    }

    /// Types one line at its prompt.
    pub(super) async fn say(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.input.write_all(format!("{line}\n").as_bytes()).await;
        written.map_err(|error| broken(&format!("{} does not listen: {error}", self.nick)))
    }

    /// Waits for the line that is meant; fails when the peer reports an error instead.
    pub(super) async fn expect(
        &mut self,
        what: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let nick = self.nick;
        let wait = async {
            while let Ok(Some(line)) = self.output.next_line().await {
                match serde_json::from_str::<Value>(&line) {
                    Ok(line) if is_it(&line) => return Some(line),
                    _ => {}
                }
            }
            None
        };
        let heard = tokio::time::timeout(PATIENCE, wait).await.ok().flatten();
        heard.ok_or_else(|| broken(&format!("{nick} did not answer ({what})")))
    }

    /// How its download stands; nothing while the peer does not know it yet.
    pub(super) async fn status_if_any(&mut self, name: &str) -> Result<Option<Value>, Failure> {
        self.say(&format!("status {}", crate::words::quote(name))).await?;
        let line =
            self.expect("its status", |line| line["type"] == "status" || line["type"] == "error").await?;
        Ok((line["type"] == "status").then_some(line))
    }

    /// How its download stands.
    pub(super) async fn status(&mut self, name: &str) -> Result<Value, Failure> {
        self.status_if_any(name).await?.ok_or_else(|| broken(&format!("{} lost its download", self.nick)))
    }

    /// SIGKILL (or what the system has in its place).
    pub(super) async fn kill(mut self) {
        drop(self.child.kill().await);
    }

    /// Keeps running for as long as `other` does.
    pub(super) fn leave_running(self, other: &mut Self) {
        other.kept.push(self);
    }
}
