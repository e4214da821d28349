//! Messages that cross on their way: what an honest peer sends must never look like an attack.
#![allow(clippy::unwrap_used, reason = "tests")]

use shared::{Bitfield, Moment, PeerId};
use std::time::Duration;
use swarm::{CloseReason, Input, Output, PeerKey, PeerSource, Torrent, TorrentConfig, TorrentStart};
use wire::{Message, Range};

use crate::lab;

const FAR: PeerKey = PeerKey(1);

fn downloader() -> (Torrent, lab::Publication) {
    let publication = lab::publish(4 * lab::PIECE as usize, 10);
    let start = TorrentStart {
        hashes: publication.content.hashes,
        content: Some(std::sync::Arc::clone(&publication.content)),
        have: Bitfield::empty(4),
        paused: false,
    };
    let config = TorrentConfig { peer_id: PeerId([1; 20]), ..TorrentConfig::default() };
    (Torrent::new(config, start, 1, Moment::START), publication)
}

fn connected(peer: PeerKey, outgoing: bool, fast: bool, port: u16) -> Input {
    Input::Connected {
        peer,
        peer_id: PeerId([5; 20]),
        address: ([10, 0, 0, 5], port).into(),
        outgoing,
        fast,
        extended: false,
        v2: false,
        dht: false,
        utp: false,
    }
}

fn outputs(torrent: &mut Torrent) -> Vec<Output> {
    std::iter::from_fn(|| torrent.poll_output()).collect()
}

fn requests(outputs: &[Output]) -> Vec<Range> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { message: Message::Request(range), .. } => Some(*range),
            _ => None,
        })
        .collect()
}

fn closes(outputs: &[Output]) -> Vec<CloseReason> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Close { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

fn says(torrent: &mut Torrent, message: Message, now: Moment) {
    torrent.handle_input(Input::Message { peer: FAR, message }, now);
}

#[test]
fn a_block_asked_for_taken_back_and_asked_for_again_may_come_twice() {
    let (mut torrent, publication) = downloader();
    let now = Moment::START;
    torrent.handle_input(connected(FAR, false, false, 1), now);
    says(&mut torrent, Message::Bitfield(bytes::Bytes::from_static(&[0xf0])), now);
    says(&mut torrent, Message::Unchoke, now);
    let first = requests(&outputs(&mut torrent));
    says(&mut torrent, Message::Choke, now);
    says(&mut torrent, Message::Unchoke, now);
    let second = requests(&outputs(&mut torrent));
    let twice: Vec<Range> = first.into_iter().filter(|range| second.contains(range)).collect();
    assert!(!twice.is_empty());
    // Both requests were on their way before the choke was: each has its own answer, in any order.
    for range in [twice.clone(), twice].concat() {
        let begin = (range.index * lab::PIECE + range.begin) as usize;
        let data = publication.line.slice(begin..begin + range.length as usize);
        torrent.handle_input(Input::Block { peer: FAR, range, data, leaf: None }, now);
        let told = outputs(&mut torrent);
        assert_eq!(closes(&told), [], "{range:?}");
        for output in told {
            if let Output::Write { block, .. } = output {
                torrent.handle_input(Input::Written { block }, now);
            }
        }
    }
    torrent.check_invariants();
}

#[test]
fn what_was_taken_back_and_asked_for_again_is_not_refused_by_the_rejection_of_the_first() {
    let (mut torrent, _) = downloader();
    let mut now = Moment::START;
    torrent.handle_input(connected(FAR, false, true, 1), now);
    says(&mut torrent, Message::HaveAll, now);
    says(&mut torrent, Message::Unchoke, now);
    let first = requests(&outputs(&mut torrent));
    // It is silent for so long that everything is taken back, and then there is nobody else to ask.
    let second = loop {
        now = now.max(torrent.next_timeout().unwrap());
        torrent.handle_input(Input::Timeout, now);
        says(&mut torrent, Message::KeepAlive, now);
        let told = outputs(&mut torrent);
        if told.iter().any(|told| matches!(told, Output::Send { message: Message::Cancel(_), .. })) {
            break requests(&told);
        }
    };
    assert!(second.iter().any(|range| first.contains(range)), "{second:?}");
    for range in first {
        says(&mut torrent, Message::Reject(range), now);
    }
    assert_eq!(requests(&outputs(&mut torrent)), [], "{second:?} are still open");
    torrent.check_invariants();
}

#[test]
fn blocks_that_nobody_asked_for_are_borne_for_a_while_only() {
    let (mut torrent, publication) = downloader();
    let now = Moment::START;
    torrent.handle_input(connected(FAR, false, true, 1), now);
    says(&mut torrent, Message::HaveAll, now);
    let range = Range { index: 0, begin: 0, length: 16384 };
    let data = publication.line.slice(..16384);
    let sent = (0..100).position(|_| {
        torrent.handle_input(Input::Block { peer: FAR, range, data: data.clone(), leaf: None }, now);
        !closes(&outputs(&mut torrent)).is_empty()
    });
    assert_eq!(sent, Some(64));
    assert_eq!(torrent.have().count(), 0);
}

#[test]
fn an_address_that_led_to_a_peer_we_had_already_is_dialled_when_that_one_is_lost() {
    let (mut torrent, _) = downloader();
    let mut now = Moment::START;
    let listens = ([10, 0, 0, 5], 6881).into();
    torrent.handle_input(Input::PeersFound { addresses: vec![listens], source: PeerSource::Tracker }, now);
    torrent.handle_input(connected(FAR, false, true, 40_000), now);
    assert!(outputs(&mut torrent).contains(&Output::Dial { address: listens }));
    // Of two connections that cross, the one stays that the greater id dialled: not ours.
    torrent.handle_input(connected(PeerKey(2), true, true, 6881), now);
    for peer in [FAR, PeerKey(2)] {
        torrent.handle_input(Input::Disconnected { peer }, now);
    }
    outputs(&mut torrent);
    let end = now + Duration::from_secs(2);
    let mut dialled = false;
    while let Some(next) = torrent.next_timeout().filter(|next| *next <= end && !dialled) {
        now = now.max(next);
        torrent.handle_input(Input::Timeout, now);
        dialled = outputs(&mut torrent).contains(&Output::Dial { address: listens });
    }
    assert!(dialled);
}
