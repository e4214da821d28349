//! What a page is shown, from what peers tell of their transfers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::room::{Room, SIZE, peer_id};
use shared::control::{EntryId, Flow, Have, Progress, ProgressEvent};

fn progress(entry: &EntryId, left: u64, flows: Vec<Flow>) -> Progress {
    Progress {
        entry: entry.clone(),
        have: if left == 0 { Have::Full } else { Have::Pieces(1) },
        left,
        downloaded: SIZE - left,
        uploaded: 0,
        event: None,
        pieces: (left > 0).then(|| vec![255, 128, 0]),
        flows,
    }
}

fn flow(other: u64, down: u64, up: u64) -> Flow {
    Flow { peer_id: peer_id(other), down, up }
}

#[test]
fn both_ends_of_a_flow_are_one_edge_and_strangers_are_nobody() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 9);
    let start = Progress { event: Some(ProgressEvent::Started), ..progress(&entry, SIZE, Vec::new()) };
    room.ask(2, start).unwrap();
    room.ask(2, progress(&entry, SIZE / 2, vec![flow(1, 1_000, 0), flow(77, 50, 0)])).unwrap();
    room.ask(
        1,
        Progress { downloaded: 0, uploaded: SIZE / 2, ..progress(&entry, 0, vec![flow(2, 0, 1_200)]) },
    )
    .unwrap();
    let scene = room.registry.scene(room.time());
    let edges: Vec<_> = scene.flows.iter().map(|flow| (flow.from, flow.to, flow.rate)).collect();
    assert_eq!(edges, [(1, 2, 1_200), (0, 2, 50)]);
    assert_eq!((scene.rate, scene.online, scene.entries), (1_250, 2, 1));
    let share = &scene.shares[0];
    assert_eq!(share.holders[0].cells, [255, 128, 0]);
    assert_eq!((share.holders[0].percent, share.holders[0].down), (50, 1_250));
    assert_eq!((share.holders[1].full, share.holders[1].up), (true, 1_200));
    assert_eq!((share.delivered, share.from_origin), (SIZE / 2, SIZE / 2));
    assert_eq!(room.registry.scene_share(&entry, room.time()).as_ref(), Some(share));

    // No word for a while: nothing moves, and nothing of it was an event.
    room.wait(std::time::Duration::from_secs(30));
    assert_eq!(room.registry.scene(room.time()).rate, 0);
    room.gone(2, shared::control::Departure::Left);
    let scene = room.registry.scene(room.time());
    assert_eq!((scene.online, scene.shares[0].holders.len()), (1, 1));
}

#[test]
fn a_scene_is_bounded() {
    let mut room = Room::new();
    for number in 0..400_u64 {
        room.join(number, &format!("peer{number}"));
    }
    for number in 0..200_u8 {
        room.share(1, &format!("file {number}"), number);
    }
    for number in 0..100_u64 {
        room.share(number, "file 199", 199);
    }
    let scene = room.registry.scene(room.time());
    assert_eq!((scene.online, scene.entries), (400, 200));
    assert_eq!((scene.peers.len(), scene.shares.len()), (300, 60));
    assert_eq!(scene.shares[0].entry.name, "file 199", "what was shared last comes first");
    assert_eq!((scene.shares[0].entry.sources, scene.shares[0].holders.len()), (100, 40));
}
