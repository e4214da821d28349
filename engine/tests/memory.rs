//! Whom an earlier run reached is tried again, with no tracker in sight; private torrents follow theirs.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine::{Alert, Limits, PeerSource, ShareOptions, Shared};

use crate::lab::{Peer, bytes, wait_until};

const LENGTH: usize = 6_000_000;

/// One shares slowly, the other has a part and knows where the rest is, also on its disk.
async fn half_way(private: bool) -> (Peer, Peer, Shared) {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(LENGTH, 71)).unwrap();
    let options = ShareOptions { private, ..ShareOptions::default() };
    let shared = one.session.share(&one.path("a.bin"), options, |_| {}).await.unwrap();
    one.session.set_limits(Limits { up: Some(1_000_000), down: None });
    two.get(&shared, &[&one]).await;
    let address = one.session.listen_address().to_string();
    wait_until(|| kept(&two).contains(&address)).await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.verified_bytes > 0)).await;
    (one, two, shared)
}

fn kept(peer: &Peer) -> String {
    std::fs::read_to_string(peer.path(".enjambre/known_peers")).unwrap_or_default()
}

async fn sources(peer: &Peer, shared: &Shared) -> Vec<Option<PeerSource>> {
    peer.session.peers(shared.id).await.unwrap().iter().map(|peer| peer.source).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_goes_on_with_the_peers_of_an_earlier_run() {
    let (one, two, shared) = half_way(false).await;
    let two = two.restart().await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.peers > 0)).await;
    assert_eq!(sources(&two, &shared).await, [Some(PeerSource::Remembered)]);
    one.session.set_limits(Limits::default());
    let status = two.done(shared.id).await;
    assert!(std::fs::read(&status.path).unwrap() == bytes(LENGTH, 71));
    wait_until(|| kept(&two).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_download_goes_on_with_those_whom_its_tracker_named_until_that_is_another() {
    let (one, two, shared) = half_way(true).await;
    let mut two = two.restart().await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.peers > 0)).await;
    assert_eq!(sources(&two, &shared).await, [Some(PeerSource::Tracker)]);

    one.session.pause(shared.id).await.unwrap();
    two.session.tracker_changed().await;
    two.alert(|alert| matches!(alert, Alert::TrackerChanged { id } if *id == shared.id)).await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.peers == 0)).await;
    wait_until(|| kept(&two).is_empty()).await;
    one.session.resume(shared.id).await.unwrap();
    let two = two.restart().await;
    assert_eq!(sources(&two, &shared).await, [], "nobody is left of the former tracker's");
    two.meet(shared.id, &[&one]).await;
    one.session.set_limits(Limits::default());
    two.done(shared.id).await;
}
