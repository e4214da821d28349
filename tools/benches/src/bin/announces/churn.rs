//! Clients that come, announce and go for a day: in virtual time at the registry alone, and for a while at
//! the real tracker. What counts is that nothing grows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use registry::{Announcement, Command, Config, Door, Registry, Told};
use shared::announce::{Announce, Event};
use shared::{InfoHash, Moment, PeerId};

use crate::by_http::request;
use crate::by_udp::{connect, datagram};
use crate::load::{Dice, Shape, hash, peer_id, port};
use crate::strain::announce;

/// Clients that are here at a time, and what happens in each virtual second.
const CLIENTS: u64 = 5_000;
const EACH_SECOND: u64 = 40;
/// A day.
const DAY: u64 = 24 * 3_600;

/// What is held at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// Seconds since the beginning.
    pub(crate) at: u64,
    /// Bytes in memory.
    pub(crate) memory: u64,
    /// Open handles; places in the registry.
    pub(crate) count: usize,
}

fn memory_of_this() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn said(dice: &mut Dice) -> Announcement {
    let (torrent, peer) = (dice.roll(2_000), dice.roll(CLIENTS));
    let event = match dice.roll(10) {
        0 | 1 => Event::Started,
        2 => Event::Stopped,
        3 => Event::Completed,
        _ => Event::Interval,
    };
    let announce = Announce {
        hash: InfoHash(hash(torrent)),
        peer_id: PeerId(peer_id(0, peer)),
        port: port(peer),
        uploaded: 0,
        downloaded: 0,
        left: Some(dice.roll(2)),
        event,
        wanted: 50,
        key: None,
    };
    let ip = IpAddr::from(Ipv4Addr::from(0x0a00_0000 + peer as u32));
    let from = SocketAddr::new(ip, 9);
    Announcement {
        from,
        via: Ipv4Addr::new(10, 255, 0, 1).into(),
        door: Door::Udp,
        told: Vec::new(),
        announce,
    }
}

/// A day at the registry; what it held after each two hours, and announces in all.
pub(crate) fn day() -> (Vec<Held>, u64) {
    let mut rng = SmallRng::seed_from_u64(20_261_121);
    let mut dice = Dice::new(20_261_121);
    let mut registry = Registry::new(Config::default());
    let (mut told, mut held, mut announces) = (Told::default(), Vec::new(), 0);
    for second in 0..=DAY {
        let (now, at) = (Moment::START + Duration::from_secs(second), 1_700_000_000_000 + second * 1_000);
        for _ in 0..EACH_SECOND {
            let said = said(&mut dice);
            announces += 1;
            if registry.meet(&said, now, at, &mut rng, &mut told).is_none() {
                registry.execute(Command::Announce(Box::new(said)), now, at, &mut rng);
            }
        }
        registry.expire(now, at, &mut rng);
        if second % 7_200 == 0 && second > 0 {
            held.push(Held { at: second, memory: memory_of_this(), count: registry.crowd().1 });
        }
    }
    (held, announces)
}

/// Clients at the real tracker, by datagrams and by a connection for each announce, for a while; `holds` is
/// asked ten times on the way. Says how many announces were answered.
pub(crate) fn at_tracker(
    server: SocketAddr,
    span: Duration,
    holds: impl Fn() -> (u64, usize),
) -> (Vec<Held>, u64) {
    let mut dice = Dice::new(20_261_121);
    let begun = Instant::now();
    let (mut held, mut answered) = (Vec::new(), 0);
    let mut buffer = [0; 4_096];
    let note = |held: &mut Vec<Held>| {
        let (memory, count) = holds();
        held.push(Held { at: begun.elapsed().as_secs(), memory, count });
    };
    while begun.elapsed() < span {
        if begun.elapsed() >= span / 10 * (held.len() as u32 + 1) {
            note(&mut held);
        }
        // A socket of its own for some clients, as in life.
        let Some((socket, id)) = connect(server) else { continue };
        for _ in 0..200 {
            let (torrent, peer) = Shape::FULL.place(dice.roll(Shape::FULL.places()));
            let event = [0, 0, 0, 1, 2, 3][dice.roll(6) as usize];
            let asked = socket.send(&datagram(id, 1, torrent, peer, event));
            answered += u64::from(asked.is_ok() && socket.recv(&mut buffer).is_ok_and(|length| length >= 20));
        }
        for _ in 0..20 {
            let (torrent, peer) = Shape::FULL.place(dice.roll(Shape::FULL.places()));
            let event = ["", "", "started", "stopped"][dice.roll(4) as usize];
            answered += u64::from(announce(server, &request(torrent, peer, event, true)).is_some());
        }
    }
    note(&mut held);
    (held, answered)
}
