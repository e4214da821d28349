//! Honest announces while somebody makes trouble: bad datagrams by the hundred thousand, or connections that
//! never finish a request.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::by_http::{request, whole};
use crate::by_udp::{connect, datagram};
use crate::load::{Dice, Seen, Shape};

/// Bad datagrams in each second.
pub(crate) const BAD: u64 = 150_000;
/// Connections that never finish.
pub(crate) const HALF_OPEN: usize = 2_000;
/// Honest announces in each second.
pub(crate) const HONEST: u64 = 1_000;
/// Without an answer for so long it is lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bad datagram: too short, of an unknown kind, with a made-up id, or nothing at all that makes sense.
fn bad(dice: &mut Dice) -> Vec<u8> {
    let mut bytes: Vec<u8> = datagram(dice.roll(u64::MAX), 1, dice.roll(1_000), dice.roll(100), 0).to_vec();
    match dice.roll(4) {
        0 => bytes.truncate(dice.roll(98) as usize),
        1 => bytes[11] = 9,
        2 => {}
        _ => bytes.iter_mut().for_each(|byte| *byte = dice.roll(256) as u8),
    }
    bytes
}

/// Sends bad datagrams and, beside them, honest announces; how the latter fared, and how many bad ones went
/// out in each second.
pub(crate) fn flood(server: SocketAddr, span: Duration) -> (Seen, f64) {
    let mut dice = Dice::new(20_261_121);
    let (honest, id) = connect(server).expect("a connection id");
    honest.set_nonblocking(true).expect("a socket that does not wait");
    let floods: Vec<UdpSocket> = (0..8)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).expect("a socket");
            socket.connect(server).expect("a way");
            socket.set_nonblocking(true).expect("a socket that does not wait");
            socket
        })
        .collect();
    let pool: Vec<Vec<u8>> = (0..4_096).map(|_| bad(&mut dice)).collect();
    let begun = Instant::now();
    let (mut sent, mut asked, mut right, mut times) = (0_u64, 0_u64, 0_u64, Vec::new());
    let mut waiting: Vec<Option<Instant>> = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let gone = begun.elapsed();
        if gone >= span + PATIENCE {
            break;
        }
        let is_over = gone >= span;
        let due = |each: u64| (gone.as_secs_f64() * each as f64) as u64;
        while !is_over && sent < due(BAD) {
            for _ in 0..16 {
                let datagram = &pool[(sent % 4_096) as usize];
                let _ = floods[(sent % 8) as usize].send(datagram);
                sent += 1;
            }
        }
        while !is_over && asked < due(HONEST) {
            let (torrent, peer) = Shape::FULL.place(dice.roll(Shape::FULL.places()));
            if honest.send(&datagram(id, asked as u32, torrent, peer, 0)).is_ok() {
                waiting.push(Some(Instant::now()));
                asked += 1;
            }
        }
        while let Ok(length) = honest.recv(&mut buffer) {
            if length < 20 || buffer[3] != 1 {
                continue;
            }
            let number = u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]) as usize;
            if let Some(at) = waiting.get_mut(number).and_then(Option::take)
                && at.elapsed() < PATIENCE
            {
                right += 1;
                times.push(u32::try_from(at.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
        }
        // What the flood is answered is thrown away now and then, as its sender would.
        for flood in &floods {
            for _ in 0..32 {
                if flood.recv(&mut buffer).is_err() {
                    break;
                }
            }
        }
    }
    (Seen::of(right, asked - right, 0, span, times), sent as f64 / span.as_secs_f64())
}

/// Holds connections that have sent half a request, opens new ones for those that were closed, and announces
/// meanwhile, each time by a new connection. How the announces fared, and how many were held at the end.
pub(crate) fn half_open(server: SocketAddr, span: Duration) -> (Seen, usize) {
    let mut dice = Dice::new(20_261_121);
    let mut held: Vec<Option<TcpStream>> = (0..HALF_OPEN).map(|number| open_half(server, number)).collect();
    let begun = Instant::now();
    let (mut asked, mut right, mut times) = (0_u64, 0_u64, Vec::new());
    let mut looked = 0;
    while begun.elapsed() < span {
        // A part of them is looked at each time.
        for _ in 0..20 {
            looked = (looked + 1) % HALF_OPEN;
            let is_gone = held[looked].as_ref().is_none_or(|stream| {
                let mut byte = [0];
                let _ = stream.set_nonblocking(true);
                !matches!(stream.peek(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            });
            if is_gone {
                held[looked] = open_half(server, looked);
            }
        }
        let (torrent, peer) = Shape::FULL.place(dice.roll(Shape::FULL.places()));
        asked += 1;
        let at = Instant::now();
        if announce(server, &request(torrent, peer, "", true)).is_some() && at.elapsed() < PATIENCE {
            right += 1;
            times.push(u32::try_from(at.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let still = held.iter().flatten().filter(|stream| {
        let mut byte = [0];
        matches!(stream.peek(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    (Seen::of(right, asked - right, 0, span, times), still.count())
}

/// From one of eight addresses of this machine, as nobody may hold so many from one.
fn open_half(server: SocketAddr, number: usize) -> Option<TcpStream> {
    let from = Ipv4Addr::new(127, 0, 2, (number % 8) as u8 + 1);
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
    let socket = socket.ok()?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0))).ok()?;
    rustix::net::connect(&socket, &server).ok()?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(b"GET /announce?info_hash=%01%02").ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

/// One announce by a connection of its own; `None` when there is no right answer.
pub(crate) fn announce(server: SocketAddr, request: &[u8]) -> Option<()> {
    use std::io::Read as _;
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request).ok()?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got).ok()?;
    whole(&got, true).filter(|whole| whole.is_right).map(|_| ())
}
