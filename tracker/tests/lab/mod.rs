//! A tracker in this process, and clients that talk to it over real sockets.

#![allow(unreachable_pub, missing_docs, reason = "it is public to the files of tests beside it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use runtime::{LineError, LineReader};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tracker::{Tracker, TrackerConfig};

/// Nothing that works takes this long; what takes longer fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn tracker() -> Tracker {
    tracker_with(|_| {}).await
}

pub async fn tracker_with(change: impl FnOnce(&mut TrackerConfig)) -> Tracker {
    let mut config = TrackerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..TrackerConfig::default() };
    change(&mut config);
    Tracker::start(config).await.unwrap()
}

pub struct Client {
    lines: LineReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    /// Pushes that came while an answer was waited for.
    pushes: VecDeque<Value>,
    last_id: u64,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let (from, to) = TcpStream::connect(address).await.unwrap().into_split();
        Self { lines: LineReader::new(from, 1024 * 1024, PATIENCE), to, pushes: VecDeque::new(), last_id: 0 }
    }

    /// Connects and says hello; the number makes the peer id and the port.
    pub async fn login(address: SocketAddr, nick: &str, number: u16) -> Self {
        let mut client = Self::connect(address).await;
        let welcome = client.ask(hello(nick, number)).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // A tracker that closes meanwhile is seen when its last line is read.
        let _ = timeout(PATIENCE, self.to.write_all(bytes)).await.unwrap();
    }

    /// The next line, or `None` when the connection has ended.
    pub async fn line(&mut self) -> Option<Value> {
        match timeout(PATIENCE, self.lines.next()).await.unwrap() {
            Ok(Some(line)) => Some(serde_json::from_slice(line).unwrap()),
            Ok(None) | Err(LineError::Io(_) | LineError::Unfinished { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn raw_line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next()).await.unwrap().ok()??;
        Some(String::from_utf8(line.to_vec()).unwrap())
    }

    /// Sends a request and waits for its answer; pushes that come before it are kept.
    pub async fn ask(&mut self, mut request: Value) -> Value {
        self.last_id += 1;
        request["id"] = json!(self.last_id);
        self.send(format!("{request}\n").as_bytes()).await;
        self.answer(self.last_id).await
    }

    /// Sends a request and takes the next line, whatever it is.
    pub async fn ask_or_end(&mut self, request: Value) -> Option<Value> {
        self.send(format!("{request}\n").as_bytes()).await;
        self.line().await
    }

    pub async fn answer(&mut self, id: u64) -> Value {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("the connection ended before answer {id}"));
            if line["id"] == json!(id) {
                return line;
            }
            self.pushes.push_back(line);
        }
    }

    /// The next push of this type; others before it are dropped.
    pub async fn push(&mut self, word: &str) -> Value {
        loop {
            let line = match self.pushes.pop_front() {
                Some(line) => line,
                None => self.line().await.unwrap_or_else(|| panic!("the connection ended before {word}")),
            };
            if line["type"] == word {
                return line;
            }
        }
    }

    /// All lines until the connection ends.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut lines: Vec<Value> = self.pushes.drain(..).collect();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }

    pub async fn share(&mut self, name: &str, number: u8) -> String {
        let answer = self.ask(share(name, number)).await;
        assert_eq!(answer["type"], "ok", "{answer}");
        answer["entry"].as_str().unwrap().to_owned()
    }
}

pub fn peer_id(number: u16) -> String {
    format!("{number:040x}")
}

pub fn hello(nick: &str, number: u16) -> Value {
    json!({"type": "hello", "version": 1, "nick": nick, "peer_id": peer_id(number), "ports": [7000 + number], "agent": "test/1"})
}

pub fn share(name: &str, number: u8) -> Value {
    json!({"type": "share", "name": name, "size": 1_000_000, "piece_length": 262_144,
        "info_hash_v1": format!("{number:02x}").repeat(20)})
}
