//! Sessions that find each other through the DHT alone, on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use engine::{AddOptions, AddSource, DhtMode, Session, SessionConfig, ShareOptions};
use runtime::Shutdown;
use runtime::dht::{Dht, DhtConfig, Scope};

use crate::lab::{self, Peer, bytes, wait_until};

async fn peer(bootstrap: &[SocketAddr]) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    let config =
        SessionConfig { dht: DhtMode::Lan, dht_bootstrap: bootstrap.to_vec(), ..lab::config(dir.path()) };
    let (session, alerts) = Session::start(config).await.unwrap();
    Peer { dir, session, alerts }
}

fn node_of(peer: &Peer) -> SocketAddr {
    ([127, 0, 0, 1], peer.session.dht_port().unwrap()).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_found_through_a_node_that_both_know() {
    let config = DhtConfig { listen: ([127, 0, 0, 1], 0).into(), scope: Scope::Lan, bootstrap: Vec::new() };
    let (node, _none) = Dht::start(config, Shutdown::new()).unwrap();
    let one = peer(&[node.local_addr()]).await;
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 61)).unwrap();
    let shared = one.share("a.bin").await;
    let two = peer(&[node.local_addr()]).await;
    two.get(&shared, &[]).await;
    let status = two.done(shared.id).await;
    assert!(std::fs::read(status.path).unwrap() == bytes(1_000_000, 61));
    // Whoever answered is known after a restart, with nobody to tell of it.
    two.session.stop().await;
    let (path, known) = (two.path(".enjambre/dht_nodes"), node.local_addr().to_string());
    wait_until(|| std::fs::read_to_string(&path).is_ok_and(|kept| kept.contains(&known))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connected_peers_tell_each_other_of_their_nodes() {
    let (one, two, three) = (peer(&[]).await, peer(&[]).await, peer(&[]).await);
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 62)).unwrap();
    std::fs::write(one.path("b.bin"), bytes(500_000, 63)).unwrap();
    let (first, second) = (one.share("a.bin").await, one.share("b.bin").await);
    // Two meets one over the first file: their nodes know each other then (the `port` message).
    two.get(&first, &[&one]).await;
    two.done(first.id).await;
    two.get(&second, &[]).await;
    two.done(second.id).await;
    // Three is told of two only, by hand.
    three.session.add_dht_node(node_of(&two));
    three.get(&second, &[]).await;
    three.done(second.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_torrent_is_not_in_the_dht_and_its_peers_hear_of_none() {
    let (one, two) = (peer(&[]).await, peer(&[]).await);
    two.session.add_dht_node(node_of(&one));
    let mut made = Vec::new();
    for (name, private) in [("secret", true), ("open", false)] {
        std::fs::write(one.path(name), bytes(300_000, name.len() as u64)).unwrap();
        let options = ShareOptions { private, ..ShareOptions::default() };
        made.push(one.session.share(&one.path(name), options, |_| {}).await.unwrap());
    }
    for shared in &made {
        let source = AddSource::Metainfo(Box::new((*shared.metainfo).clone()));
        two.session.add(source, AddOptions::default()).await.unwrap();
    }
    two.done(made[1].id).await;
    let config = DhtConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        scope: Scope::Lan,
        bootstrap: vec![node_of(&one), node_of(&two)],
    };
    let (stranger, mut found) = Dht::start(config, Shutdown::new()).unwrap();
    stranger.seek(made[0].id, None);
    stranger.seek(made[1].id, None);
    let first = tokio::time::timeout(Duration::from_secs(60), found.recv()).await.unwrap().unwrap();
    assert_eq!(first.hash, made[1].id, "the open one is there");
    assert_eq!(two.session.status(made[0].id).unwrap().peers, 0, "nobody told of it");
}

#[tokio::test]
async fn no_node_unless_it_is_wanted() {
    let one = Peer::start().await;
    assert_eq!(one.session.dht_port(), None);
}
