//! The UDP door (BEP 15), for IPv4 and IPv6.
//!
//! It remembers nothing of anybody: a connection id is a keyed hash of the address and the minute. To an
//! address that has not shown one, nothing is sent that is longer than what came from it.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use registry::{Announcement, Door, Unannounced};
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
/// Proven requests of one address: a burst, and each second.
const REQUESTS: (u32, u32) = (2_000, 1_000);
/// The pause after the socket failed.
const PAUSE: Duration = Duration::from_millis(50);

/// The door's brain: from a datagram to its answer.
pub(crate) struct UdpDoor {
    hub: Hub,
    key: RandomState,
    start: Instant,
    rate: Rate,
    dropped: Arc<AtomicU64>,
}

impl UdpDoor {
    /// A door with a fresh key. `dropped` counts what came too fast.
    pub(crate) fn new(hub: Hub, dropped: Arc<AtomicU64>) -> Self {
        let rate = Rate::new(REQUESTS.0, REQUESTS.1);
        Self { hub, key: RandomState::new(), start: Instant::now(), rate, dropped }
    }

    /// Answers until it is told to stop.
    pub(crate) async fn serve(self, socket: UdpSocket, shutdown: Shutdown) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let received = tokio::select! {
                () = shutdown.requested() => return,
                received = socket.recv_from(&mut buffer) => received,
            };
            let (length, sender) = match received {
                Ok(received) => received,
                Err(error) => {
                    // An unreachable port of somebody who asked comes back as an error of ours.
                    tracing::debug!(%error, "a datagram could not be read");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let from = runtime::net::canonical(sender);
            let Some(datagram) = buffer.get(..length) else { continue };
            if let Some(answer) = self.answer(datagram, from, Instant::now())
                && let Err(error) = socket.try_send_to(&answer, sender)
            {
                tracing::debug!(%error, %from, "an answer could not be sent");
            }
        }
    }

    /// What is said to a datagram, if anything.
    fn answer(&self, datagram: &[u8], from: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let family = Family::of(from.ip());
        let fail = |transaction, reason: &str, room: usize| {
            // The head has eight bytes.
            let reason = reason.get(..room.saturating_sub(8)).unwrap_or(reason).to_owned();
            Some(Response::Error { transaction, reason }.encode(family))
        };
        let minute = now.duration_since(self.start).as_secs() / 60;
        let request = match Request::decode(datagram) {
            Ok(request) => request,
            Err(DatagramError::Short { .. } | DatagramError::Magic) => return None,
            Err(
                error @ (DatagramError::Action { transaction, .. }
                | DatagramError::Number { transaction, .. }),
            ) => {
                return fail(transaction, &error.to_string(), datagram.len());
            }
        };
        let (connection, transaction) = match &request {
            Request::Connect { transaction } => {
                let connection = self.connection(from.ip(), minute);
                return Some(Response::Connect { transaction: *transaction, connection }.encode(family));
            }
            Request::Announce { connection, transaction, .. }
            | Request::Scrape { connection, transaction, .. } => (*connection, *transaction),
        };
        let good =
            (minute.saturating_sub(MINUTES)..=minute).any(|at| self.connection(from.ip(), at) == connection);
        if !good {
            return fail(transaction, "connection id is not valid or too old: connect again", datagram.len());
        }
        if !self.rate.take(from.ip(), now) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let response = match request {
            Request::Connect { .. } => return None,
            Request::Announce { mut announce, ip, .. } => {
                if family == Family::V6 {
                    announce.wanted = announce.wanted.min(MAX_V6);
                }
                let via = runtime::net::local_towards(from).unwrap_or(from.ip());
                let told = ip.map(IpAddr::from).into_iter().collect();
                match self.hub.announce(Announcement { from, via, door: Door::Udp, told, announce }) {
                    Ok(announced) => Response::Announce { transaction, reply: announced.reply },
                    Err(refusal) => refused(transaction, &refusal),
                }
            }
            Request::Scrape { hashes, .. } => {
                let files = self.hub.scrape(&hashes).into_iter().map(Option::unwrap_or_default);
                Response::Scrape { transaction, files: files.collect::<Vec<Scrape>>() }
            }
        };
        Some(response.encode(family))
    }

    /// The id of an address in a minute: nobody can make it up without the key.
    fn connection(&self, ip: IpAddr, minute: u64) -> u64 {
        self.key.hash_one((ip, minute))
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

    const NEAR: &str = "192.168.1.50:40000";

    fn door() -> UdpDoor {
        let hub = Hub::open(registry::Config::default(), Clock::start(), None).unwrap();
        UdpDoor::new(hub, Arc::default())
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
        let other = UdpDoor::new(door.hub.clone(), Arc::default());
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
        let unknown = announce(id).iter().map(|byte| if *byte == 7 { 9 } else { *byte }).collect::<Vec<_>>();
        let Some(Response::Error { reason, .. }) = ask(&door, &unknown, far, now) else { panic!("A17") };
        assert_eq!(reason, "this torrent is not registered here");
    }

    #[tokio::test]
    async fn a23_a_flood_from_one_address_does_not_hurt_another() {
        let (door, now) = (door(), Instant::now());
        let id = connect(&door, NEAR, now);
        let answered = (0..5_000).filter(|_| ask(&door, &announce(id), NEAR, now).is_some()).count();
        assert_eq!(answered, REQUESTS.0 as usize);
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
