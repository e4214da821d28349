//! One HTTP request over a bare socket, so that what a server really sends is seen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The number of the status line; 0 when there was none.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// Everything behind the head.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .map(|(key, value)| (key, value.trim()))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Asks for a path; a server that cannot be reached gives an answer with status 0.
pub fn get(server: SocketAddr, path: &str) -> Answer {
    ask(server, "GET", path, &[], b"")
}

/// Asks in any way. `headers` may say another `Host` than the server's.
pub fn ask(server: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let nothing = Answer { status: 0, head: String::new(), body: Vec::new() };
    let Ok(mut stream) = TcpStream::connect(server) else { return nothing };
    let most = Some(Duration::from_secs(20));
    stream.set_read_timeout(most).expect("a TCP option");
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request = format!("{request}Host: {server}\r\n");
    }
    for (name, value) in headers {
        request = format!("{request}{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request = format!("{request}Content-Length: {}\r\n", body.len());
    }
    let request = [request.as_bytes(), b"\r\n", body].concat();
    let mut bytes = Vec::new();
    if stream.write_all(&request).is_err() || stream.read_to_end(&mut bytes).is_err() {
        return nothing;
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return nothing };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    Answer { status, head, body: bytes.split_off(end + 4) }
}
