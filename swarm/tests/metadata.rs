//! The info dictionary from peers (BEP 9): found by its hash alone, whoever lies about it.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps, reason = "tests")]

use std::time::Duration;

use crate::lab::{Room, publish};
use bytes::Bytes;
use swarm::{Breach, CloseReason};
use wire::Message;
use wire::extended::HANDSHAKE_ID;
use wire::extended::handshake::ExtendedHandshake;
use wire::extended::ut_metadata::UtMetadata;

const LONG: Duration = Duration::from_secs(200);

fn fetched(room: &Room, peer: usize) -> bool {
    room.peers[peer].info == room.publication.content.raw_info
}

/// The message of the extension in `message`, if it is one.
fn metadata(message: &Message) -> Option<(u8, UtMetadata)> {
    match message {
        Message::Extended { id, payload } if *id != HANDSHAKE_ID => {
            UtMetadata::decode(payload).ok().map(|message| (*id, message))
        }
        _ => None,
    }
}

fn pieces_sent(room: &Room, peer: usize) -> usize {
    let is_data = |message: &&Message| matches!(metadata(message), Some((_, UtMetadata::Data { .. })));
    room.peers[peer].sent.iter().filter(is_data).count()
}

fn false_pieces(message: Message) -> Option<Message> {
    Some(match metadata(&message) {
        Some((id, UtMetadata::Data { piece, total_size, data })) => {
            let mut data = data.to_vec();
            data[3] ^= 1;
            let payload = UtMetadata::Data { piece, total_size, data: data.into() }.encode().into();
            Message::Extended { id, payload }
        }
        _ => message,
    })
}

fn silent_about_it(message: Message) -> Option<Message> {
    metadata(&message).is_none().then_some(message)
}

fn rejects(message: Message) -> Option<Message> {
    Some(match metadata(&message) {
        Some((id, UtMetadata::Data { piece, .. })) => {
            Message::Extended { id, payload: UtMetadata::Reject { piece }.encode().into() }
        }
        _ => message,
    })
}

fn says_half(message: Message) -> Option<Message> {
    Some(match message {
        Message::Extended { id: HANDSHAKE_ID, payload } => {
            let mut said = ExtendedHandshake::decode(&payload).unwrap();
            said.metadata_size = said.metadata_size.map(|size| size / 2);
            Message::Extended { id: HANDSHAKE_ID, payload: said.encode().into() }
        }
        message => match metadata(&message) {
            Some((id, UtMetadata::Data { piece, total_size, data })) => {
                let half = total_size / 2;
                let length = wire::extended::ut_metadata::metadata_piece_length(half, piece).unwrap_or(0);
                let data = data.slice(..length as usize);
                let payload = UtMetadata::Data { piece, total_size: half, data }.encode().into();
                Message::Extended { id, payload }
            }
            _ => message,
        },
    })
}

#[test]
fn a_newcomer_gets_the_dictionary_and_then_the_content() {
    for info_length in [0, 16_000, 16_384, 600_000] {
        let mut room = Room::new(publish(300_000, info_length));
        let (seed, newcomer) = (room.seed(), room.newcomer());
        room.meet(newcomer, seed);
        assert!(room.run(LONG, |room| room.is_complete(newcomer)), "{info_length}");
        assert!(fetched(&room, newcomer));
        assert!(room.peers[newcomer].disk == room.publication.line);
    }
}

#[test]
fn several_peers_are_asked_for_different_pieces() {
    let mut room = Room::new(publish(100_000, 600_000));
    let seeds = [room.seed(), room.seed(), room.seed()];
    let newcomer = room.newcomer();
    // All are there before the first answer.
    for seed in seeds {
        room.peers[seed].spoil = silent_about_it;
        room.meet(newcomer, seed);
    }
    for seed in seeds {
        room.peers[seed].spoil = Some;
    }
    assert!(room.run(LONG, |room| fetched(room, newcomer)));
    let pieces = room.publication.content.raw_info.as_ref().map_or(0, Bytes::len).div_ceil(16 * 1024);
    let sent: usize = seeds.iter().map(|seed| pieces_sent(&room, *seed)).sum();
    assert!(seeds.iter().all(|seed| pieces_sent(&room, *seed) > 5));
    assert!(sent < 2 * pieces, "{sent} of {pieces}");
}

#[test]
fn a_newcomer_that_has_just_learnt_it_teaches_the_next() {
    let mut room = Room::new(publish(100_000, 50_000));
    let (seed, first, second) = (room.seed(), room.newcomer(), room.newcomer());
    room.meet(second, first);
    room.meet(first, seed);
    assert!(room.run(LONG, |room| room.is_complete(second)), "by way of the first one");
    assert!(fetched(&room, second) && !room.is_connected(second, seed));
}

#[test]
fn who_gives_false_pieces_alone_is_dropped_and_another_one_asked() {
    let mut room = Room::new(publish(100_000, 100_000));
    let (liar, newcomer) = (room.seed(), room.newcomer());
    room.peers[liar].spoil = false_pieces;
    room.meet(newcomer, liar);
    assert!(!room.is_connected(newcomer, liar));
    assert_eq!(room.peers[newcomer].closed, [(liar, CloseReason::Breach(Breach::FalseMetadata))]);
    let honest = room.seed();
    room.meet(newcomer, honest);
    assert!(room.run(LONG, |room| fetched(room, newcomer)));
}

#[test]
fn among_several_the_one_who_lies_is_found_and_nobody_else_is_dropped() {
    for liar_at in 0..3 {
        let mut room = Room::new(publish(100_000, 200_000));
        let seeds = [room.seed(), room.seed(), room.seed()];
        let newcomer = room.newcomer();
        for (at, seed) in seeds.into_iter().enumerate() {
            room.peers[seed].spoil = silent_about_it;
            room.meet(newcomer, seed);
            room.peers[seed].spoil = if at == liar_at { false_pieces } else { Some };
        }
        assert!(room.run(LONG, |room| fetched(room, newcomer)), "{liar_at}");
        for (at, seed) in seeds.into_iter().enumerate() {
            assert_eq!(room.is_connected(newcomer, seed), at != liar_at, "{liar_at}: {at}");
        }
    }
}

#[test]
fn silence_and_refusal_send_us_to_somebody_else() {
    for spoil in [silent_about_it as fn(_) -> _, rejects] {
        let mut room = Room::new(publish(100_000, 100_000));
        let (useless, honest, newcomer) = (room.seed(), room.seed(), room.newcomer());
        room.peers[useless].spoil = spoil;
        room.meet(newcomer, useless);
        assert!(!fetched(&room, newcomer));
        room.meet(newcomer, honest);
        assert!(room.run(LONG, |room| fetched(room, newcomer)));
        assert!(room.is_connected(newcomer, useless), "who has nothing to give is no liar");
    }
}

#[test]
fn who_was_silent_is_asked_again_later() {
    let mut room = Room::new(publish(100_000, 100_000));
    let (seed, newcomer) = (room.seed(), room.newcomer());
    room.peers[seed].spoil = rejects;
    room.meet(newcomer, seed);
    assert!(!room.run(Duration::from_secs(20), |room| fetched(room, newcomer)));
    room.peers[seed].spoil = Some;
    assert!(room.run(LONG, |room| fetched(room, newcomer)));
}

#[test]
fn the_length_that_most_give_is_tried_and_a_false_one_leads_nowhere() {
    for honest in [1, 2] {
        let mut room = Room::new(publish(100_000, 100_000));
        let (liar, newcomer) = (room.seed(), room.newcomer());
        room.peers[liar].spoil = says_half;
        room.meet(newcomer, liar);
        for _ in 0..honest {
            let seed = room.seed();
            room.meet(newcomer, seed);
        }
        assert!(room.run(LONG, |room| fetched(room, newcomer)));
        assert!(!room.is_connected(newcomer, liar));
    }
}

#[test]
fn who_knows_nothing_refuses_and_nobody_gets_it_without_end() {
    let mut room = Room::new(publish(100_000, 30_000));
    let (ignorant, asking) = (room.newcomer(), room.leech());
    room.meet(ignorant, asking);
    let request = |piece| {
        let payload: Bytes = UtMetadata::Request { piece }.encode().into();
        Message::Extended { id: 1, payload }
    };
    let other = room.newcomer();
    room.peers[ignorant].sent.clear();
    // It fetched the dictionary by now; a piece beyond its end is refused.
    let peer = swarm::PeerKey(0);
    room.tell(ignorant, swarm::Input::Message { peer, message: request(9) });
    let refused = Some((1, UtMetadata::Reject { piece: 9 }));
    assert!(room.peers[ignorant].sent.iter().any(|message| metadata(message) == refused));
    for _ in 0..2_000 {
        room.tell(ignorant, swarm::Input::Message { peer, message: request(0) });
    }
    assert!(room.run(Duration::from_secs(30), |room| pieces_sent(room, ignorant) > 70));
    let most = pieces_sent(&room, ignorant);
    room.run(Duration::from_secs(5), |_| false);
    assert!(pieces_sent(&room, ignorant) <= most.max(4 * 2 + 64));
    // Who knows the names alone refuses too.
    let third = room.newcomer();
    room.meet(other, third);
    room.peers[other].sent.clear();
    room.tell(other, swarm::Input::Message { peer, message: request(0) });
    let refused = Some((1, UtMetadata::Reject { piece: 0 }));
    assert!(room.peers[other].sent.iter().any(|message| metadata(message) == refused));
}
