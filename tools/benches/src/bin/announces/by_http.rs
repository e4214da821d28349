//! Announces over HTTP: one thread, all connections in one epoll, one request under way on each.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll;

use crate::load::{Dice, Seen, Shape, hash, peer_id, port};

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Requests that are made before the clock runs.
const POOL: u64 = 100_000;
/// Without an answer for so long it is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// What each announce says: whoever announces without a reason before its time may be told of nobody.
const EVENT: &str = "started";

/// One request as a client writes it.
pub(crate) fn request(torrent: u64, peer: u64, event: &str, close: bool) -> Vec<u8> {
    let mut text = String::from("GET /announce?info_hash=");
    for byte in hash(torrent) {
        let _ = write!(text, "%{byte:02x}");
    }
    text.push_str("&peer_id=");
    text.push_str(&String::from_utf8_lossy(&peer_id(torrent, peer)));
    let left = if peer.is_multiple_of(2) { 1_000 } else { 0 };
    let _ = write!(text, "&port={}&uploaded=0&downloaded=0&left={left}&compact=1&numwant=50", port(peer));
    if !event.is_empty() {
        let _ = write!(text, "&event={event}");
    }
    text.push_str(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if close {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

struct Connection {
    stream: TcpStream,
    asked: Instant,
    got: Vec<u8>,
    /// Which request is under way, and how many were answered.
    number: usize,
    answered: u64,
}

/// How a load goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) shape: Shape,
    /// A connection for each request.
    pub(crate) close: bool,
    /// For how long; `None` for once through all places.
    pub(crate) span: Option<Duration>,
}

/// Announces until the time is over.
pub(crate) fn run(plan: Plan) -> Seen {
    let mut load = Load::new(plan);
    let mut events = Vec::with_capacity(CONNECTIONS);
    let mut looked = load.begun;
    loop {
        load.open_missing();
        if load.over && load.connections.iter().all(Option::is_none) {
            break;
        }
        events.clear();
        let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let _ = epoll::wait(&load.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait));
        let now = Instant::now();
        load.over = load.over || load.is_over(now);
        for event in &events {
            load.read(event.data.u64() as usize, now);
        }
        if now - looked > Duration::from_millis(500) {
            looked = now;
            load.cut_the_late(now);
        }
    }
    let span = plan.span.unwrap_or_else(|| load.begun.elapsed());
    Seen::of(load.right, load.lost, load.bytes, span, load.times)
}

struct Load {
    plan: Plan,
    pool: Vec<Vec<u8>>,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// Which request is next, and those that are to be asked once more.
    next: usize,
    again: Vec<usize>,
    begun: Instant,
    /// When it begins to count.
    counts: Instant,
    over: bool,
    /// Some servers close after each answer without saying so.
    server_closes: bool,
    right: u64,
    lost: u64,
    bytes: u64,
    times: Vec<u32>,
    buffer: Vec<u8>,
}

impl Load {
    fn new(plan: Plan) -> Self {
        let mut dice = Dice::new(20_261_121);
        let mut pool: Vec<Vec<u8>> = (0..plan.shape.places().min(POOL))
            .map(|number| {
                let (torrent, peer) = plan.shape.place(number);
                request(torrent, peer, EVENT, plan.close)
            })
            .collect();
        for at in (1..pool.len()).rev() {
            let other = dice.roll(at as u64 + 1) as usize;
            pool.swap(at, other);
        }
        let begun = Instant::now();
        // The first quarter of a second is for warming up.
        let warm = if plan.span.is_some() { Duration::from_millis(250) } else { Duration::ZERO };
        Self {
            plan,
            pool,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"),
            connections: (0..CONNECTIONS).map(|_| None).collect(),
            next: 0,
            again: Vec::new(),
            begun,
            counts: begun + warm,
            over: false,
            server_closes: false,
            right: 0,
            lost: 0,
            bytes: 0,
            times: Vec::new(),
            buffer: vec![0; 64 * 1024],
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.plan.span {
            Some(span) => now >= self.counts + span,
            None => self.next >= self.pool.len() && self.again.is_empty(),
        }
    }

    /// The next request, if there is one: those of a load with an end come once.
    fn take_next(&mut self) -> Option<usize> {
        if self.over {
            return None;
        }
        if let Some(number) = self.again.pop() {
            return Some(number);
        }
        if self.next >= self.pool.len() {
            self.plan.span?;
            self.next = 0;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    fn open_missing(&mut self) {
        for at in 0..self.connections.len() {
            if self.connections[at].is_none()
                && let Some(number) = self.take_next()
            {
                self.connections[at] = self.open(at, number);
            }
        }
    }

    fn open(&self, at: usize, number: usize) -> Option<Connection> {
        let mut stream = TcpStream::connect(self.plan.server).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.write_all(&self.pool[number]).ok()?;
        stream.set_nonblocking(true).ok()?;
        let mark = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.epoll, &stream, mark, epoll::EventFlags::IN).ok()?;
        Some(Connection { stream, asked: Instant::now(), got: Vec::new(), number, answered: 0 })
    }

    /// Something came by a connection, or its end.
    fn read(&mut self, at: usize, now: Instant) {
        let Some(connection) = &mut self.connections[at] else { return };
        let ended = match connection.stream.read(&mut self.buffer) {
            Ok(0) => true,
            Ok(length) => {
                connection.got.extend_from_slice(&self.buffer[..length]);
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => true,
        };
        let Some(whole) = whole(&connection.got, ended) else {
            if ended {
                self.ended(at);
            }
            return;
        };
        if !whole.is_right {
            self.lost += 1;
        } else if now >= self.counts {
            self.right += 1;
            self.bytes += connection.got.len() as u64;
            self.times.push(u32::try_from((now - connection.asked).as_micros()).unwrap_or(u32::MAX));
        }
        let next = if ended || self.plan.close || whole.closes || self.server_closes {
            None
        } else {
            self.take_next()
        };
        let (Some(next), Some(connection)) = (next, &mut self.connections[at]) else {
            self.connections[at] = None;
            return;
        };
        connection.got.clear();
        (connection.asked, connection.number) = (now, next);
        connection.answered += 1;
        if connection.stream.write(&self.pool[next]).is_err() {
            self.ended(at);
        }
    }

    /// A connection ended before its answer.
    fn ended(&mut self, at: usize) {
        let Some(connection) = self.connections[at].take() else { return };
        if connection.answered > 0 && connection.got.is_empty() {
            self.server_closes = true;
            self.again.push(connection.number);
        } else {
            self.lost += 1;
        }
    }

    fn cut_the_late(&mut self, now: Instant) {
        for connection in &mut self.connections {
            if connection.as_ref().is_some_and(|connection| now - connection.asked > PATIENCE) {
                self.lost += 1;
                *connection = None;
            }
        }
    }
}

/// An answer that is all there.
pub(crate) struct Whole {
    /// Status 200, and no refusal.
    pub(crate) is_right: bool,
    /// The server will close.
    pub(crate) closes: bool,
}

/// Whether an answer is all there, by its length or because the connection has `ended`.
pub(crate) fn whole(got: &[u8], ended: bool) -> Option<Whole> {
    let head = got.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = got[..head].to_ascii_lowercase();
    let value = |name: &[u8]| {
        let at = text.windows(name.len()).position(|part| part == name)? + name.len();
        let line = &text[at..];
        let end = line.iter().position(|byte| *byte == b'\r')?;
        std::str::from_utf8(&line[..end]).ok().map(str::trim)
    };
    let length = value(b"content-length:").and_then(|length| length.parse::<usize>().ok());
    match length {
        Some(length) if got.len() < head + length => return None,
        None if !ended => return None,
        _ => {}
    }
    let body = &got[head..];
    let refused = body.windows(14).take(64).any(|part| part == b"failure reason");
    let is_right = text.starts_with(b"http/1.1 200") || text.starts_with(b"http/1.0 200");
    Some(Whole { is_right: is_right && !refused, closes: value(b"connection:") == Some("close") })
}
