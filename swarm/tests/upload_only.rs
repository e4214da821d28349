//! Who only gives says so (BEP 21), and two of them have nothing to say to each other.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::lab::{Room, publish};
use shared::PieceIndex;
use swarm::{CloseReason, Input};
use wire::Message;
use wire::extended::HANDSHAKE_ID;
use wire::extended::handshake::ExtendedHandshake;

/// What its extension handshakes said, one after the other.
fn said(room: &Room, peer: usize) -> Vec<bool> {
    let handshake = |message: &Message| match message {
        Message::Extended { id: HANDSHAKE_ID, payload } => {
            Some(ExtendedHandshake::decode(payload).unwrap().upload_only)
        }
        _ => None,
    };
    room.peers[peer].sent.iter().filter_map(handshake).collect()
}

#[test]
fn bep_21_it_is_told_when_it_begins_and_when_it_changes() {
    let mut room = Room::new(publish(300_000, 0));
    let (seed, leech) = (room.seed(), room.leech());
    room.meet(leech, seed);
    assert!(room.run(Duration::from_secs(60), |room| room.is_complete(leech)));
    assert_eq!((said(&room, seed), said(&room, leech)), (vec![true], vec![false, true]));
    room.tell(leech, Input::PieceLost { piece: PieceIndex::new(1), again: true });
    assert!(room.run(Duration::from_secs(60), |room| room.is_complete(leech)));
    assert_eq!(said(&room, leech), [false, true, false, true]);
}

#[test]
fn bep_21_two_partial_seeds_part_and_a_seed_keeps_who_still_wants_something() {
    let mut room = Room::new(publish(300_000, 0));
    let (one, other, leech) = (room.seed(), room.seed(), room.leech());
    // Each lacks a piece that it does not fetch again.
    for (peer, piece) in [(one, 1), (other, 2)] {
        room.tell(peer, Input::PieceLost { piece: PieceIndex::new(piece), again: false });
    }
    room.peers[one].gives = false;
    room.meet(one, other);
    room.meet(leech, one);
    assert!(!room.run(Duration::from_secs(59), |room| !room.is_connected(one, other)));
    assert!(room.run(Duration::from_secs(5), |room| !room.is_connected(one, other)));
    let closed = room.peers[one].closed.iter().chain(&room.peers[other].closed);
    assert!(closed.map(|(_, reason)| *reason).all(|reason| reason == CloseReason::BothComplete));
    assert!(room.is_connected(leech, one), "it wants everything");
}
