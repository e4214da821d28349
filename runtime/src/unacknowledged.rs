//! How much of what was written to a TCP connection the far side has not acknowledged yet.
//!
//! A write that has returned says only that the system holds the bytes: on a slow link they wait there, and
//! whoever believes them gone promises the link twice. The system tells how many they are through its
//! socket diagnostics, a datagram each way. Linux only; elsewhere nobody knows. Never blocks: the answer is
//! there when the question has been sent. Called by the writers of connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[cfg(target_os = "linux")]
use socket2::{Domain, Protocol, Socket, Type};

/// The family of sockets that talk to the system itself.
#[cfg(target_os = "linux")]
const NETLINK: i32 = 16;
/// ... its protocol for questions about sockets.
#[cfg(target_os = "linux")]
const SOCK_DIAG: i32 = 4;
const BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const TCP: u8 = 6;
/// What else the answer shall have: the details of the connection, and how they are marked in it.
const WITH_DETAILS: u8 = 1 << 1;
const DETAILS: u16 = 2;
const HEAD: usize = 16;
const QUESTION: usize = HEAD + 56;
/// Where the answer has the bytes written and not acknowledged, and where its attributes begin.
const WRITTEN: usize = HEAD + 4 + 48 + 8;
const ATTRIBUTES: usize = HEAD + 72;
/// Where the details have the shortest round trip, in microseconds.
const SHORTEST: usize = 148;

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Bytes written and not acknowledged.
    pub unacknowledged: u32,
    /// The shortest time from a packet to its acknowledgement, zero while there was none.
    pub round_trip: Duration,
}

/// Asks the system about connections of this process.
#[derive(Debug)]
pub struct Unacknowledged {
    #[cfg(target_os = "linux")]
    socket: Mutex<Socket>,
}

impl Unacknowledged {
    /// Opens the way to the system; `None` where there is none.
    #[cfg(target_os = "linux")]
    pub fn open() -> Option<Self> {
        let socket = Socket::new(Domain::from(NETLINK), Type::DGRAM, Some(Protocol::from(SOCK_DIAG))).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket: Mutex::new(socket) })
    }

    /// Opens the way to the system; `None` where there is none.
    #[cfg(not(target_os = "linux"))]
    pub fn open() -> Option<Self> {
        None
    }

    /// How the connection from `ours` to `theirs` stands.
    #[cfg(target_os = "linux")]
    pub fn ask(&self, ours: SocketAddr, theirs: SocketAddr) -> io::Result<Standing> {
        use std::io::Read as _;
        let question = question(ours, theirs)?;
        let mut answer = [0; 1024];
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.send(&question)?;
        let read = (&*socket).read(&mut answer)?;
        drop(socket);
        standing(answer.get(..read).unwrap_or_default()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Nobody knows here.
    #[cfg(not(target_os = "linux"))]
    pub fn ask(&self, _: SocketAddr, _: SocketAddr) -> io::Result<Standing> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// One question about one connection, in the byte order of this machine but for ports and addresses.
fn question(ours: SocketAddr, theirs: SocketAddr) -> io::Result<Vec<u8>> {
    let (ours, theirs) = (crate::net::canonical(ours), crate::net::canonical(theirs));
    let (family, from, to) = match (ours.ip(), theirs.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (2_u8, from.octets().to_vec(), to.octets().to_vec()),
        (IpAddr::V6(from), IpAddr::V6(to)) => (10, from.octets().to_vec(), to.octets().to_vec()),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut bytes = Vec::with_capacity(QUESTION);
    bytes.extend(u32::try_from(QUESTION).unwrap_or(0).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, WITH_DETAILS, 0]);
    bytes.extend([0xff; 4]);
    bytes.extend(ours.port().to_be_bytes());
    bytes.extend(theirs.port().to_be_bytes());
    for address in [from, to] {
        bytes.extend(&address);
        bytes.resize(bytes.len() + 16 - address.len(), 0);
    }
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    Ok(bytes)
}

/// What the answer says; nothing when it is an error, or no answer at all.
fn standing(answer: &[u8]) -> Option<Standing> {
    if half(answer, 4)? != BY_FAMILY {
        return None;
    }
    let unacknowledged = word(answer, WRITTEN)?;
    let mut rest = answer.get(ATTRIBUTES..)?;
    let mut shortest = 0;
    while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        if kind == DETAILS {
            shortest = word(rest, 4 + SHORTEST).filter(|micros| *micros < u32::MAX).unwrap_or(0);
        }
        let length = usize::from(length).max(4).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(Standing { unacknowledged, round_trip: Duration::from_micros(shortest.into()) })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_far_side_does_not_take_is_counted_until_it_does() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let (ours, theirs) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
            // Some containers let nobody ask.
            let Some(asks) = Unacknowledged::open() else { return };
            if asks.ask(ours, theirs).is_err() {
                return;
            }
            near.set_nonblocking(true).unwrap();
            let mut sent = 0;
            while let Ok(count) = near.write(&[7; 4096]) {
                sent += count;
            }
            let waiting = asks.ask(ours, theirs).unwrap().unacknowledged as usize;
            assert!((1..=sent).contains(&waiting), "{waiting} of {sent}");
            let round_trip = asks.ask(ours, theirs).unwrap().round_trip;
            assert!((1..60_000_000).contains(&round_trip.as_micros()), "{round_trip:?}");
            let read = io::copy(&mut (&mut far).take(sent as u64), &mut io::sink()).unwrap();
            assert_eq!(read, sent as u64);
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while asks.ask(ours, theirs).unwrap().unacknowledged > 0 {
                assert!(std::time::Instant::now() < deadline, "read and never acknowledged");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_connection_that_is_none_is_an_error_and_so_is_what_is_no_answer() {
        let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
        if let Some(asks) = Unacknowledged::open() {
            assert!(asks.ask(nobody, nobody).is_err());
        }
        assert!(question(nobody, "[::1]:1".parse().unwrap()).is_err());
        for length in 0..300 {
            assert!(standing(&vec![0; length]).is_none());
            let mut short = vec![0; length];
            short.iter_mut().skip(4).take(1).for_each(|kind| *kind = 20);
            assert_eq!(standing(&short).is_some(), length >= ATTRIBUTES, "{length}");
        }
    }
}
