//! Message Stream Encryption between two sessions, in every mode.

use engine::{MseMode, TraceFilter};

use crate::lab::{Peer, bytes, wait_until};

async fn peer(mode: MseMode) -> Peer {
    Peer::start_with(|config| config.mse = mode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_arrives_whole_in_every_mode_and_the_carrier_is_as_agreed() {
    let ways = [
        (MseMode::Accept, MseMode::Accept, " over TCP;"),
        (MseMode::Off, MseMode::Accept, " over TCP;"),
        // Plain is tried first and closed upon.
        (MseMode::Require, MseMode::Accept, " over TCP with MSE;"),
        (MseMode::Accept, MseMode::Require, " over TCP with MSE;"),
        (MseMode::Require, MseMode::Require, " over TCP with MSE;"),
    ];
    for (seeding, getting, carrier) in ways {
        let (one, two) = (peer(seeding).await, peer(getting).await);
        let content = bytes(3_000_000, 5);
        std::fs::write(one.path("a.bin"), &content).unwrap();
        let shared = one.share("a.bin").await;
        let mut lines = two.session.trace(TraceFilter::default());
        two.get(&shared, &[&one]).await;
        let status = two.done(shared.id).await;
        assert!(std::fs::read(&status.path).unwrap() == content);
        let first = lines.recv().await.unwrap().text;
        assert!(first.contains(carrier), "{seeding:?} {getting:?}: {first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_none_and_who_demands_it_do_not_meet_and_a_third_helps() {
    let (one, two) = (peer(MseMode::Require).await, peer(MseMode::Off).await);
    std::fs::write(one.path("a.bin"), bytes(500_000, 5)).unwrap();
    let shared = one.share("a.bin").await;
    let between = peer(MseMode::Accept).await;
    between.get(&shared, &[&one]).await;
    between.done(shared.id).await;
    two.get(&shared, &[&one, &between]).await;
    let status = two.done(shared.id).await;
    wait_until(|| one.session.status(shared.id).is_some_and(|status| status.uploaded >= 500_000)).await;
    let from: Vec<_> = status.from.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(from, [between.session.peer_id()]);
}
