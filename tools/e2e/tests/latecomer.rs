//! Somebody else's client that cannot reach the one who has everything: it only announces and waits, as
//! behind the firewall of the other nobody gets in.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use e2e::control::hex;
use e2e::tree::make_file;
use e2e::web::get;
use e2e::{Dice, Lab, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn who_has_everything_dials_a_foreign_client_that_does_not_come() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("latecomer");
    let film = make_file(lab.folder("source").join("film.bin"), 300_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).started();
    ana.is_connected();
    ana.share(&film);
    let shares: Value = serde_json::from_slice(&get(tracker.http(), "/api/v1/shares").body).expect("JSON");
    let hash = shares["shares"][0]["info_hash_v1"].as_str().expect("a hash").to_owned();

    let leech = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = leech.local_addr().expect("an address").port();
    let escaped: String =
        hash.as_bytes().chunks(2).flat_map(|two| ['%', two[0].into(), two[1].into()]).collect();
    let announced = Instant::now();
    let answer = get(
        tracker.http(),
        &format!(
            "/announce?info_hash={escaped}&peer_id=-qB5030-abcdefghijkl&port={port}\
             &uploaded=0&downloaded=0&left=300000&compact=1&event=started"
        ),
    );
    assert_eq!(answer.status, 200, "{}", answer.head);

    leech.set_nonblocking(true).expect("an option");
    let (mut stream, _) = until("the seed to come", SOON, || leech.accept().ok());
    // Who can dial is given the time for it: two connections that cross would cost both one.
    assert!(announced.elapsed() >= Duration::from_secs(4), "{:?}", announced.elapsed());
    let begins = handshake(&mut stream, &hash);
    assert_eq!(begins, 5, "it tells what it has: a bitfield");
}

/// Answers in the clear, or as one who was spoken to in the clear; gives the kind of the first message.
fn handshake(stream: &mut TcpStream, hash: &str) -> u8 {
    stream.set_nonblocking(false).expect("an option");
    stream.set_read_timeout(Some(SOON)).expect("an option");
    let mut head = [0; 68];
    stream.read_exact(&mut head).expect("a handshake");
    let said = hex(&head[28..48]);
    assert_eq!((&head[..20], said.as_str()), (&b"\x13BitTorrent protocol"[..], hash));
    let mut answer = head;
    answer[20..28].fill(0);
    answer[48..].copy_from_slice(b"-qB5030-abcdefghijkl");
    stream.write_all(&answer).expect("a handshake back");
    let mut message = [0; 5];
    stream.read_exact(&mut message).expect("a message");
    message[4]
}
