//! BitTorrent clients and browsers at a live tracker, beside peers of the control protocol.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use crate::lab::{Client, PATIENCE, hello, tracker_with};
use serde_json::{Value, json};
use shared::announce::{Announce, AnnounceReply, Event};
use shared::bencode::{Limits, decode};
use shared::merkle;
use shared::metainfo::{HashedFile, Metainfo, Recipe, Version};
use shared::path::SafePath;
use shared::{InfoHash, PeerId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tracker::{Tracker, TrackerConfig};
use wire::tracker::compact::Family;
use wire::tracker::http::{AnnounceQuery, HttpReply, PeersForm, ReplyError, Retry, ScrapeQuery, ScrapeReply};
use wire::tracker::udp::{Request, Response};

const SIZE: u64 = 600_000;
const PIECE: u32 = 262_144;

async fn doors(change: impl FnOnce(&mut TrackerConfig)) -> (Tracker, SocketAddr) {
    let tracker = tracker_with(|config| {
        config.http = "127.0.0.1:0".parse().ok();
        change(config);
    })
    .await;
    let http = tracker.http_addr().unwrap();
    (tracker, http)
}

/// A hybrid torrent of one file of zeros, with its piece layers.
fn torrent(name: &str) -> Metainfo {
    let blocks = SIZE.div_ceil(16_384);
    let leaf = |block: u64| {
        let length = (SIZE - block * 16_384).min(16_384);
        merkle::hash_block(&vec![0; usize::try_from(length).unwrap()])
    };
    let leaves: Vec<_> = (0..blocks).map(leaf).collect();
    let piece_roots = leaves.chunks(16).map(|piece| merkle::piece_root(piece, blocks, PIECE)).collect();
    let path = SafePath::name(name).unwrap();
    let files =
        vec![HashedFile { path: path.clone(), length: SIZE, piece_roots, piece_hashes_v1: vec![[7; 20]; 3] }];
    let recipe = Recipe {
        name: path,
        single_file: true,
        version: Version::Hybrid,
        piece_length: PIECE,
        private: false,
        files,
    };
    recipe.build().unwrap()
}

fn base64(bytes: &[u8]) -> Value {
    #[derive(serde::Serialize)]
    struct Line(#[serde(serialize_with = "write")] Vec<u8>);
    fn write<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
            for at in 0..4 {
                let six = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap();
                text.push(if at <= three.len() { char::from(LETTERS[six]) } else { '=' });
            }
        }
        to.serialize_str(&text)
    }
    serde_json::to_value(Line(bytes.to_vec())).unwrap()
}

fn share(metainfo: &Metainfo) -> Value {
    let info = &metainfo.info;
    json!({"type": "share", "name": info.name().to_string(), "size": SIZE, "files": 1, "piece_length": PIECE,
        "info_hash_v1": info.hashes().get_v1().unwrap().to_string(),
        "info_hash_v2": info.hashes().get_v2().unwrap().to_string(),
        "comment": "for the class", "info": base64(info.raw()), "layers": base64(&metainfo.layers_to_bytes())})
}

fn announce(hash: InfoHash) -> Announce {
    Announce {
        hash,
        peer_id: PeerId(*b"-qB5030-abcdefghijkl"),
        port: 51413,
        uploaded: 0,
        downloaded: 0,
        left: Some(0),
        event: Event::Started,
        wanted: 50,
        key: Some(7),
    }
}

/// One request as it is written; the status, the head in lower case, and the body.
async fn raw(address: SocketAddr, request: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has seen enough closes before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head, answer.get(end + 4..).unwrap_or_default().to_vec())
}

async fn get(address: SocketAddr, path: &str) -> (u16, String, Vec<u8>) {
    raw(address, &format!("GET {path} HTTP/1.1\r\nHost: aula.local:6969\r\nConnection: close\r\n\r\n")).await
}

async fn announce_http(address: SocketAddr, query: &AnnounceQuery) -> Result<AnnounceReply, ReplyError> {
    let (status, head, body) = get(address, &format!("/announce?{}", query.encode())).await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain"), "{head}");
    HttpReply::decode(&body)
}

async fn ask_udp(socket: &UdpSocket, request: &Request) -> Response {
    socket.send(&request.encode()).await.unwrap();
    let mut buffer = [0; 2_048];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    Response::decode(&buffer[..length], Family::of(socket.peer_addr().unwrap().ip())).unwrap()
}

#[tokio::test]
async fn d24_to_d30_sharing_is_all_seven_steps_of_publishing() {
    let (tracker, http) = doors(|_| {}).await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    let made = torrent("apuntes de redes.pdf");
    let shared = ana.ask(share(&made)).await;
    assert_eq!(shared["type"], "ok", "{shared}");

    // Step 3 and 5: the file is on a web server with its media type.
    let (status, head, file) = get(http, "/t/apuntes%20de%20redes.pdf.torrent").await;
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("content-type: application/x-bittorrent\r\n"), "{head}");
    assert!(head.contains("filename=\"apuntes de redes.pdf.torrent\""), "{head}");
    // Step 4: it is the metainfo of what ana has, with the tracker's address as the browser knows it.
    let read = Metainfo::parse(&file).unwrap();
    assert_eq!((read.info.hashes(), &read.piece_layers), (made.info.hashes(), &made.piece_layers));
    assert_eq!(read.comment.as_deref(), Some("for the class"));
    let urls = vec![
        vec!["http://aula.local:6969/announce".to_owned()],
        vec![format!("udp://aula.local:{}/announce", http.port())],
    ];
    assert_eq!(read.announce, urls);
    let dict = decode(&file, Limits::TORRENT).unwrap();
    assert_eq!(
        dict.get("announce").and_then(shared::bencode::Value::as_str),
        Some("http://aula.local:6969/announce"),
        "D39"
    );
    assert_eq!(dict.get("announce-list").and_then(|tiers| tiers.as_list()).map(<[_]>::len), Some(2), "D40");
    // Step 6: a page links to it.
    let (status, head, page) = get(http, "/list").await;
    let page = String::from_utf8(page).unwrap();
    assert!(status == 200 && head.contains("content-type: text/html"));
    assert!(page.contains("/t/apuntes%20de%20redes.pdf.torrent") && page.contains("magnet:?xt=urn:btih:"));
    assert!(page.contains("<svg") && page.contains("600.00 kB") || page.contains("600 kB"), "{page}");
    // Step 7: whoever opens it finds ana at once.
    let reply =
        announce_http(http, &AnnounceQuery::new(announce(made.info.hashes().primary()))).await.unwrap();
    assert_eq!(reply.peers, ["127.0.0.1:7001".parse().unwrap()]);
    // By its short id and by a browser that says no host it is the same file.
    let entry = shared["entry"].as_str().unwrap();
    let (status, _, by_id) = raw(http, &format!("GET /t/{entry}.torrent HTTP/1.0\r\n\r\n")).await;
    assert_eq!(status, 200);
    assert_eq!(Metainfo::parse(&by_id).unwrap().announce[0], [format!("http://{http}/announce")]);
    // A page of another name that was led here learns no names; who knows what there is gets it.
    let asked = async |name: &str, host: &str| {
        raw(http, &format!("GET /t/{name}.torrent HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await
            .0
    };
    for (name, host, status) in [
        ("apu", "aula.local:6969", 200),
        ("apu", "evil.example.com", 404),
        (entry, "evil.example.com", 200),
        ("apuntes%20de%20redes.pdf", "evil.example.com", 200),
    ] {
        assert_eq!(asked(name, host).await, status, "{name} by {host}");
    }
    tracker.stop().await;
}

#[tokio::test]
async fn d53_d56_d57_one_swarm_by_json_http_and_udp() {
    let (tracker, http) = doors(|_| {}).await;
    let mut ana = Client::connect(tracker.local_addr()).await;
    let welcome = ana.ask(hello("ana", 1)).await;
    let urls = [format!("http://{http}/announce"), format!("udp://{http}/announce")];
    assert_eq!(welcome["tracker"]["announce"], json!(urls));
    let entry = ana.share("linux.iso", 7).await;
    ana.ask(json!({"type": "sources", "entry": entry, "subscribe": true})).await;
    let hash = InfoHash([7; 20]);

    let reply = announce_http(http, &AnnounceQuery::new(announce(hash))).await.unwrap();
    assert_eq!((reply.seeds, reply.leechers, reply.interval, reply.min_interval), (2, 0, 120, Some(30)));
    assert_eq!(reply.external_ip, Some(http.ip()));
    assert!(reply.tracker_id.is_some(), "D74");
    let push = ana.push("source").await;
    assert_eq!((&push["change"], &push["peer"]["nick"]), (&json!("joined"), &json!("qBittorrent")));
    assert_eq!(push["peer"]["addresses"], json!(["127.0.0.1:51413"]));

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(http).await.unwrap();
    let Response::Connect { connection, transaction: 1 } =
        ask_udp(&socket, &Request::Connect { transaction: 1 }).await
    else {
        panic!("a connection id")
    };
    let leech = Announce {
        peer_id: PeerId(*b"-TR4060-abcdefghijkl"),
        port: 51500,
        left: Some(1_000_000),
        ..announce(hash)
    };
    let request = Request::Announce { connection, transaction: 2, announce: leech.clone(), ip: None };
    let Response::Announce { reply, .. } = ask_udp(&socket, &request).await else { panic!("an answer") };
    let mut peers = reply.peers;
    peers.sort();
    assert_eq!(peers, ["127.0.0.1:7001".parse().unwrap(), "127.0.0.1:51413".parse().unwrap()]);
    assert_eq!((reply.seeds, reply.leechers), (2, 1));
    assert_eq!(ana.push("source").await["peer"]["nick"], "Transmission");

    let who = ana.ask(json!({"type": "who"})).await;
    assert_eq!((&who["total"], &who["peers"][0]["agent"]), (&json!(3), &json!("Transmission 4.0.6")));
    assert_eq!((&who["peers"][0]["chat"], &who["peers"][1]["chat"]), (&json!(false), &Value::Null));
    let refused = ana.ask(json!({"type": "message", "to": "Transmission", "text": "hola"})).await;
    assert_eq!(refused["code"], "cannot_chat");

    // Dictionaries, with ids and without.
    let ask = |form| AnnounceQuery { form, ..AnnounceQuery::new(announce(hash)) };
    let (_, _, body) = get(http, &format!("/announce?{}", ask(PeersForm::Dictionaries).encode())).await;
    assert!(body.windows(20).any(|id| id == b"-TR4060-abcdefghijkl"), "D77");
    let (_, _, body) =
        get(http, &format!("/announce?{}", ask(PeersForm::DictionariesWithoutIds).encode())).await;
    assert!(!body.windows(7).any(|key| key == b"peer id"), "D66");

    // Scrapes by both doors.
    let query = ScrapeQuery { hashes: vec![hash, InfoHash([9; 20])] };
    let (_, _, body) = get(http, &format!("/scrape?{}", query.encode())).await;
    let files = ScrapeReply::decode(&body).unwrap().files;
    assert_eq!((files.len(), files[&hash].seeds, files[&hash].leechers), (1, 2, 1));
    let request = Request::Scrape { connection, transaction: 3, hashes: query.hashes };
    let Response::Scrape { files, .. } = ask_udp(&socket, &request).await else { panic!("an answer") };
    assert_eq!((files[0].seeds, files[0].leechers, files[1].seeds), (2, 1, 0));

    // The HTTP client leaves; the other one completes by UDP.
    let stop = Announce { event: Event::Stopped, ..announce(hash) };
    announce_http(http, &AnnounceQuery::new(stop)).await.unwrap();
    assert_eq!(ana.push("source").await["change"], "left");
    let done = Announce { event: Event::Completed, left: Some(0), downloaded: 1_000_000, ..leech };
    let request = Request::Announce { connection, transaction: 4, announce: done, ip: None };
    let Response::Announce { reply, .. } = ask_udp(&socket, &request).await else { panic!("an answer") };
    assert_eq!((reply.seeds, reply.leechers), (2, 0));
    assert_eq!(ana.push("source").await["change"], "completed");
    tracker.stop().await;
}

#[tokio::test]
async fn d70_a15_a17_refusals_are_sentences() {
    let (tracker, http) = doors(|config| config.registry.unknown = registry::Unknown::Refuse).await;
    let failure = |body: &[u8]| match HttpReply::decode(body) {
        Err(ReplyError::Failure(failure)) => (failure.reason, failure.retry),
        other => panic!("{other:?}"),
    };
    let unknown = AnnounceQuery::new(announce(InfoHash([5; 20]))).encode();
    for (path, reason) in [
        (format!("/announce?{unknown}"), "this torrent is not registered here"),
        ("/announce".to_owned(), "info_hash is missing"),
        (
            "/announce?info_hash=c12fe1c06bba254a9dc9f519b335aa7c1367a88a&peer_id=x".to_owned(),
            "info_hash must be 20 raw bytes percent-encoded, got hex",
        ),
        ("/scrape".to_owned(), "info_hash is missing"),
        ("/scrape?info_hash=%zz".to_owned(), "bad percent code in info_hash"),
    ] {
        let (status, _, body) = get(http, &path).await;
        assert_eq!((status, failure(&body)), (200, (reason.to_owned(), Some(Retry::Never))), "{path}");
    }
    tracker.stop().await;
}

#[tokio::test]
async fn a14_whatever_a_stranger_sends_the_door_answers_the_next_one() {
    let (tracker, http) = doors(|_| {}).await;
    let long = format!("/announce?x={}", "y".repeat(8_193));
    assert_eq!(get(http, &long).await.0, 414);
    let (status, head, _) =
        raw(http, &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(40_000))).await;
    assert!(matches!(status, 400 | 431 | 0), "{head}");
    let many = (0..200).map(|n| format!("X{n}: y\r\n")).collect::<Vec<_>>().concat();
    let (status, head, _) = raw(http, &format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert!(matches!(status, 400 | 431 | 0), "{head}");
    for (request, expected) in [
        ("POST /announce HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", 405),
        ("GET /t/nothing.torrent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        ("GET /t/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        ("GET /t/..%2F..%2Fetc%2Fpasswd.torrent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        ("GET /t/%ff.torrent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        ("GET /wp-admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        ("GET /list?page=99999999999999999999 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        ("GET /list HTTP/1.1\r\nHost: <script>\r\nConnection: close\r\n\r\n", 403),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        ("\u{13}BitTorrent protocol\r\n\r\n", 400),
        ("{\"type\":\"hello\"}\r\n\r\n", 400),
    ] {
        let (status, head, body) = raw(http, request).await;
        assert_eq!(status, expected, "{request}: {head}");
        assert!(!String::from_utf8_lossy(&body).contains("<script"), "{request}");
        if status != 400 {
            assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        }
    }
    // A connection that is closed at once, and one that says nothing, are nobody's loss.
    drop(TcpStream::connect(http).await.unwrap());
    let _silent = TcpStream::connect(http).await.unwrap();
    assert_eq!(get(http, "/").await.0, 200);
    tracker.stop().await;
}

#[tokio::test]
async fn layers_that_are_not_those_of_the_info_are_refused() {
    let (tracker, http) = doors(|_| {}).await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    let made = torrent("a.bin");
    let mut request = share(&made);
    request["layers"] = base64(b"x");
    assert_eq!(ana.ask(request).await["code"], "bad_field");
    let mut request = share(&made);
    let mut layers = made.layers_to_bytes();
    let last = layers.len() - 3;
    layers[last] ^= 1;
    request["layers"] = base64(&layers);
    assert_eq!(ana.ask(request).await["code"], "bad_field");
    // Without an info dictionary there is no file, and the page still has the magnet link.
    ana.share("other.iso", 9).await;
    assert_eq!(get(http, "/t/other.iso.torrent").await.0, 404);
    assert!(String::from_utf8(get(http, "/list").await.2).unwrap().contains("urn:btih:0909"));
    tracker.stop().await;
}

#[tokio::test]
async fn without_the_doors_nobody_is_told_of_any() {
    let tracker = tracker_with(|_| {}).await;
    assert_eq!(tracker.http_addr(), None);
    let mut ana = Client::connect(tracker.local_addr()).await;
    assert_eq!(ana.ask(hello("ana", 1)).await["tracker"]["announce"], json!([]));
    tracker.stop().await;
}
