//! A file that changes while it is shared (BEP 54): what is lost is told, and never given.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use crate::lab::{Peer, bytes, wait_until};
use engine::{Alert, State};

const LENGTH: usize = 3_000_000;

/// Writes the file with another time than before, whatever the file system's clock says.
fn write(path: &Path, content: &[u8], seconds: u64) {
    std::fs::write(path, content).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bep_54_a_piece_of_a_changed_file_comes_from_somebody_else_and_is_offered_again_when_put_right() {
    let (mut one, other) = (Peer::start().await, Peer::start().await);
    let content = bytes(LENGTH, 1);
    for peer in [&one, &other] {
        std::fs::write(peer.path("a.bin"), &content).unwrap();
    }
    let (shared, _) = (one.share("a.bin").await, other.share("a.bin").await);
    let mut changed = content.clone();
    changed[2_000_000] ^= 1;
    write(&one.path("a.bin"), &changed, 5);

    let two = Peer::start().await;
    two.get(&shared, &[&one]).await;
    one.alert(|alert| matches!(alert, Alert::ShareChanged { piece: 15, .. })).await;
    let pieces = two.session.status(shared.id).unwrap().pieces;
    let verified = |peer: &Peer| peer.session.status(shared.id).unwrap().pieces_verified;
    wait_until(|| verified(&two) == pieces - 1 && verified(&one) == pieces - 1).await;
    let status = one.session.status(shared.id).unwrap();
    assert!(status.verified_bytes < status.size && status.state == State::Seeding);
    assert!(std::fs::read(one.path("a.bin")).unwrap() == changed, "the person's file is not written over");
    // It knows that this one has no such piece, and asks it no more.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while two.session.peers(shared.id).await.unwrap()[0].pieces != pieces - 1 {
        assert!(std::time::Instant::now() < deadline, "it was never told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    two.meet(shared.id, &[&other]).await;
    assert!(std::fs::read(two.done(shared.id).await.path).unwrap() == content);
    assert!(verified(&one) == pieces - 1);

    write(&one.path("a.bin"), &content, 6);
    wait_until(|| verified(&one) == pieces).await;
    let three = Peer::start().await;
    three.get(&shared, &[&one]).await;
    assert!(std::fs::read(three.done(shared.id).await.path).unwrap() == content);
}
