//! Peers of one machine find each other by local discovery alone; a private torrent is not spoken of.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use engine::{AddOptions, AddSource, Session, SessionConfig, ShareOptions};
use runtime::multicast::{GroupAddress, Multicast};
use shared::lsd::Datagram;
use shared::{InfoHash, InfoHashes};
use tokio::io::AsyncReadExt as _;

use crate::lab::{self, Peer, bytes};

/// A group on a port that nobody else has.
fn own_group() -> GroupAddress {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    GroupAddress { port: socket.local_addr().unwrap().port(), ..runtime::lan::GROUP }
}

async fn peer(group: GroupAddress) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    let config = SessionConfig { lsd: true, lsd_port: group.port, ..lab::config(dir.path()) };
    let (session, alerts) = Session::start(config).await.unwrap();
    Peer { dir, session, alerts }
}

/// The next datagram that a stranger in the group hears.
async fn overheard(member: &Multicast) -> Datagram {
    let mut buffer = [0; 2000];
    let (length, from) =
        tokio::time::timeout(Duration::from_secs(60), member.receive(&mut buffer)).await.unwrap().unwrap();
    assert!(from.ip().is_loopback(), "what listens on loopback stays there: {from}");
    Datagram::parse(&buffer[..length]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_found_by_local_discovery_alone() {
    let group = own_group();
    let (one, two) = (peer(group).await, peer(group).await);
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 41)).unwrap();
    let shared = one.share("a.bin").await;
    let source = AddSource::Metainfo(Box::new((*shared.metainfo).clone()));
    let added = two.session.add(source, AddOptions::default()).await.unwrap();
    let status = two.done(added.id).await;
    assert!(std::fs::read(status.path).unwrap() == bytes(1_000_000, 41));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_torrent_is_neither_spoken_of_nor_dialled() {
    let group = own_group();
    let stranger = Multicast::join(group, [127, 0, 0, 1].into()).unwrap();
    let (maker, one) = (Peer::start().await, peer(group).await);
    let mut hashes = Vec::new();
    for (name, private) in [("secret", true), ("open", false)] {
        std::fs::write(maker.path(name), bytes(100_000, name.len() as u64)).unwrap();
        let options = ShareOptions { private, ..ShareOptions::default() };
        let shared = maker.session.share(&maker.path(name), options, |_| {}).await.unwrap();
        one.get(&shared, &[]).await;
        hashes.push(shared.metainfo.info.hashes());
    }
    let mut seen = Vec::new();
    while !seen.contains(&hashes[1].primary()) {
        seen.extend(overheard(&stranger).await.hashes);
    }
    assert!(seen.iter().all(|hash| hashes[1].matches(hash)), "{seen:?}");
    // Told of a peer of both, it comes for the open one only.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = Datagram { port, hashes: hashes.iter().map(InfoHashes::primary).collect(), cookie: None };
    assert!(stranger.send(|group| said.encode(group)) > 0);
    let (mut stream, _) =
        tokio::time::timeout(Duration::from_secs(60), listener.accept()).await.unwrap().unwrap();
    let mut handshake = [0; 48];
    stream.read_exact(&mut handshake).await.unwrap();
    assert!(hashes[1].matches(&InfoHash(*handshake[28..].first_chunk().unwrap())), "{handshake:02x?}");
}
