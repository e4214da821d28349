//! Listening in on a transfer between two sessions: what a person sees of the wire.

use std::time::Duration;

use engine::{TraceDirection, TraceFilter, TraceLine};
use tokio::sync::mpsc;

use crate::lab::{Peer, bytes};

/// The texts of one direction until one of them begins with `last`.
async fn until(lines: &mut mpsc::Receiver<TraceLine>, direction: TraceDirection, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let collect = async {
        while let Some(line) = lines.recv().await {
            if line.direction == direction {
                texts.push(line.text);
                if texts.last().is_some_and(|text| text.starts_with(last)) {
                    return;
                }
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), collect).await;
    assert!(found.is_ok(), "no {last} in {texts:#?}");
    texts
}

fn has(texts: &[String], beginning: &str) -> bool {
    texts.iter().any(|text| text.starts_with(beginning))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_of_a_transfer_are_told_message_by_message() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(100_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let filter = TraceFilter { peer_id: Some(one.session.peer_id()), ..TraceFilter::default() };
    let mut here = two.session.trace(filter);
    let mut there = one.session.trace(TraceFilter::default());
    let stranger = TraceFilter { peer_id: Some(shared::PeerId([9; 20])), ..TraceFilter::default() };
    let mut nothing = two.session.trace(stranger);
    two.get(&shared, &[&one]).await;
    two.done(shared.id).await;
    let first = here.recv().await.unwrap();
    assert_eq!((first.direction, first.address), (TraceDirection::Out, one.session.listen_address()));
    assert_eq!((first.torrent, first.peer_id), (shared.id, one.session.peer_id()));
    assert!(first.text.starts_with(&format!("handshake for {}", shared.id)), "{}", first.text);
    let came = until(&mut here, TraceDirection::In, "piece 0 at 98304, 1696 bytes").await;
    for beginning in ["handshake for", "have all", "unchoke"] {
        assert!(has(&came, beginning), "no {beginning} in {came:#?}");
    }
    let asked = until(&mut there, TraceDirection::In, "request 0 at 98304, 1696 bytes").await;
    assert!(has(&asked, "handshake for") && has(&asked, "interested"), "{asked:#?}");
    assert!(nothing.try_recv().is_err());
}
