//! An HTTP tracker that names the peers it was made with to everybody, and writes down what it was asked.
//!
//! With it the wire of two programs is tried without the tracker that ships, and clients are seen from
//! a tracker's side.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Such a tracker; ends with the test.
#[derive(Debug)]
pub struct NamingTracker {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NamingTracker {
    /// Starts to listen on the loopback interface.
    pub fn start(peers: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its own address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, peers) = (Arc::clone(&asked), compact(peers));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = answer(&stream, &peers, &log);
            }
        });
        Self { address, asked }
    }

    /// Its announce URL.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Every request line so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Six bytes for each peer (BEP 23).
fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for peer in peers {
        let IpAddr::V4(ip) = peer.ip() else { panic!("{peer} is not of version 4") };
        bytes.extend_from_slice(&ip.octets());
        bytes.extend_from_slice(&peer.port().to_be_bytes());
    }
    bytes
}

fn answer(mut stream: &TcpStream, peers: &[u8], log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The head ends with an empty line.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    log.lock().unwrap_or_else(PoisonError::into_inner).push(first);
    let mut body = format!("d8:completei1e10:incompletei1e8:intervali5e5:peers{}:", peers.len()).into_bytes();
    body.extend_from_slice(peers);
    body.push(b'e');
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}
