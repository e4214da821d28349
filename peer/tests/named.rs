//! Things that are named by themselves: links, hashes and .torrent files, with a tracker and without.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::{Person, Room};

fn film() -> Vec<u8> {
    (0_u32..200_000).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Somebody who shares a film; with the film's id, and where it can be had.
async fn sharer(room: &Room) -> (Person, engine::TorrentStatus, std::net::SocketAddr) {
    let mut ana = room.person("ana").await;
    let path = ana.file("film.bin", &film());
    ana.run(&format!("share {path}")).await.unwrap();
    let session = ana.app.context.session().unwrap();
    let (status, address) = (session.list().pop().unwrap(), session.listen_address());
    (ana, status, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_names_a_peer_needs_no_tracker() {
    let room = Room::new().await;
    let (_ana, status, address) = sharer(&room).await;
    let mut bob = room.hermit("bob").await;
    let hash = status.hashes.get_v1().unwrap();
    let link = format!("magnet:?xt=urn:btih:{hash}&dn=film&x.pe={address}");
    bob.run_until(&format!("get \"{link}\""), "film.bin  done").await;
    assert!(std::fs::read(bob.downloads().pop().unwrap()).unwrap() == film());
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_either_kind_is_found_through_the_tracker() {
    let room = Room::new().await;
    let (_ana, status, _) = sharer(&room).await;
    let hashes = [status.hashes.get_v1().unwrap().to_string(), status.hashes.get_v2().unwrap().to_string()];
    for (nick, hash) in ["bob", "eva"].into_iter().zip(hashes) {
        let mut person = room.person(nick).await;
        person.run_until(&format!("get {}", hash.to_uppercase()), "film.bin  done").await;
    }
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_file_is_enough_to_begin_and_says_what_it_is() {
    let room = Room::new().await;
    let (ana, status, address) = sharer(&room).await;
    let metainfo = ana.app.context.session().unwrap().metainfo(status.id).unwrap();
    let mut bob = room.hermit("bob").await;
    let path = bob.file("mi lista.torrent", &metainfo.to_bytes());
    let said = bob.run(&format!("get \"{path}\"")).await.unwrap();
    assert!(said.iter().any(|line| line.starts_with("Getting film.bin, 800 kB")), "{said:?}");
    bob.app.context.session().unwrap().dial(status.id, address).await.unwrap();
    bob.hear("film.bin  done").await;

    let path = bob.file("roto.torrent", b"d4:infod6:lengthi5e");
    let failure = bob.run(&format!("get {path}")).await.unwrap_err();
    assert_eq!((failure.exit.code(), failure.code), (8, "bad_torrent"));
    room.close().await;
}
