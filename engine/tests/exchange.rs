//! Peers find each other through a third that both are connected to, over real sockets; never about a
//! private torrent.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use crate::lab::{self, Peer, bytes};
use engine::{PeerSource, Session, SessionConfig, ShareOptions, TraceDirection, TraceFilter};
use shared::InfoHash;

/// How the peers of `peer` were found, once there are as many as `wanted`.
async fn sources(peer: &Peer, id: InfoHash, wanted: usize) -> Vec<Option<PeerSource>> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = peer.session.peers(id).await.unwrap();
        if seen.len() >= wanted {
            return seen.iter().map(|peer| peer.source).collect();
        }
        assert!(Instant::now() < deadline, "{seen:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn peer(pex: bool, limit_up: Option<u64>) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    let config = SessionConfig { pex, limit_up, ..lab::config(dir.path()) };
    let (session, alerts) = Session::start(config).await.unwrap();
    Peer { dir, session, alerts }
}

/// `one` shares a file of so many bytes.
async fn share(one: &Peer, length: usize, private: bool) -> engine::Shared {
    std::fs::write(one.path("a.bin"), bytes(length, 51)).unwrap();
    let options = ShareOptions { private, ..ShareOptions::default() };
    one.session.share(&one.path("a.bin"), options, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_know_the_same_peer_meet() {
    // Slow enough that both still want something when they hear of each other: two seeds do not dial.
    let (one, two, three) = (peer(true, Some(300_000)).await, peer(true, None).await, peer(true, None).await);
    let shared = share(&one, 20_000_000, false).await;
    two.get(&shared, &[&one]).await;
    three.get(&shared, &[&one]).await;
    let (mut exchanged, told) = (0, Some(PeerSource::Tracker));
    for peer in [&two, &three] {
        let sources = sources(peer, shared.id, 2).await;
        assert!(sources.contains(&told), "{sources:?}");
        exchanged += sources.iter().filter(|source| **source == Some(PeerSource::Exchange)).count();
        assert!(!peer.session.status(shared.id).unwrap().private);
    }
    assert!(exchanged > 0, "at least one of them dialled the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchange_is_offered_unless_the_torrent_is_private_or_it_is_switched_off() {
    for (private, pex, offered) in [(false, true, true), (true, true, false), (false, false, false)] {
        let (one, two) = (peer(pex, None).await, peer(pex, None).await);
        let shared = share(&one, 300_000, private).await;
        let traces = [TraceDirection::Out, TraceDirection::In]
            .map(|direction| (direction, two.session.trace(TraceFilter::default())));
        two.get(&shared, &[&one]).await;
        two.done(shared.id).await;
        assert_eq!(two.session.status(shared.id).unwrap().private, private);
        for (direction, mut lines) in traces {
            let greeting = async {
                loop {
                    let line = lines.recv().await.unwrap();
                    if line.direction == direction && line.text.starts_with("extension handshake") {
                        return line.text;
                    }
                }
            };
            let text = tokio::time::timeout(Duration::from_secs(60), greeting).await.unwrap();
            assert_eq!(text.contains("ut_pex="), offered, "{text}");
        }
    }
}
