//! The UDP door (BEP 15), for IPv4 and IPv6.
//!
//! It remembers nothing of anybody: a connection id is a keyed hash of the address and the minute. To an
//! address that has not shown one, nothing is sent that is longer than what came from it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use registry::{Announcement, Door, Told, Unannounced};
use runtime::Shutdown;
use shared::announce::Scrape;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};
use wire::tracker::compact::Family;
use wire::tracker::udp::{DatagramError, Request, Response};

use crate::hub::Hub;
use crate::rate::Rate;

/// The longest datagram that is looked at: a scrape of 74 torrents has 1,496 bytes.
const MAX_DATAGRAM: usize = 2_048;
/// Addresses of IPv6 in one answer: what travels in one piece everywhere.
const MAX_V6: u16 = 66;
/// How long an id is good: this minute's, and so many before.
const MINUTES: u64 = 2;
/// Proven requests of one address at once: so many times those of a second.
const BURST: u32 = 2;
/// Datagrams that are answered before others of the program have a turn.
const BATCH: usize = 64;
/// Datagrams that may wait to be read, in bytes: a flood of some milliseconds.
const WAITING: usize = 8 * 1024 * 1024;
/// Ways to clients that are remembered, and for how long.
const MAX_WAYS: usize = 4_096;
const WAY: Duration = Duration::from_secs(60);
/// The pause after the socket failed.
const PAUSE: Duration = Duration::from_millis(50);

/// The door's brain: from a datagram to its answer.
pub(crate) struct UdpDoor {
    hub: Hub,
    key: RandomState,
    start: Instant,
    rate: Option<Rate>,
    /// Our own address on the way to a client, for those that are not on this machine.
    ways: Mutex<BTreeMap<IpAddr, (IpAddr, Instant)>>,
    dropped: Arc<AtomicU64>,
}

impl UdpDoor {
    /// A door with a fresh key. `dropped` counts what came too fast.
    /// An address may ask `per_second` times, or as often as it can for 0.
    pub(crate) fn new(hub: Hub, dropped: Arc<AtomicU64>, per_second: u32) -> Self {
        let rate = Rate::or_none(per_second, BURST);
        let (key, start, ways) = (RandomState::new(), Instant::now(), Mutex::default());
        Self { hub, key, start, rate, ways, dropped }
    }

    /// Answers until it is told to stop.
    pub(crate) async fn serve(self, socket: UdpSocket, shutdown: Shutdown) {
        if let Err(error) = runtime::net::hold_datagrams(&socket, WAITING) {
            tracing::debug!(%error, "the room for datagrams stays as it is");
        }
        let mut work = Work::default();
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                ready = socket.readable() => {
                    if let Err(error) = ready {
                        tracing::debug!(%error, "the door for datagrams cannot be watched");
                        sleep(PAUSE).await;
                    }
                }
            }
            let now = Instant::now();
            work.begin();
            for _ in 0..BATCH {
                let (length, sender) = match socket.try_recv_from(&mut buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An unreachable port of somebody who asked comes back as an error of ours.
                    Err(error) => {
                        tracing::debug!(%error, "a datagram could not be read");
                        continue;
                    }
                };
                let from = runtime::net::canonical(sender);
                let Some(datagram) = buffer.get(..length) else { continue };
                work.out.clear();
                work.is_unproven = false;
                work.count += 1;
                self.answer_into(datagram, from, now, &mut work);
                work.keep(sender);
            }
            // All that came is read before the first answer leaves: each that leaves alone may wake a
            // processor.
            let is_crowded = work.count == BATCH;
            for (answer, to) in work.answers(is_crowded) {
                if let Err(error) = socket.try_send_to(answer, to) {
                    tracing::debug!(%error, %to, "an answer could not be sent");
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Puts what is said to a datagram, if anything, into `work`.
    fn answer_into(&self, datagram: &[u8], from: SocketAddr, now: Instant, work: &mut Work) {
        let family = Family::of(from.ip());
        let fail = |work: &mut Work, transaction, reason: &str, room: usize| {
            // The head has eight bytes.
            let reason = reason.get(..room.saturating_sub(8)).unwrap_or(reason).to_owned();
            work.out = Response::Error { transaction, reason }.encode(family);
            work.is_unproven = true;
        };
        let minute = now.duration_since(self.start).as_secs() / 60;
        let request = match Request::decode(datagram) {
            Ok(request) => request,
            Err(DatagramError::Short { .. } | DatagramError::Magic) => return,
            Err(
                error @ (DatagramError::Action { transaction, .. }
                | DatagramError::Number { transaction, .. }),
            ) => {
                return fail(work, transaction, &error.to_string(), datagram.len());
            }
        };
        let (connection, transaction) = match &request {
            Request::Connect { transaction } => {
                let connection = self.connection(from.ip(), minute);
                work.out = Response::Connect { transaction: *transaction, connection }.encode(family);
                return;
            }
            Request::Announce { connection, transaction, .. }
            | Request::Scrape { connection, transaction, .. } => (*connection, *transaction),
        };
        let mut minutes = (minute.saturating_sub(MINUTES)..=minute).rev();
        if !minutes.any(|at| self.connection(from.ip(), at) == connection) {
            let reason = "connection id is not valid or too old: connect again";
            return fail(work, transaction, reason, datagram.len());
        }
        if self.rate.as_ref().is_some_and(|rate| !rate.take(from.ip(), now)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match request {
            Request::Connect { .. } => {}
            Request::Announce { mut announce, ip, .. } => {
                if family == Family::V6 {
                    announce.wanted = announce.wanted.min(MAX_V6);
                }
                let via = self.way_to(from, now);
                let told = ip.map(IpAddr::from).into_iter().collect();
                let said = Announcement { from, via, door: Door::Udp, told, announce };
                self.announce_into(said, transaction, family, work);
            }
            Request::Scrape { hashes, .. } => {
                let files = self.hub.scrape(&hashes).into_iter().map(Option::unwrap_or_default);
                let response = Response::Scrape { transaction, files: files.collect::<Vec<Scrape>>() };
                work.out = response.encode(family);
            }
        }
    }

    fn announce_into(&self, said: Announcement, transaction: u32, family: Family, work: &mut Work) {
        let response = match self.hub.meet(&said, &mut work.told) {
            Some(Ok(intervals)) => {
                let told = &work.told;
                let list = if family == Family::V4 { &told.v4 } else { &told.v6 };
                let numbers = (intervals.usual, told.leechers, told.seeds);
                return Response::write_announce(&mut work.out, transaction, numbers, list);
            }
            Some(Err(refusal)) => refused(transaction, &refusal),
            None => match self.hub.announce(said) {
                Ok(announced) => Response::Announce { transaction, reply: announced.reply },
                Err(refusal) => refused(transaction, &refusal),
            },
        };
        work.out = response.encode(family);
    }

    /// Our own address on the way to a client. Asking the system costs more than an announce, so it is
    /// asked once in a while.
    fn way_to(&self, from: SocketAddr, now: Instant) -> IpAddr {
        if from.ip().is_loopback() {
            return from.ip();
        }
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ways.get(&from.ip()).filter(|(_, at)| now.saturating_duration_since(*at) < WAY);
        if let Some((via, _)) = known {
            return *via;
        }
        if ways.len() >= MAX_WAYS {
            ways.clear();
        }
        let via = runtime::net::local_towards(from).unwrap_or(from.ip());
        ways.insert(from.ip(), (via, now));
        via
    }

    /// The id of an address in a minute: nobody can make it up without the key.
    fn connection(&self, ip: IpAddr, minute: u64) -> u64 {
        self.key.hash_one((ip, minute))
    }
}

/// What is kept between datagrams so that nothing is allocated for one.
#[derive(Debug, Default)]
struct Work {
    told: Told,
    /// The answer that is being made.
    out: Vec<u8>,
    /// Those that wait, one behind the other, each with its end and for whom it is.
    waiting: Vec<u8>,
    ends: Vec<Waiting>,
    /// Datagrams of this batch.
    count: usize,
    /// The answer is a refusal to somebody who proved nothing.
    is_unproven: bool,
}

/// Where an answer ends, and for whom it is.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    end: usize,
    to: SocketAddr,
    is_unproven: bool,
}

impl Work {
    fn begin(&mut self) {
        self.waiting.clear();
        self.ends.clear();
        self.count = 0;
    }

    /// The answer waits for its turn, if there is one.
    fn keep(&mut self, to: SocketAddr) {
        if !self.out.is_empty() {
            self.waiting.extend_from_slice(&self.out);
            self.ends.push(Waiting { end: self.waiting.len(), to, is_unproven: self.is_unproven });
        }
    }

    /// What is to be sent. While more comes than is answered at a time, refusals to those who proved nothing
    /// are left out: a flood of them is not to cost as much again.
    fn answers(&self, is_crowded: bool) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let mut from = 0;
        self.ends.iter().filter_map(move |waiting| {
            let answer = self.waiting.get(from..waiting.end)?;
            from = waiting.end;
            Some((answer, waiting.to)).filter(|_| !(is_crowded && waiting.is_unproven))
        })
    }
}

fn refused(transaction: u32, refusal: &Unannounced) -> Response {
    Response::Error { transaction, reason: refusal.to_string() }
}

#[cfg(test)]
mod tests {
    use runtime::Clock;
    use shared::announce::{Announce, Event};
    use shared::{InfoHash, PeerId};

    use super::*;

    const PER_SECOND: u32 = 1_000;
    const NEAR: &str = "192.168.1.50:40000";

    impl UdpDoor {
        fn answer(&self, datagram: &[u8], from: SocketAddr, now: Instant) -> Option<Vec<u8>> {
            let mut work = Work::default();
            self.answer_into(datagram, from, now, &mut work);
            Some(work.out).filter(|out| !out.is_empty())
        }
    }

    fn door() -> UdpDoor {
        let hub = Hub::open(registry::Config::default(), Clock::start(), None).unwrap();
        UdpDoor::new(hub, Arc::default(), PER_SECOND)
    }

    fn announce(connection: u64) -> Vec<u8> {
        let announce = Announce {
            hash: InfoHash([7; 20]),
            peer_id: PeerId(*b"-LT2110-abcdefghijkl"),
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: Some(0),
            event: Event::Started,
            wanted: 50,
            key: Some(5),
        };
        Request::Announce { connection, transaction: 9, announce, ip: None }.encode()
    }

    fn connect(door: &UdpDoor, from: &str, now: Instant) -> u64 {
        let asked = Request::Connect { transaction: 3 }.encode();
        let answer = door.answer(&asked, from.parse().unwrap(), now).unwrap();
        assert_eq!(answer.len(), asked.len(), "nothing longer than what came");
        match Response::decode(&answer, Family::V4).unwrap() {
            Response::Connect { transaction: 3, connection } => connection,
            other => panic!("{other:?}"),
        }
    }

    fn ask(door: &UdpDoor, datagram: &[u8], from: &str, now: Instant) -> Option<Response> {
        let from: SocketAddr = from.parse().unwrap();
        let answer = door.answer(datagram, from, now)?;
        Some(Response::decode(&answer, Family::of(from.ip())).unwrap())
    }

    #[tokio::test]
    async fn a18_to_a22_what_proves_nothing_gets_nothing_longer_than_it_is() {
        let (door, now) = (door(), Instant::now());
        let from: SocketAddr = NEAR.parse().unwrap();
        let silent = |datagram: &[u8]| door.answer(datagram, from, now).is_none();
        let good = Request::Connect { transaction: 3 }.encode();
        assert!(silent(&good[..15]), "A18");
        assert!(silent(&[0; 16]), "A19");
        assert!(silent(&announce(1)[..97]), "A21");
        let unknown = [&[0; 11][..], &[9, 0, 0, 0, 4]].concat();
        let answer = door.answer(&unknown, from, now).unwrap();
        assert!(answer.len() <= unknown.len(), "A22");
        assert!(matches!(Response::decode(&answer, Family::V4), Ok(Response::Error { transaction: 4, .. })));
        let refused = door.answer(&announce(1), from, now).unwrap();
        assert!(refused.len() <= announce(1).len());
        assert!(matches!(
            Response::decode(&refused, Family::V4),
            Ok(Response::Error { transaction: 9, reason }) if reason.contains("connect again")
        ));
    }

    #[tokio::test]
    async fn a20_an_id_is_good_for_its_address_and_two_minutes() {
        let (door, now) = (door(), Instant::now());
        let id = connect(&door, NEAR, now);
        let taken = |from: &str, seconds| {
            let answer = ask(&door, &announce(id), from, now + Duration::from_secs(seconds));
            matches!(answer, Some(Response::Announce { .. }))
        };
        assert!(taken(NEAR, 0) && taken(NEAR, 60) && taken(NEAR, 119));
        assert!(!taken(NEAR, 181) && !taken("192.168.1.51:40000", 0));
        assert_ne!(connect(&door, NEAR, now + Duration::from_secs(60)), id);
        assert_ne!(connect(&door, "[fd00::1]:9", now), id);
        let other = UdpDoor::new(door.hub.clone(), Arc::default(), PER_SECOND);
        assert_ne!(connect(&other, NEAR, now), id, "a key of its own");
    }

    #[tokio::test]
    async fn announces_and_scrapes_meet_the_registry() {
        let (door, now) = (door(), Instant::now());
        let id = connect(&door, NEAR, now);
        let Some(Response::Announce { transaction: 9, reply }) = ask(&door, &announce(id), NEAR, now) else {
            panic!("an announce is answered")
        };
        assert_eq!((reply.interval, reply.seeds, reply.leechers), (120, 1, 0));
        let hashes = vec![InfoHash([8; 20]), InfoHash([7; 20])];
        let scrape = Request::Scrape { connection: id, transaction: 5, hashes }.encode();
        let Some(Response::Scrape { transaction: 5, files }) = ask(&door, &scrape, NEAR, now) else {
            panic!("a scrape is answered")
        };
        assert_eq!((files[0], files[1].seeds), (Scrape::default(), 1));
        // Far away, what nobody shares is not known.
        let far = "203.0.113.9:40000";
        let id = connect(&door, far, now);
        let mut unknown = announce(id);
        unknown[16..36].fill(9);
        let Some(Response::Error { reason, .. }) = ask(&door, &unknown, far, now) else { panic!("A17") };
        assert_eq!(reason, "this torrent is not registered here");
    }

    #[tokio::test]
    async fn a23_a_flood_from_one_address_does_not_hurt_another() {
        let (door, now) = (door(), Instant::now());
        let id = connect(&door, NEAR, now);
        let answered = (0..5_000).filter(|_| ask(&door, &announce(id), NEAR, now).is_some()).count();
        assert_eq!(answered, 2_000);
        assert_eq!(door.dropped.load(Ordering::Relaxed), 3_000);
        let other = "192.168.1.51:40000";
        let id = connect(&door, other, now);
        assert!(matches!(ask(&door, &announce(id), other, now), Some(Response::Announce { .. })));
        // Wrong ids cost the address that they claim nothing.
        for _ in 0..5_000 {
            assert!(matches!(ask(&door, &announce(1), other, now), Some(Response::Error { .. })));
        }
        assert!(matches!(ask(&door, &announce(id), other, now), Some(Response::Announce { .. })));
    }
}
