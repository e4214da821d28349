//! Announces over UDP (BEP 15): a few sockets, each with so many announces under way.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::load::{Dice, Seen, Shape, hash, peer_id, port};

/// Sockets, and announces under way on each.
const SOCKETS: usize = 4;
const WINDOW: usize = 64;
/// Without an answer for so long it is lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// What each announce says: whoever announces without a reason before its time may be told of nobody.
const STARTED: u32 = 2;

/// An announce as a datagram.
pub(crate) fn datagram(connection: u64, transaction: u32, torrent: u64, peer: u64, event: u32) -> [u8; 98] {
    let mut bytes = [0; 98];
    bytes[..8].copy_from_slice(&connection.to_be_bytes());
    bytes[11] = 1;
    bytes[12..16].copy_from_slice(&transaction.to_be_bytes());
    bytes[16..36].copy_from_slice(&hash(torrent));
    bytes[36..56].copy_from_slice(&peer_id(torrent, peer));
    let left = if peer.is_multiple_of(2) { 1_000_u64 } else { 0 };
    bytes[64..72].copy_from_slice(&left.to_be_bytes());
    bytes[80..84].copy_from_slice(&event.to_be_bytes());
    bytes[92..96].copy_from_slice(&50_u32.to_be_bytes());
    bytes[96..98].copy_from_slice(&port(peer).to_be_bytes());
    bytes
}

/// A socket with a connection id; `None` when nobody answers.
pub(crate) fn connect(server: SocketAddr) -> Option<(UdpSocket, u64)> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut ask = [0; 16];
    ask[..8].copy_from_slice(&0x0417_2710_1980_u64.to_be_bytes());
    ask[15] = 7;
    for _ in 0..10 {
        socket.send(&ask).ok()?;
        let mut answer = [0; 64];
        if socket.recv(&mut answer).is_ok_and(|length| length == 16) {
            let id = <[u8; 8]>::try_from(&answer[8..16]).ok()?;
            return Some((socket, u64::from_be_bytes(id)));
        }
    }
    None
}

struct Asking {
    socket: UdpSocket,
    connection: u64,
    slots: Vec<Option<Instant>>,
}

/// Announces until the time is over, or once through all places when there is no `span`.
pub(crate) fn run(server: SocketAddr, shape: Shape, span: Option<Duration>) -> Seen {
    let mut dice = Dice::new(20_261_121);
    let mut all: Vec<Asking> = (0..SOCKETS)
        .map(|_| {
            let (socket, connection) = connect(server).expect("a connection id");
            socket.set_nonblocking(true).expect("a socket that does not wait");
            Asking { socket, connection, slots: vec![None; WINDOW] }
        })
        .collect();
    let begun = Instant::now();
    let warm = if span.is_some() { Duration::from_millis(250) } else { Duration::ZERO };
    let (mut next, mut right, mut lost, mut bytes, mut times) = (0, 0, 0, 0, Vec::new());
    let mut buffer = [0; 4_096];
    loop {
        let now = Instant::now();
        let over = span.map_or(next >= shape.places(), |span| now >= begun + warm + span);
        let mut waits = false;
        for asking in &mut all {
            for slot in 0..WINDOW {
                if let Some(asked) = asking.slots[slot] {
                    if now - asked < PATIENCE {
                        waits = true;
                        continue;
                    }
                    lost += 1;
                    asking.slots[slot] = None;
                }
                if over || span.is_none() && next >= shape.places() {
                    continue;
                }
                let place = if span.is_some() { dice.roll(shape.places()) } else { next };
                let (torrent, peer) = shape.place(place);
                let datagram = datagram(asking.connection, slot as u32, torrent, peer, STARTED);
                if asking.socket.send(&datagram).is_err() {
                    break;
                }
                next += 1;
                waits = true;
                asking.slots[slot] = Some(now);
            }
        }
        if over && !waits {
            break;
        }
        let mut fds: Vec<PollFd<'_>> =
            all.iter().map(|asking| PollFd::from_borrowed_fd(asking.socket.as_fd(), PollFlags::IN)).collect();
        let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let _ = poll(&mut fds, Some(&wait));
        drop(fds);
        for asking in &mut all {
            while let Ok(length) = asking.socket.recv(&mut buffer) {
                if length < 20 || buffer[3] != 1 {
                    continue;
                }
                let slot = u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]) as usize;
                let Some(asked) = asking.slots.get_mut(slot).and_then(Option::take) else { continue };
                if now >= begun + warm {
                    right += 1;
                    bytes += length as u64;
                    if right % 16 == 0 {
                        times.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                    }
                }
            }
        }
    }
    Seen::of(right, lost, bytes, span.unwrap_or_else(|| begun.elapsed()), times)
}
