//! A private torrent (BEP 27) leaves no packet of the DHT, of peer exchange or of local discovery on the
//! wire of anybody who takes part; the same exchange of a public one, by the same peers, leaves all three.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::hosts::Network;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Program, skip, until, within};

const LENGTH: u64 = 200_000;
const MOST: Duration = Duration::from_secs(60);
/// What a public torrent says of itself, it says within a second or two of its beginning.
const QUIET: Duration = Duration::from_secs(5);

/// Datagrams of local discovery; datagrams of any other kind that are not those of uTP or DNS; and the
/// packets of TCP that open a stream of bytes between peers.
const CAUGHT: &str = "(udp and net 10.99.0.0/24) or (tcp port 6881 and greater 60)";

/// How many packets of each kind a capture shows from a mark on.
fn kinds(capture: &Program, from: usize) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for line in capture.lines().iter().skip(from) {
        // A datagram's head names its ports; the handshake of extensions names what is offered.
        let kind = [(".6771:", "LSD"), ("1:y1:", "DHT"), ("ut_pex", "PEX")];
        for (_, kind) in kind.iter().filter(|(sign, _)| line.contains(sign)) {
            *kinds.entry(*kind).or_default() += 1;
        }
    }
    kinds
}

#[test]
fn a_private_torrent_leaves_no_packet_of_dht_pex_or_lsd_and_a_public_one_does() {
    if !skip::unless_here("tcpdump", "tcpdump") {
        return;
    }
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::in_memory();
    let hosts = [network.host(), network.host(), network.host(), network.host()];
    // On a host of its own, so that what it says as a tracker is not in the captures.
    let tracker = lab.tracker_on(&hosts[0]);
    let names = ["ana", "bob", "eva"];
    let peers = hosts.iter().skip(1).zip(names).map(|(host, nick)| lab.peer_on(host, nick, &tracker));
    let mut peers: Vec<_> = peers.collect();
    let captures: Vec<Program> =
        hosts[1..].iter().map(|host| host.watch(&format!("src host {} and ({CAUGHT})", host.ip()))).collect();
    for peer in &mut peers {
        peer.start();
        peer.is_connected();
    }
    let mut dice = Dice::from_environment("private");
    for (name, options) in [("secret.bin", "--private"), ("open.bin", "")] {
        let source = make_file(lab.folder("source").join(name), LENGTH, &mut dice);
        let marks: Vec<usize> = captures.iter().map(Program::mark).collect();
        let seen =
            || captures.iter().zip(&marks).map(|(capture, mark)| kinds(capture, *mark)).collect::<Vec<_>>();
        peers[0].share_with(&source, options);
        for taker in &mut peers[1..] {
            let told = taker.download(name);
            taker.is_done(name, told, MOST);
            assert_same_file(&source, &taker.downloads().join(name));
        }
        if options.is_empty() {
            let all = until("every peer to have sent packets of DHT, PEX and LSD", MOST, || {
                let seen = seen();
                seen.iter().all(|kinds| kinds.len() == 3).then_some(seen)
            });
            println!("{name}: sent by {names:?}: {all:?}");
        } else {
            let some =
                within(QUIET, || Some(seen()).filter(|seen| seen.iter().any(|kinds| !kinds.is_empty())));
            assert_eq!(some, None, "sent by {names:?}");
            let from_start = captures.iter().map(|capture| kinds(capture, 0)).collect::<Vec<_>>();
            assert!(from_start.iter().all(BTreeMap::is_empty), "before the torrent: {from_start:?}");
            println!("{name}: sent by {names:?}: {:?}", seen());
        }
    }
    for capture in captures {
        drop(capture);
    }
}
