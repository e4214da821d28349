//! A peer that lies: it shakes hands, says that it has everything, and answers requests with bytes that
//! are not the file's.
//!
//! It speaks the wire by hand, byte by byte, so that it shares no mistake with the product.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::Control;
use crate::ports::free_address;

/// The 19 letters behind their own length.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Reserved bit of the fast extension.
const FAST: u8 = 0x04;

const UNCHOKE: u8 = 1;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;
const HASH_REQUEST: u8 = 21;
const HASH_REJECT: u8 = 23;

/// A liar that listens.
#[derive(Debug)]
pub struct Poisoner {
    address: SocketAddr,
    peer_id: [u8; 20],
    counts: Arc<Counts>,
    /// Its session with the tracker; when it ends, the tracker forgets the liar.
    control: Option<Control>,
}

#[derive(Debug, Default)]
struct Counts {
    handshakes: AtomicU64,
    lies: AtomicU64,
}

#[derive(Debug, Clone)]
struct Liar {
    source: PathBuf,
    piece_length: u64,
    peer_id: [u8; 20],
    counts: Arc<Counts>,
}

impl Poisoner {
    /// Starts to listen. `source` is the true file: a lie is a true block with one bit changed.
    pub fn start(source: &Path, piece_length: u64) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("the address was free");
        let peer_id = *b"-LI0001-mallory00000";
        let counts = Arc::new(Counts::default());
        let liar = Liar { source: source.to_path_buf(), piece_length, peer_id, counts: Arc::clone(&counts) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let liar = liar.clone();
                std::thread::spawn(move || liar.serve(&stream));
            }
        });
        Self { address, peer_id, counts, control: None }
    }

    /// Offers the same content as an entry that the tracker already has, under the nick `mallory`.
    pub fn join(&mut self, tracker: SocketAddr, name: &str) -> Value {
        let (mut control, _) = Control::hello(tracker, "mallory", self.peer_id, self.address.port());
        let found = control.ask(json!({"type": "find", "name": name}));
        let entry = if found["entry"].is_object() { found["entry"].clone() } else { found };
        let mut share = entry.clone();
        share["type"] = json!("share");
        share["have"] = json!("full");
        let answer = control.ask(share);
        assert_eq!(answer["type"], "ok", "the tracker takes the liar's share: {answer}");
        self.control = Some(control);
        entry
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came as far as the handshake.
    pub fn handshakes(&self) -> u64 {
        self.counts.handshakes.load(Ordering::Relaxed)
    }

    /// How many false blocks it has sent.
    pub fn lies(&self) -> u64 {
        self.counts.lies.load(Ordering::Relaxed)
    }
}

impl Liar {
    /// Until the other side has had enough.
    fn serve(&self, stream: &TcpStream) {
        let _ = self.talk(stream);
    }

    fn talk(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut theirs = [0; 68];
        stream.read_exact(&mut theirs)?;
        let mut ours = [0; 68];
        ours[..20].copy_from_slice(PROTOCOL);
        ours[27] = FAST;
        ours[28..48].copy_from_slice(&theirs[28..48]);
        ours[48..].copy_from_slice(&self.peer_id);
        stream.write_all(&ours)?;
        self.counts.handshakes.fetch_add(1, Ordering::Relaxed);
        send(stream, HAVE_ALL, &[])?;
        send(stream, UNCHOKE, &[])?;
        let file = File::open(&self.source)?;
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            if length == 0 {
                continue;
            }
            let mut message = vec![0; length];
            stream.read_exact(&mut message)?;
            match message[0] {
                REQUEST if length == 13 => self.lie(stream, &file, &message[1..])?,
                HASH_REQUEST => send(stream, HASH_REJECT, &message[1..])?,
                _ => {}
            }
        }
    }

    fn lie(&self, stream: &TcpStream, file: &File, request: &[u8]) -> io::Result<()> {
        let number =
            |at: usize| u32::from_be_bytes([request[at], request[at + 1], request[at + 2], request[at + 3]]);
        let (index, begin, length) = (number(0), number(4), number(8));
        let offset = u64::from(index) * self.piece_length + u64::from(begin);
        let mut payload = request[..8].to_vec();
        payload.resize(8 + length as usize, 0);
        file.read_exact_at(&mut payload[8..], offset)?;
        let last = payload.len() - 1;
        payload[last] ^= 1;
        send(stream, PIECE, &payload)?;
        self.counts.lies.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn send(mut stream: &TcpStream, id: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len() + 1).map_err(io::Error::other)?;
    let mut message = length.to_be_bytes().to_vec();
    message.push(id);
    message.extend_from_slice(payload);
    stream.write_all(&message)
}
