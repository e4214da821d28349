//! Pieces that were had and are lost (BEP 54), on either side.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps, reason = "tests")]

use std::time::Duration;

use crate::lab::{self, Room, publish};
use shared::PieceIndex;
use swarm::{CloseReason, Input};
use wire::Message;

const LONG: Duration = Duration::from_secs(120);
const LOST: PieceIndex = PieceIndex::new(1);

fn lose(room: &mut Room, peer: usize, again: bool) {
    room.tell(peer, Input::PieceLost { piece: LOST, again });
}

fn has(room: &Room, peer: usize) -> u32 {
    room.peers[peer].brain.have().count()
}

fn requests_for_it(room: &Room, peer: usize) -> usize {
    let is_it = |message: &&Message| matches!(message, Message::Request(range) if range.index == LOST.get());
    room.peers[peer].sent.iter().filter(is_it).count()
}

#[test]
fn bep_54_what_a_seed_has_lost_is_not_asked_of_it_and_comes_from_somebody_else() {
    let mut room = Room::new(publish(600_000, 0));
    let pieces = room.publication.content.layout.pieces();
    let (seed, leech) = (room.seed(), room.leech());
    // It hears of it before it can ask for anything.
    room.peers[seed].spoil = |message| (message != Message::Unchoke).then_some(message);
    room.meet(leech, seed);
    lose(&mut room, seed, false);
    room.peers[seed].spoil = Some;
    room.run(Duration::from_secs(40), |_| false);
    assert_eq!((has(&room, leech), requests_for_it(&room, leech)), (0, 0), "the unchoke was lost");
    let (late, other) = (room.leech(), room.seed());
    room.meet(late, seed);
    assert!(room.run(LONG, |room| has(room, late) == pieces - 1));
    assert_eq!(requests_for_it(&room, late), 0);
    assert!(!room.is_complete(seed), "it does not claim what it lost, and does not fetch it either");
    room.meet(late, other);
    assert!(room.run(LONG, |room| room.is_complete(late)));
    assert!(room.peers[late].disk == room.publication.line);
}

#[test]
fn bep_54_what_is_lost_while_it_is_asked_for_is_asked_of_others_at_once() {
    // As much as is asked of a peer at first.
    let mut room = Room::new(publish(90_000, 0));
    let (first, second, leech) = (room.seed(), room.seed(), room.leech());
    room.peers[first].gives = false;
    room.meet(leech, first);
    assert_eq!(requests_for_it(&room, leech), 2, "both blocks");
    room.meet(leech, second);
    assert_eq!(has(&room, leech), 0, "everything is asked of the first one");
    lose(&mut room, first, false);
    assert_eq!((has(&room, leech), requests_for_it(&room, leech)), (1, 4));
    assert!(room.peers[leech].brain.have().get(LOST));
}

#[test]
fn bep_54_a_lost_piece_can_be_fetched_again() {
    let mut room = Room::new(publish(600_000, 0));
    let (seed, leech) = (room.seed(), room.leech());
    room.meet(leech, seed);
    assert!(room.run(LONG, |room| room.is_complete(leech)));
    let from = LOST.as_usize() * lab::PIECE as usize;
    room.peers[seed].disk[from..from + 100].fill(0);
    lose(&mut room, seed, true);
    assert!(room.run(LONG, |room| room.is_complete(seed)), "from the one that it gave it to");
    assert!(room.peers[seed].disk == room.publication.line);
    // A piece that was lost for good and is found again is given again.
    lose(&mut room, seed, false);
    assert!(!room.is_complete(seed));
    room.tell(seed, Input::PieceFound { piece: LOST });
    assert!(room.is_complete(seed));
    let late = room.leech();
    room.meet(late, seed);
    assert!(room.run(LONG, |room| room.is_complete(late)));
}

#[test]
fn bep_54_who_cannot_be_told_gets_a_new_connection() {
    let mut room = Room::new(publish(600_000, 0));
    let pieces = room.publication.content.layout.pieces();
    let (seed, old) = (room.seed(), room.leech());
    room.peers[seed].spoil = |message| (message != Message::Unchoke).then_some(message);
    room.meet_as(old, seed, false);
    lose(&mut room, seed, false);
    assert_eq!(room.peers[seed].closed, [(old, CloseReason::Anew)]);
    room.peers[seed].spoil = Some;
    room.meet_as(old, seed, false);
    assert!(room.run(LONG, |room| has(room, old) == pieces - 1));
    assert_eq!(requests_for_it(&room, old), 0);
}
