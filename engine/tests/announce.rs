//! Sessions that know each other through a tracker only, over HTTP and UDP, on real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::announcer::{AnnounceError, once};
use engine::{AddOptions, AddSource, Alert, Limits, ShareOptions, TrackerState};
use shared::InfoHash;
use shared::announce::{Announce, AnnounceReply, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use wire::tracker::compact::Family;
use wire::tracker::http::{AnnounceQuery, Failure, HttpReply, PeersForm, Retry};
use wire::tracker::udp::{Request, Response};

use crate::lab::{Peer, bytes};

/// What a tracker was told, in order.
#[derive(Debug, Clone, Default)]
struct Book(Arc<Mutex<Vec<Said>>>);

/// What was said, from where, and the tracker id that came back.
type Said = (Announce, SocketAddr, Option<Vec<u8>>);

impl Book {
    /// Writes one announce down and gives everybody else of that swarm.
    fn take(&self, announce: Announce, from: SocketAddr, tracker_id: Option<Vec<u8>>) -> AnnounceReply {
        let mut book = self.0.lock().unwrap();
        let mut others = BTreeMap::new();
        for (other, from, _) in book.iter().filter(|(other, ..)| other.hash == announce.hash) {
            others.insert(other.peer_id, (other.event, SocketAddr::new(from.ip(), other.port)));
        }
        others.remove(&announce.peer_id);
        others.retain(|_, (event, _)| *event != Event::Stopped);
        let peers = others.into_values().map(|(_, address)| address).collect();
        let seeds = u32::from(book.iter().any(|(other, ..)| other.hash == announce.hash && other.is_seed()));
        book.push((announce, from, tracker_id));
        AnnounceReply {
            interval: 20,
            seeds,
            leechers: 7,
            peers,
            warning: Some("mind\nthe gap".to_owned()),
            tracker_id: Some(b"t 1".to_vec()),
            ..AnnounceReply::default()
        }
    }

    /// What this peer said of the torrent under this name, in order.
    fn said(&self, peer: &Peer, hash: InfoHash) -> Vec<Announce> {
        let book = self.0.lock().unwrap();
        let own = book.iter().map(|(announce, ..)| announce);
        let own = own.filter(|announce| announce.peer_id == peer.session.peer_id() && announce.hash == hash);
        own.cloned().collect()
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn serve_http(answer: impl Fn(&str, SocketAddr) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    runtime::spawn("tracker", async move {
        loop {
            let (mut stream, from) = listener.accept().await.unwrap();
            let head = head(&mut stream).await;
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let body = answer(&target, from);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // Whoever leaves does not wait for the answer.
            let _ = stream.write_all(&[answer.as_bytes(), &body].concat()).await;
        }
    });
    url
}

/// A tracker with an HTTP door.
async fn http_tracker(book: Book) -> String {
    serve_http(move |target, from| {
        let query = AnnounceQuery::parse(target.split_once('?').unwrap().1.as_bytes()).unwrap();
        let reply = book.take(query.announce, from, query.tracker_id);
        HttpReply { reply: &reply, ids: &[], form: PeersForm::Compact }.encode()
    })
    .await
}

/// A tracker with a UDP door on this address, that loses each first datagram.
async fn udp_tracker(book: Book, ip: &str) -> String {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    runtime::spawn("tracker", async move {
        let mut buffer = [0; 2000];
        let mut lost = 0;
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            lost += 1;
            if lost == 1 {
                continue;
            }
            let response = match Request::decode(&buffer[..length]).unwrap() {
                Request::Connect { transaction } => Response::Connect { transaction, connection: 77 },
                Request::Announce { connection, transaction, announce, .. } => {
                    assert_eq!(connection, 77);
                    Response::Announce { transaction, reply: book.take(announce, from, None) }
                }
                Request::Scrape { .. } => panic!("nobody scrapes"),
            };
            // A stray datagram first: it has the mark of nobody.
            let stray = Response::Error { transaction: 0, reason: "stray".to_owned() };
            socket.send_to(&stray.encode(Family::V4), from).await.unwrap();
            socket.send_to(&response.encode(Family::of(from.ip())), from).await.unwrap();
        }
    });
    format!("udp://{address}")
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One shares, two downloads, and both know only the tracker.
async fn through(url: String, book: Book) {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 51)).unwrap();
    let shared = one.share("a.bin").await;
    let hash = shared.id;
    one.session.add_trackers(hash, vec![vec![url.clone()]]).await.unwrap();
    until("the seed announces", async || !book.said(&one, hash).is_empty()).await;
    let first = book.said(&one, hash).remove(0);
    assert_eq!((first.event, first.left, first.downloaded), (Event::Started, Some(0), 0));
    assert_eq!(first.port, one.session.listen_address().port());
    let source = AddSource::Metainfo(Box::new((*shared.metainfo).clone()));
    let options = AddOptions { trackers: vec![vec![url.clone()]], ..AddOptions::default() };
    two.session.add(source, options).await.unwrap();
    let status = two.done(hash).await;
    assert!(std::fs::read(&status.path).unwrap() == bytes(1_000_000, 51));
    let words = async || book.said(&two, hash).iter().map(|said| said.event).collect::<Vec<_>>();
    until("completed is told", async || words().await == [Event::Started, Event::Completed]).await;
    let said = book.said(&two, hash);
    assert_eq!((said[0].left, said[0].downloaded), (Some(1_000_000), 0));
    assert_eq!((said[1].left, said[1].downloaded), (Some(0), 1_000_000));
    // A hybrid torrent is announced under its other name too.
    let v2 = shared.metainfo.info.hashes().get_v2().unwrap().truncated();
    assert_eq!(book.said(&two, v2).len(), 2);
    let trackers = two.session.trackers(hash).await.unwrap();
    assert_eq!((trackers.len(), trackers[0].url.as_str(), trackers[0].tier), (1, url.as_str(), 0));
    assert_eq!((&trackers[0].state, trackers[0].leechers), (&TrackerState::Works, Some(7)));
    assert!(trackers[0].next_in.is_some_and(|next| next <= Duration::from_secs(20)));
    if url.starts_with("http") {
        assert_eq!(trackers[0].warning.as_deref(), Some("mind\\nthe gap"));
        let echoed = book.0.lock().unwrap().iter().any(|(.., id)| id.as_deref() == Some(b"t 1"));
        assert!(echoed, "the tracker id goes back");
    }
    two.session.pause(hash).await.unwrap();
    until("paused is gone", async || words().await.ends_with(&[Event::Stopped])).await;
    two.session.resume(hash).await.unwrap();
    until("resumed is back", async || words().await.ends_with(&[Event::Started])).await;
    two.session.stop().await;
    one.session.cancel(hash, false).await.unwrap();
    // Its last `started` may still be under way when the session ends; that costs the farewell nothing.
    until("told as the session ends", async || words().await.ends_with(&[Event::Stopped])).await;
    let last = async || book.said(&one, hash).last().map(|said| said.event);
    until("cancelled is gone", async || last().await == Some(Event::Stopped)).await;
    assert!(book.said(&one, hash).iter().all(|said| said.event != Event::Completed), "it began complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_found_through_http_alone() {
    let book = Book::default();
    through(http_tracker(book.clone()).await, book).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_found_through_udp_alone() {
    let book = Book::default();
    through(udp_tracker(book.clone(), "127.0.0.1").await, book).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn udp_over_ipv6_has_longer_addresses() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        println!("this machine has no IPv6");
        return;
    }
    let book = Book::default();
    let url = udp_tracker(book.clone(), "::1").await;
    let hash = InfoHash([9; 20]);
    let first = once(&url, hash, Event::Started).await.unwrap();
    assert_eq!(first.reply.peers, []);
    let somebody = Announce { peer_id: shared::PeerId([1; 20]), ..book.0.lock().unwrap()[0].0.clone() };
    book.take(somebody, "[fd00::9]:1".parse().unwrap(), None);
    let second = once(&url, hash, Event::Started).await.unwrap();
    assert_eq!(second.reply.peers, ["[fd00::9]:6881".parse().unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_one_sentence_and_the_next_tier_is_asked() {
    let book = Book::default();
    let good = http_tracker(book.clone()).await;
    let refusing = serve_http(|_, _| {
        Failure { reason: "not\u{1b}[31m here".to_owned(), retry: Some(Retry::Never) }.encode()
    })
    .await;
    let page = serve_http(|_, _| b"<html>".to_vec()).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let bad = [
        refusing.clone(),
        page.clone(),
        format!("http://{gone}/announce"),
        format!("udp://{gone}"),
        "wss://x/announce".to_owned(),
        format!("http://{gone}/admin?delete=all"),
    ];
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(100_000, 52)).unwrap();
    let shared = one.share("a.bin").await;
    one.session.add_trackers(shared.id, vec![bad.to_vec(), vec![good.clone()]]).await.unwrap();
    until("the last one is asked", async || !book.said(&one, shared.id).is_empty()).await;
    let trackers = one.session.trackers(shared.id).await.unwrap();
    assert_eq!((trackers.len(), &trackers[6].url, trackers[6].tier), (7, &good, 1));
    let of = |url: &str| trackers.iter().find(|tracker| tracker.url == url).unwrap().state.clone();
    let sentence = |state: TrackerState| match state {
        TrackerState::Failed(sentence) | TrackerState::GivenUp(sentence) => sentence,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&refusing), TrackerState::GivenUp("127.0.0.1 refuses: not\\u{1b}[31m here".to_owned()));
    assert!(sentence(of(&page)).starts_with("127.0.0.1 answers with something that is no tracker's answer"));
    assert!(sentence(of(&bad[2])).starts_with(&format!("{gone} cannot be reached: ")));
    assert!(sentence(of(&bad[3])).starts_with(&format!("{gone} cannot be reached over UDP: ")));
    let wss = "a tracker's address begins with http://, https:// or udp://".to_owned();
    assert_eq!(of(&bad[4]), TrackerState::GivenUp(wss));
    assert!(sentence(of(&bad[5])).contains("this machine itself"), "{:?}", of(&bad[5]));
    assert_eq!(one.session.status(shared.id).unwrap().error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trackers_are_remembered_after_a_restart() {
    let book = Book::default();
    let url = http_tracker(book.clone()).await;
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(100_000, 53)).unwrap();
    let shared = one.share("a.bin").await;
    one.session.add_trackers(shared.id, vec![vec![url.clone()], vec![url.clone()]]).await.unwrap();
    assert_eq!(one.session.metainfo(shared.id).unwrap().announce, [[url.clone()]]);
    until("it announces", async || !book.said(&one, shared.id).is_empty()).await;
    let one = one.restart().await;
    until("it announces again", async || {
        // A farewell may be cut short on a busy machine, so it is not asked for here.
        book.said(&one, shared.id).iter().filter(|said| said.event == Event::Started).count() > 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_announce_is_reported_and_taken_back() {
    let book = Book::default();
    for url in [http_tracker(book.clone()).await, udp_tracker(book.clone(), "127.0.0.1").await] {
        let hash = InfoHash([3; 20]);
        let report = once(&url, hash, Event::Started).await.unwrap();
        assert!(report.asked.starts_with(&url), "{}", report.asked);
        assert_eq!((report.reply.interval, report.reply.leechers), (20, 7));
        let told: Vec<Event> = book.0.lock().unwrap().drain(..).map(|(said, ..)| said.event).collect();
        assert_eq!(told, [Event::Started, Event::Stopped]);
    }
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}", nobody.local_addr().unwrap());
    let error = once(&url, InfoHash([3; 20]), Event::Started).await.unwrap_err();
    assert!(matches!(error, AnnounceError::Udp(_)), "{error}");
    assert!(error.to_string().contains("did not answer 4 datagrams"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_another_tracker_answers_a_private_torrent_drops_the_peers_of_the_former() {
    let (book, gone) = (Book::default(), Arc::new(AtomicBool::new(false)));
    let (taken, out) = (book.clone(), Arc::clone(&gone));
    let first = serve_http(move |target, from| {
        if out.load(Ordering::Relaxed) {
            return Failure { reason: "closed".to_owned(), retry: Some(Retry::Never) }.encode();
        }
        let query = AnnounceQuery::parse(target.split_once('?').unwrap().1.as_bytes()).unwrap();
        let reply = taken.take(query.announce, from, None);
        HttpReply { reply: &reply, ids: &[], form: PeersForm::Compact }.encode()
    })
    .await;
    let other = Book::default();
    let second = http_tracker(other.clone()).await;
    let one = Peer::start().await;
    let mut two = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(4_000_000, 54)).unwrap();
    let share = ShareOptions { private: true, ..ShareOptions::default() };
    let shared = one.session.share(&one.path("a.bin"), share, |_| {}).await.unwrap();
    let hash = shared.id;
    one.session.set_limits(Limits { up: Some(200_000), down: None });
    one.session.add_trackers(hash, vec![vec![first.clone()]]).await.unwrap();
    until("the seed announces", async || !book.said(&one, hash).is_empty()).await;
    let source = AddSource::Metainfo(Box::new((*shared.metainfo).clone()));
    let trackers = vec![vec![first], vec![second]];
    two.session.add(source, AddOptions { trackers, ..AddOptions::default() }).await.unwrap();
    let peers = async || two.session.status(hash).unwrap().peers;
    until("the source is found", async || peers().await == 1).await;
    assert!(other.said(&two, hash).is_empty(), "the first tracker answers: no other is asked");

    gone.store(true, Ordering::Relaxed);
    two.session.announce(hash).await.unwrap();
    until("the second tracker is asked", async || !other.said(&two, hash).is_empty()).await;
    until("the peer of the first is dropped", async || peers().await == 0).await;
    two.alert(|alert| matches!(alert, Alert::TrackerChanged { id } if *id == hash)).await;

    // The second one names the source too: the download goes on.
    one.session.set_limits(Limits::default());
    one.session
        .add_trackers(hash, vec![vec![two.session.trackers(hash).await.unwrap()[1].url.clone()]])
        .await
        .unwrap();
    one.session.announce(hash).await.unwrap();
    until("the seed is known there", async || !other.said(&one, hash).is_empty()).await;
    two.session.announce(hash).await.unwrap();
    two.done(hash).await;
}
