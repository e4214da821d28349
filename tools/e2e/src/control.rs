//! A bare speaker of the control protocol: one TCP connection, one JSON object per line.
//!
//! Written from docs/protocol.md alone, so it also checks that the paper is enough.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For an answer. A tracker that has just started takes connections while it still reads what it kept,
/// which after many lives takes seconds, on a busy machine many of them.
const SOON: Duration = Duration::from_secs(60);

/// One session with a tracker.
#[derive(Debug)]
pub struct Control {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    next_id: u64,
    pushes: Vec<Value>,
}

impl Control {
    /// Connects without saying anything.
    pub fn connect(tracker: SocketAddr) -> Self {
        let stream = TcpStream::connect(tracker).expect("the tracker listens");
        stream.set_nodelay(true).expect("a TCP option");
        let reader = BufReader::new(stream.try_clone().expect("a second handle"));
        Self { stream, reader, next_id: 0, pushes: Vec::new() }
    }

    /// Connects and says hello; gives the session and the welcome.
    pub fn hello(tracker: SocketAddr, nick: &str, peer_id: [u8; 20], port: u16) -> (Self, Value) {
        let mut control = Self::connect(tracker);
        let hello = json!({
            "type": "hello", "version": 1, "nick": nick, "peer_id": hex(&peer_id),
            "ports": [port], "addresses": [], "agent": "e2e/1",
        });
        let welcome = control.ask(hello);
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (control, welcome)
    }

    /// Sends a request and waits for its answer; pushes that come before are kept.
    pub fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request);
        loop {
            let line = self.read(SOON);
            if line["id"] == id {
                return line;
            }
            self.pushes.push(line);
        }
    }

    /// Sends a request without waiting; gives the number it was sent under.
    pub fn send(&mut self, mut request: Value) -> u64 {
        self.next_id += 1;
        request["id"] = json!(self.next_id);
        self.send_line(&request.to_string());
        self.next_id
    }

    /// Sends a line as it is.
    pub fn send_line(&mut self, line: &str) {
        let mut text = line.to_owned();
        text.push('\n');
        self.stream.write_all(text.as_bytes()).expect("the tracker reads");
    }

    /// The next push of a type; other lines that come before are dropped.
    pub fn push(&mut self, kind: &str, most: Duration) -> Value {
        let kept = std::mem::take(&mut self.pushes);
        let mut kept = kept.into_iter().skip_while(|line| line["type"] != kind);
        if let Some(line) = kept.next() {
            self.pushes = kept.collect();
            return line;
        }
        let end = Instant::now() + most;
        loop {
            let line = self.read(end.saturating_duration_since(Instant::now()));
            if line["type"] == kind {
                return line;
            }
        }
    }

    /// The next line, whatever it is.
    pub fn read(&mut self, most: Duration) -> Value {
        let most = most.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(most)).expect("a TCP option");
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => panic!("the tracker closed the connection"),
            Ok(_) => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")),
            Err(error) => panic!("no line from the tracker within {most:?}: {error}"),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
