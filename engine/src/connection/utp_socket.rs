//! The UDP socket beneath uTP: looks at the headers that pass (BEP 29) and makes the library's sender
//! yield as [`Ledbat`] says.
//!
//! The library's own congestion control takes as much as TCP does, but it never sends more than the far
//! side says it can take: so that number, in what comes in, is lowered to our window. Payloads are not
//! looked at. Made by [`super::utp`].

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use librqbit_dualstack_sockets::{PollSendToVectored, UdpSocket};
use librqbit_utp::Transport;
use runtime::clock::Clock;
use shared::Moment;

use crate::connection::ledbat::Ledbat;

/// Bytes of a header.
const HEADER: usize = 20;
/// Connections that are kept in mind; more than that are not slowed down.
const MOST: usize = 4096;
/// A connection that sends nothing for so long is forgotten.
const IDLE: Duration = Duration::from_secs(120);

/// One direction of a connection: what we send there.
#[derive(Debug)]
struct Way {
    ledbat: Ledbat,
    sent: u16,
    acknowledged: u16,
    used: Moment,
}

/// The socket.
pub(crate) struct YieldingSocket {
    socket: UdpSocket,
    clock: Clock,
    /// The widest window.
    most: u32,
    /// By the far side's address and the number in what we send.
    ways: Mutex<BTreeMap<(SocketAddr, u16), Way>>,
}

impl std::fmt::Debug for YieldingSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "YieldingSocket({})", self.socket.bind_addr())
    }
}

/// The fields of a header that matter here.
struct Header {
    kind: u8,
    connection: u16,
    /// What the far side measured for the last packet it got, in microseconds.
    delay: u32,
    window: u32,
    sequence: u16,
    acknowledged: u16,
}

/// A packet with a payload.
const DATA: u8 = 0;

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let [first, _, c0, c1, _, _, _, _, d0, d1, d2, d3, w0, w1, w2, w3, s0, s1, a0, a1] = *header;
        (first & 15 == 1).then_some(Self {
            kind: first >> 4,
            connection: u16::from_be_bytes([c0, c1]),
            delay: u32::from_be_bytes([d0, d1, d2, d3]),
            window: u32::from_be_bytes([w0, w1, w2, w3]),
            sequence: u16::from_be_bytes([s0, s1]),
            acknowledged: u16::from_be_bytes([a0, a1]),
        })
    }
}

impl YieldingSocket {
    /// Looks at what passes through `socket`; no window is wider than `most` bytes.
    pub(crate) fn new(socket: UdpSocket, most: u32, clock: Clock) -> Self {
        Self { socket, clock, most, ways: Mutex::default() }
    }

    fn sends(&self, bytes: &[u8], to: SocketAddr) {
        let Some(header) = Header::read(bytes).filter(|header| header.kind == DATA) else { return };
        let now = self.clock.now();
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if ways.len() >= MOST {
            ways.retain(|_, way| now.since(way.used) < IDLE);
        }
        let key = (to, header.connection);
        if ways.len() >= MOST && !ways.contains_key(&key) {
            return;
        }
        let way = ways.entry(key).or_insert_with(|| Way {
            ledbat: Ledbat::new(self.most, now),
            sent: header.sequence,
            acknowledged: header.sequence.wrapping_sub(1),
            used: now,
        });
        way.used = now;
        // What is sent again is older.
        if header.sequence.wrapping_sub(way.sent) < 1 << 15 {
            way.sent = header.sequence;
        }
    }

    fn comes(&self, bytes: &mut [u8], from: SocketAddr) {
        let Some(header) = Header::read(bytes) else { return };
        let now = self.clock.now();
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        // The numbers of the two directions differ by one; who began has the greater one.
        let numbers = [header.connection.wrapping_add(1), header.connection.wrapping_sub(1)];
        let key = numbers.map(|number| (from, number)).into_iter().find(|key| ways.contains_key(key));
        let Some(way) = key.and_then(|key| ways.get_mut(&key)) else { return };
        let news = header.acknowledged.wrapping_sub(way.acknowledged);
        if (1..1 << 15).contains(&news) {
            let on_their_way = way.sent.wrapping_sub(way.acknowledged);
            let limited = way.ledbat.is_filled_by(on_their_way);
            way.acknowledged = header.acknowledged;
            if header.delay != 0 {
                way.ledbat.acknowledged(news, header.delay, limited, now);
            }
        }
        let window = header.window.min(way.ledbat.window());
        if let Some(place) = bytes.get_mut(12..16) {
            place.copy_from_slice(&window.to_be_bytes());
        }
    }
}

impl Transport for YieldingSocket {
    async fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, from) = self.socket.recv_from(buf).await?;
        self.comes(buf.get_mut(..length).unwrap_or_default(), from);
        Ok((length, from))
    }

    async fn send_to<'a>(&'a self, buf: &'a [u8], target: SocketAddr) -> io::Result<usize> {
        self.sends(buf, target);
        self.socket.send_to(buf, target).await
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send_to(cx, buf, target);
        if sent.is_ready() {
            self.sends(buf, target);
        }
        sent
    }

    fn bind_addr(&self) -> SocketAddr {
        self.socket.bind_addr()
    }
}

impl PollSendToVectored for YieldingSocket {
    fn poll_send_to_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send_to_vectored(cx, bufs, target);
        if let (true, Some(head)) = (sent.is_ready(), bufs.first()) {
            self.sends(head, target);
        }
        sent
    }
}
