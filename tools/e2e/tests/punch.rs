//! Peers behind routers that translate addresses: a third peer brings two of them together over uTP
//! (BEP 29, BEP 55); where UDP is blocked the tracker asks who can only reach outwards to dial; and when
//! nothing is possible, that is said.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::hosts::{Host, Network};
use e2e::torrent::Torrent;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer, skip, until};
use serde_json::Value;
use shared::magnet::Magnet;
use shared::metainfo::{Metainfo, Version};

const LENGTH: u64 = 3_000_000;
const MOST: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(30);

/// A network with one host that all can reach, and two behind routers of their own.
struct Scene {
    lab: Lab,
    middle: Host,
    /// Router and host.
    one: (Host, Host),
    other: (Host, Host),
    _network: Network,
}

impl Scene {
    fn new() -> Option<Self> {
        if !skip::unless_here("nft", "nftables") {
            return None;
        }
        let (mut network, lab) = (Network::new()?, Lab::in_memory());
        let rules = lab.folder("routers");
        let (middle, one, other) =
            (network.host(), network.host_behind_nat(&rules), network.host_behind_nat(&rules));
        Some(Self { lab, middle, one, other, _network: network })
    }

    fn source(&self, name: &str) -> PathBuf {
        make_file(self.lab.folder("source").join(name), LENGTH, &mut Dice::from_environment(name))
    }

    /// No datagram passes a router.
    fn without_udp(&self, router: &Host) {
        let rules = "table ip no_udp {\n chain passing {\n  type filter hook forward priority filter - 1;\n  \
                     meta l4proto udp drop\n }\n}\n";
        router.rules(rules, &self.lab.folder("routers"));
    }
}

/// Only what this test is about.
fn quiet(peer: Peer) -> Peer {
    peer.with_flag("--no-lsd").with("--dht", "off")
}

fn get(peer: &mut Peer, what: &str) -> usize {
    peer.says(&format!("get \"{what}\""))
}

#[test]
fn two_behind_separate_nats_meet_over_utp_through_a_third_that_both_can_reach() {
    let Some(scene) = Scene::new() else { return };
    let name = "through-two-nats.bin";
    let source = scene.source(name);
    let torrent = Torrent { version: Version::Hybrid, trackers: Vec::new(), private: false };
    let torrent = torrent.write(&source, &scene.lab.folder("torrents"));
    let bytes = std::fs::read(&torrent).expect("the torrent");
    let hashes = Metainfo::parse(&bytes).expect("a torrent").info.hashes();
    let with_utp = |host: &Host, nick: &str| quiet(scene.lab.peer_alone_on(host, nick)).with_flag("--utp");
    // She knows both and gives next to nothing herself.
    let mut rosa = with_utp(&scene.middle, "rosa").with("--limit-up", "30KB").started();
    // Told of nobody, so that she dials bob for one reason only.
    let mut ana = with_utp(&scene.one.1, "ana").with_flag("--no-pex").started();
    let mut bob = with_utp(&scene.other.1, "bob").with("--limit-down", "600KB").started();
    let magnet = Magnet { hashes, name: None, trackers: Vec::new(), peers: vec![rosa.listen()] }.to_string();

    let traced = rosa.says("trace");
    get(&mut rosa, &torrent.display().to_string());
    std::fs::create_dir_all(ana.downloads()).expect("a folder");
    std::fs::copy(&source, ana.downloads().join(name)).expect("a copy");
    let told = get(&mut ana, &torrent.display().to_string());
    ana.is_done(name, told, MOST);
    get(&mut ana, &magnet);
    let begun = Instant::now();
    let told = get(&mut bob, &magnet);
    let home_of_ana = format!("{}:6881", scene.one.0.ip());
    let direct = until("bob to be connected to ana", MOST, || {
        let used = |peer: &Value| peer["downloaded"].as_u64() > Some(0);
        let with_ana = |peer: &Value| peer["address"] == home_of_ana.as_str() && used(peer);
        bob.connections(name).into_iter().find(with_ana)
    });
    assert_eq!(direct["utp"], true, "{direct}");
    let met = begun.elapsed().as_secs_f64();
    // Each of the three messages waits behind a block that is on its way already.
    let mut line = |words: &[&str]| rosa.program().line_with(traced, words, SOON);
    let home_of_bob = format!("connect to {}:6881", scene.other.0.ip());
    let said = [
        line(&["<-", &format!("ut_holepunch: rendezvous with {home_of_ana}")]),
        line(&["->", &format!("ut_holepunch: {home_of_bob}")]),
        line(&["->", &format!("ut_holepunch: connect to {home_of_ana}")]),
    ];
    bob.is_done(name, told, MOST);
    assert_same_file(&source, &bob.downloads().join(name));
    println!(
        "two NATs: bytes came directly by uTP after {met:.1} s, whole after {:.1} s; in the middle:",
        begun.elapsed().as_secs_f64()
    );
    for line in said {
        println!("  {line}");
    }
}

#[test]
fn where_udp_is_blocked_the_tracker_asks_the_one_who_can_reach_outwards_to_dial() {
    let Some(scene) = Scene::new() else { return };
    scene.without_udp(&scene.one.0);
    let tracker = scene.lab.tracker_on(&scene.middle);
    let mut ana = quiet(scene.lab.peer_on(&scene.one.1, "ana", &tracker)).with_flag("--utp").started();
    let mut bob = quiet(scene.lab.peer_on(&scene.middle, "bob", &tracker)).with_flag("--utp");
    let name = "dialled-back.bin";
    let source = scene.source(name);
    ana.share(&source);
    bob = bob.with("--limit-down", "600KB").started();
    bob.is_connected();
    let begun = Instant::now();
    let told = bob.download(name);
    let came = until("ana to dial bob", MOST, || {
        let dialled =
            |peer: &Value| peer["outgoing"] == true && peer["address"] == bob.listen().to_string().as_str();
        ana.connections(name).into_iter().find(dialled)
    });
    assert_eq!((&came["source"], &came["utp"]), (&Value::from("asked"), &Value::from(false)), "{came}");
    let met = begun.elapsed().as_secs_f64();
    bob.is_done(name, told, MOST);
    assert_same_file(&source, &bob.downloads().join(name));
    println!(
        "UDP blocked: ana dialled back after {met:.1} s, whole after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn where_neither_can_reach_the_other_that_is_said() {
    let Some(scene) = Scene::new() else { return };
    scene.without_udp(&scene.one.0);
    scene.without_udp(&scene.other.0);
    let tracker = scene.lab.tracker_on(&scene.middle);
    let mut ana = quiet(scene.lab.peer_on(&scene.one.1, "ana", &tracker)).with_flag("--utp").started();
    let mut bob = quiet(scene.lab.peer_on(&scene.other.1, "bob", &tracker)).with_flag("--utp").started();
    let name = "out-of-reach.bin";
    let source = scene.source(name);
    ana.share(&source);
    bob.is_connected();
    let begun = Instant::now();
    let told = bob.download(name);
    let line = bob.program().line_with(told, &["No way leads to ana"], MOST);
    let advice = bob.program().line_with(told, &["try:", "6881"], SOON);
    assert!(line.contains(&format!("{}:6881", scene.one.0.ip())), "{line}");
    println!(
        "nothing possible, said after {:.1} s:\n  {line}\n  {}",
        begun.elapsed().as_secs_f64(),
        advice.trim()
    );
}
