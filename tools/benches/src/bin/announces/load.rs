//! Who announces what: the same torrents and clients for every server, and what came of it.
//!
//! A load runs in a process of its own, pinned apart from the server, and says its figures in one line.

use std::fmt;
use std::time::Duration;

/// Random numbers that are the same in every run (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}

/// So many torrents with so many clients each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) torrents: u64,
    pub(crate) peers: u64,
}

impl Shape {
    pub(crate) const FULL: Self = Self { torrents: 1_000, peers: 100 };
    pub(crate) const SINGLE: Self = Self { torrents: 100_000, peers: 1 };
    pub(crate) const MILLION: Self = Self { torrents: 100_000, peers: 10 };

    pub(crate) fn places(self) -> u64 {
        self.torrents * self.peers
    }

    /// Torrent and client of a place: neighbours are in different torrents.
    pub(crate) fn place(self, number: u64) -> (u64, u64) {
        (number % self.torrents, number / self.torrents % self.peers)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.torrents, self.peers)
    }
}

/// The info hash of a torrent: spread over all values.
pub(crate) fn hash(torrent: u64) -> [u8; 20] {
    let mut hash = [0; 20];
    for (at, part) in hash.chunks_mut(8).enumerate() {
        let mut mixed = (torrent + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at as u64 * 77);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bytes = (mixed ^ (mixed >> 31)).to_be_bytes();
        part.copy_from_slice(&bytes[..part.len()]);
    }
    hash
}

/// The id of a client: one program's, as in a class.
pub(crate) fn peer_id(torrent: u64, peer: u64) -> [u8; 20] {
    let mut id = *b"-qB5030-000000000000";
    let mut number = torrent * 1_000 + peer;
    for digit in id[8..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    id
}

pub(crate) fn port(peer: u64) -> u16 {
    10_000 + (peer % 50_000) as u16
}

/// What a load saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Right answers in each second.
    pub(crate) rate: f64,
    /// Right answers.
    pub(crate) right: u64,
    /// Asked and never, or wrongly, answered.
    pub(crate) lost: u64,
    /// Answered in half of the cases, and in 99 of 100.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Bytes of an answer.
    pub(crate) bytes: u64,
}

impl Seen {
    pub(crate) fn of(right: u64, lost: u64, bytes: u64, span: Duration, mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            let time = times.get((times.len() as f64 * part) as usize).copied().unwrap_or(0);
            Duration::from_micros(time.into())
        };
        let rate = right as f64 / span.as_secs_f64().max(0.001);
        Self { rate, right, lost, p50: at(0.5), p99: at(0.99), bytes: bytes / right.max(1) }
    }

    /// Reads what `Display` wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let line = text.lines().rev().find_map(|line| line.strip_prefix("seen "))?;
        let mut words = line.split(' ');
        let mut next = || words.next()?.parse::<f64>().ok();
        Some(Self {
            rate: next()?,
            right: next()? as u64,
            lost: next()? as u64,
            p50: Duration::from_micros(next()? as u64),
            p99: Duration::from_micros(next()? as u64),
            bytes: next()? as u64,
        })
    }

    /// Of a hundred that asked, how many were answered.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.right as f64 / (self.right + self.lost).max(1) as f64
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.p50.as_micros(), self.p99.as_micros());
        write!(f, "seen {:.1} {} {} {p50} {p99} {}", self.rate, self.right, self.lost, self.bytes)
    }
}
