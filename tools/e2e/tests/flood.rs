//! A flood of announces from one address, over HTTP and UDP at once, does not hurt another address: it is
//! answered all the while.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::hosts::{Host, Network};
use e2e::{Lab, Peer, within};
use serde_json::Value;
use shared::announce::{Announce, Event};
use shared::{InfoHash, PeerId};
use wire::tracker::compact::Family;
use wire::tracker::udp::{Request, Response};

/// How long one answer may take on a machine that a flood keeps busy.
const BOUND: Duration = Duration::from_secs(20);
/// How many times each door is asked during the flood.
const ASKED: usize = 4;
/// Connections that the flooder opens and says nothing on: more than one address may have.
const HELD: usize = 600;

/// What the flooder did and what became of it.
#[derive(Debug, Default)]
struct Flood {
    over: AtomicBool,
    sent: AtomicUsize,
    answered: AtomicUsize,
    refused: AtomicUsize,
}

impl Flood {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn count(&self) -> [usize; 3] {
        [&self.sent, &self.answered, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }
}

/// One connection after the other, on each as many announces as the tracker takes, each of another peer for
/// another torrent.
fn over_http(flood: &Flood, tracker: SocketAddr, worker: usize) {
    let mut number = worker;
    while !flood.is_over() {
        let Ok(mut stream) = TcpStream::connect_timeout(&tracker, BOUND) else {
            flood.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a TCP option");
        let mut answer = [0; 4096];
        while !flood.is_over() {
            number += 16;
            let request = format!(
                "GET /announce?info_hash={number:020}&peer_id={number:020}&port=6881&uploaded=0&downloaded=0\
                 &left=1&compact=1&event=started HTTP/1.1\r\nHost: {tracker}\r\n\r\n"
            );
            flood.sent.fetch_add(1, Ordering::Relaxed);
            let read =
                stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut answer)).unwrap_or(0);
            // Who asks too often hears so in a dictionary, as BitTorrent clients expect it.
            let said = String::from_utf8_lossy(&answer[..read]);
            let right = said.starts_with("HTTP/1.1 200") && !said.contains("failure reason");
            let count = if right { &flood.answered } else { &flood.refused };
            count.fetch_add(1, Ordering::Relaxed);
            if read == 0 {
                break;
            }
        }
    }
}

/// Announces without waiting for answers, under one connection id.
fn over_udp(flood: &Flood, socket: &UdpSocket) {
    let mut buffer = [0; 4096];
    socket.set_read_timeout(Some(BOUND)).expect("a UDP option");
    socket.send(&Request::Connect { transaction: 1 }.encode()).expect("a datagram");
    let length = socket.recv(&mut buffer).expect("a connection id");
    let connection = match Response::decode(&buffer[..length], Family::V4) {
        Ok(Response::Connect { connection, .. }) => Some(connection),
        _ => None,
    };
    let connection = connection.expect("a connection id");
    socket.set_nonblocking(true).expect("a UDP option");
    for transaction in 2.. {
        if flood.is_over() {
            return;
        }
        let mut name = [b'u'; 20];
        name[..4].copy_from_slice(&u32::to_be_bytes(transaction));
        let announce = Announce {
            hash: InfoHash(name),
            peer_id: PeerId(name),
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: Some(1),
            event: Event::Started,
            wanted: 50,
            key: None,
        };
        let request = Request::Announce { connection, transaction, announce, ip: None };
        if socket.send(&request.encode()).is_ok() {
            flood.sent.fetch_add(1, Ordering::Relaxed);
        }
        while socket.recv(&mut buffer).is_ok() {
            flood.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Asks one door once, with the real program; gives how long that took.
fn asks(peer: &Peer, url: &str) -> f64 {
    let begun = Instant::now();
    let mut asked = peer.one_shot(&["--json", "announce", url]);
    let code = asked.exit_code(BOUND);
    let answer: Option<Value> = asked.lines().iter().find_map(|line| e2e::program::json(line));
    let answer = answer.unwrap_or_default();
    assert_eq!((code, &answer["type"]), (0, &Value::from("announce")), "{:?}", asked.lines());
    begun.elapsed().as_secs_f64()
}

#[test]
fn an_announce_flood_from_one_address_does_not_hurt_another() {
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::in_memory();
    let (middle, loud, quiet) = (network.host(), network.host(), network.host());
    let tracker = lab.tracker_on(&middle);
    let (http, udp) = (Flood::default(), Flood::default());
    let door = tracker.http();
    let bob = lab.peer_untold_on(&quiet, "bob");
    std::thread::scope(|scope| {
        let over = Over(&http, &udp);
        for worker in 0..4 {
            let (loud, http) = (&loud, &http);
            scope.spawn(move || loud.within(|| over_http(http, door, worker)));
        }
        let (from, flood) = (&loud, &udp);
        scope.spawn(move || {
            let socket = from.within(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
            socket.connect(door).expect("a UDP option");
            over_udp(flood, &socket);
        });
        let held = holds(&loud, door);
        // A flood that is not one would prove nothing.
        let enough = within(BOUND * 3, || {
            let ([_, _, refused], [sent, answered, _]) = (http.count(), udp.count());
            (refused > 100 && sent > answered + 5_000).then_some(())
        });
        assert!(enough.is_some(), "not more than one address may ask: {:?}, {:?}", http.count(), udp.count());
        let before = (http.count(), udp.count());
        let mut longest: f64 = 0.0;
        for _ in 0..ASKED {
            longest = longest.max(asks(&bob, &tracker.announce())).max(asks(&bob, &tracker.announce_udp()));
        }
        // And the door of our peers.
        let mut eva = lab.peer_on(&quiet, "eva", &tracker).started();
        eva.is_connected();
        let after = (http.count(), udp.count());
        assert!(after.0[0] > before.0[0] && after.1[0] > before.1[0], "it went on: {before:?}, {after:?}");
        drop(over);
        println!(
            "flood from one address [sent, answered, refused]: HTTP {:?}, UDP {:?}, {} idle connections; \
             another address asked {} times, the longest answer took {longest:.2} s",
            after.0,
            after.1,
            held.len(),
            2 * ASKED
        );
    });
}

/// Opens connections and says nothing on them.
fn holds(host: &Host, tracker: SocketAddr) -> Vec<TcpStream> {
    host.within(|| (0..HELD).map_while(|_| TcpStream::connect_timeout(&tracker, BOUND).ok()).collect())
}

/// Ends the floods, also when the test fails.
struct Over<'a>(&'a Flood, &'a Flood);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
        self.1.over.store(true, Ordering::Relaxed);
    }
}
