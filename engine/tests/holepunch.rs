//! A peer in the middle says whom to dial: it is dialled by uTP, over real sockets, and gives the file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use crate::lab::{Peer, bytes};
use ::bytes::{Bytes, BytesMut};
use engine::PeerSource;
use shared::{InfoHash, PeerId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wire::extended::handshake::ExtendedHandshake;
use wire::extended::ut_holepunch::{self, UtHolepunch};
use wire::{HANDSHAKE_LENGTH, Handshake, Message, Reserved, codec};

async fn send(stream: &mut TcpStream, id: u8, payload: Vec<u8>) {
    let mut bytes = Vec::new();
    codec::encode(&Message::Extended { id, payload: payload.into() }, &mut bytes);
    stream.write_all(&bytes).await.unwrap();
}

/// The number under which the far side takes hole punching.
async fn number(stream: &mut TcpStream) -> u8 {
    let mut held = BytesMut::new();
    loop {
        let mut buffer = Bytes::copy_from_slice(&held);
        while let Some(message) = codec::decode(&mut buffer).unwrap() {
            if let Message::Extended { id: 0, payload } = message {
                let said = ExtendedHandshake::decode(&payload).unwrap();
                return said.id_of(ut_holepunch::NAME).unwrap_or_else(|| panic!("not offered: {said}"));
            }
        }
        held = BytesMut::from(buffer.as_ref());
        assert!(stream.read_buf(&mut held).await.unwrap() > 0, "hung up");
    }
}

/// Takes one connection about `hash` and tells it to dial `address`; gives the connection back.
async fn middle(listener: TcpListener, hash: InfoHash, address: SocketAddr) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut theirs = [0; HANDSHAKE_LENGTH];
    stream.read_exact(&mut theirs).await.unwrap();
    let reserved = Reserved::default().with_extended();
    let ours = Handshake { reserved, hash, peer_id: PeerId(*b"-XX0001-inthemiddle-") };
    stream.write_all(&ours.encode()).await.unwrap();
    let mut said = ExtendedHandshake::default();
    said.m.insert(ut_holepunch::NAME.to_owned(), 9);
    send(&mut stream, 0, said.encode()).await;
    let id = number(&mut stream).await;
    send(&mut stream, id, UtHolepunch::Connect(address).encode()).await;
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_one_in_the_middle_names_is_dialled_by_utp() {
    let one = Peer::start_with(|config| config.utp = true).await;
    // The file takes a while, so that its giver can be seen at it.
    let two = Peer::start_with(|config| {
        config.utp = true;
        config.limit_down = Some(1_000_000);
    })
    .await;
    let content = bytes(4_000_000, 61);
    std::fs::write(one.path("a.bin"), &content).unwrap();
    let shared = one.share("a.bin").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap();
    two.get(&shared, &[]).await;
    two.session.add_peers(shared.id, vec![between]).await.unwrap();
    let hash = shared.metainfo.info.hashes().primary();
    let told = middle(listener, hash, one.session.listen_address());
    let _open = tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();
    let giver = async {
        loop {
            let peers = two.session.peers(shared.id).await.unwrap();
            if let Some(peer) = peers.into_iter().find(|peer| peer.address == one.session.listen_address()) {
                return peer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let giver = tokio::time::timeout(Duration::from_secs(60), giver).await.unwrap();
    assert!(giver.utp && giver.outgoing, "{giver:?}");
    assert_eq!((giver.peer_id, giver.source), (one.session.peer_id(), Some(PeerSource::Exchange)));
    let status = two.done(shared.id).await;
    assert!(std::fs::read(status.path).unwrap() == content);
}
