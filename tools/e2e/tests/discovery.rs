//! Each way by which peers find each other, alone: all the others are off or lead nowhere, and what the
//! peers say of their connection is that way. Trackers over HTTP and UDP alone are in `foreign_trackers.rs`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::foreign::libtorrent::{self, Wishes};
use e2e::hosts::{Host, Network};
use e2e::torrent::Torrent;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Foreign, Kind, Lab, Peer, until};
use serde_json::Value;
use shared::magnet::Magnet;
use shared::metainfo::Version;

const LENGTH: u64 = 1_500_000;
/// Slow enough that the connection can be looked at while it is used.
const SLOW: &str = "600KB";
/// Peers are told of others once a minute, so a meeting that just missed a telling comes with the next.
const MOST: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(30);

/// One file, its torrent without any tracker, and who has it.
struct Scene<'a> {
    lab: &'a Lab,
    way: &'static str,
    name: String,
    source: PathBuf,
    torrent: PathBuf,
}

impl<'a> Scene<'a> {
    fn new(lab: &'a Lab, way: &'static str, what: &str) -> Self {
        let name = format!("{what}-by-{way}.bin");
        let mut dice = Dice::from_environment(&name);
        let source = make_file(lab.folder(&format!("{name} source")).join(&name), LENGTH, &mut dice);
        let torrent = Torrent { version: Version::Hybrid, trackers: Vec::new(), private: false };
        let torrent = torrent.write(&source, &lab.folder("torrents"));
        Self { lab, way, name, source, torrent }
    }

    fn magnet(&self, peers: &[SocketAddr]) -> String {
        let bytes = std::fs::read(&self.torrent).expect("the torrent");
        let metainfo = shared::metainfo::Metainfo::parse(&bytes).expect("a torrent");
        let peers = peers.to_vec();
        let hashes = metainfo.info.hashes();
        Magnet { hashes, name: Some(self.name.clone()), trackers: Vec::new(), peers }.to_string()
    }

    /// Has a running peer take over the file, whole, as another program left it.
    fn is_at(&self, peer: &mut Peer) {
        std::fs::create_dir_all(peer.downloads()).expect("a folder");
        std::fs::copy(&self.source, peer.downloads().join(&self.name)).expect("a copy");
        let told = self.get(peer);
        peer.is_done(&self.name, told, MOST);
    }

    fn get(&self, peer: &mut Peer) -> usize {
        peer.says(&format!("get \"{}\"", self.torrent.display()))
    }

    /// The data folder of a foreign seeder.
    fn data(&self) -> &Path {
        self.source.parent().expect("a folder")
    }

    /// Waits until bytes flow, then until `taker` has all; gives the ways that both name for their
    /// connection with `other` (the far end may only say that it came by itself).
    fn arrives(&self, taker: &mut Peer, told: usize, giver: Option<&Peer>) -> BTreeSet<String> {
        let begun = Instant::now();
        let what = format!("{} to flow to {}", self.name, taker.nick());
        let mut ways = until(&what, MOST, || {
            let flowing = taker
                .connections(&self.name)
                .into_iter()
                .filter(|peer| peer["downloaded"].as_u64() > Some(0))
                .map(|peer| word(&peer["source"]))
                .collect::<BTreeSet<_>>();
            (!flowing.is_empty()).then_some(flowing)
        });
        if let Some(giver) = giver {
            let given = giver.connections(&self.name).into_iter();
            ways.extend(
                given.filter(|peer| peer["uploaded"].as_u64() > Some(0)).map(|peer| word(&peer["source"])),
            );
        }
        taker.is_done(&self.name, told, MOST);
        assert_same_file(&self.source, &taker.downloads().join(&self.name));
        println!(
            "{}: found and fetched after {:.1} s; ways named: {ways:?}",
            self.name,
            begun.elapsed().as_secs_f64()
        );
        ways
    }

    /// Of two of ours, one at least dialled by this way, and nobody by another.
    fn by_this_way_alone(&self, mut ways: BTreeSet<String>) {
        ways.remove("incoming");
        assert_eq!(ways, BTreeSet::from([self.way.to_owned()]));
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// No way at all is on.
fn silent(peer: Peer) -> Peer {
    peer.with_flag("--no-lsd").with("--dht", "off").with_flag("--no-pex").with("--limit-down", SLOW)
}

fn setting(name: &str, value: impl Into<Value>) -> serde_json::Map<String, Value> {
    std::iter::once((name.to_owned(), value.into())).collect()
}

fn libtorrent_on(scene: &Scene<'_>, host: &Host, data: &Path, wishes: &Wishes) -> Foreign {
    let listen = SocketAddr::from((host.ip(), 6881));
    libtorrent::start_at(scene.lab, listen, Some(&scene.torrent), data, wishes, Some(host.command("env")))
}

/// Ours to ours, libtorrent to ours, ours to libtorrent; `wishes` turn the same way on there.
fn all_three_ways(
    lab: &Lab,
    way: &'static str,
    ana: &mut Peer,
    bob: &mut Peer,
    third: &Host,
    wishes: &Wishes,
) {
    let scene = Scene::new(lab, way, "ours");
    scene.is_at(ana);
    let told = scene.get(bob);
    let ways = scene.arrives(bob, told, Some(ana));
    scene.by_this_way_alone(ways);

    if !Kind::Libtorrent.is_here() {
        return;
    }
    let scene = Scene::new(lab, way, "libtorrents");
    let seeder = libtorrent_on(&scene, third, scene.data(), wishes);
    let told = scene.get(bob);
    let ways = scene.arrives(bob, told, None);
    assert!(ways.iter().all(|named| named == way || named == "incoming"), "{ways:?}");
    drop(seeder);
    let scene = Scene::new(lab, way, "to-libtorrent");
    scene.is_at(ana);
    let begun = Instant::now();
    let mut taker = libtorrent_on(&scene, third, &lab.folder("libtorrent data"), wishes);
    taker.has_all_of(&scene.source, MOST);
    println!("{}: found and fetched after {:.1} s", scene.name, begun.elapsed().as_secs_f64());
}

#[test]
fn multicast_alone_finds_the_source_ours_and_libtorrents() {
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::in_memory();
    let by_lsd = |peer: Peer| peer.with("--dht", "off").with_flag("--no-pex").with("--limit-down", SLOW);
    let (one, other, third) = (network.host(), network.host(), network.host());
    let mut ana = by_lsd(lab.peer_alone_on(&one, "ana")).started();
    let mut bob = by_lsd(lab.peer_alone_on(&other, "bob")).started();

    let wishes = Wishes { settings: setting("enable_lsd", true), ..Wishes::default() };
    all_three_ways(&lab, "lsd", &mut ana, &mut bob, &third, &wishes);
}

#[test]
fn the_dht_alone_finds_the_source_ours_and_libtorrents() {
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::in_memory();
    let (middle, one, other, third) = (network.host(), network.host(), network.host(), network.host());
    // It serves as a node of the DHT and nothing else: nobody says hello to it.
    let tracker = lab.tracker_on(&middle);
    let node = tracker.address();
    let by_dht = |peer: Peer| {
        let peer = peer.with_flag("--no-lsd").with_flag("--no-pex").with("--limit-down", SLOW);
        peer.with("--dht", "lan").with("--dht-nodes", &node.to_string())
    };
    let mut ana = by_dht(lab.peer_alone_on(&one, "ana")).started();
    let mut bob = by_dht(lab.peer_alone_on(&other, "bob")).started();

    let wishes = Wishes { dht_nodes: vec![node], ..Wishes::default() };
    all_three_ways(&lab, "dht", &mut ana, &mut bob, &third, &wishes);
}

#[test]
fn a_peer_that_is_told_nothing_finds_its_tracker_on_the_local_network() {
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::in_memory();
    let (one, other) = (network.host(), network.host());
    let mut tracker = lab.tracker_on(&one);
    let mut ana = lab.peer_untold_on(&other, "ana").started();
    let line = ana.program().line_with(0, &["found on this network"], SOON);
    assert!(line.contains(&tracker.address().to_string()), "{line}");
    ana.is_connected();
    tracker.program().line_with(0, &["CONNECT", "ana"], SOON);
    println!("{line}");
}

#[test]
fn the_json_door_alone_finds_the_source() {
    let lab = Lab::in_memory();
    let mut tracker = lab.tracker_without_other_doors();
    let mut ana = silent(lab.peer("ana", &tracker)).started();
    let mut bob = silent(lab.peer("bob", &tracker)).started();
    let scene = Scene::new(&lab, "tracker", "json");
    ana.share(&scene.source);
    bob.is_connected();
    let told = bob.download(&scene.name);
    let ways = scene.arrives(&mut bob, told, Some(&ana));
    scene.by_this_way_alone(ways);
    tracker.program().line_with(0, &["no doors for other clients"], SOON);
}

#[test]
fn a_peer_in_the_link_alone_is_enough_ours_and_libtorrents() {
    let lab = Lab::in_memory();
    let mut ana = silent(lab.peer_alone("ana")).started();
    let mut bob = silent(lab.peer_alone("bob")).started();
    let scene = Scene::new(&lab, "remembered", "ours");
    scene.is_at(&mut ana);
    let told = bob.says(&format!("get \"{}\"", scene.magnet(&[ana.listen()])));
    let ways = scene.arrives(&mut bob, told, None);
    scene.by_this_way_alone(ways);

    if !Kind::Libtorrent.is_here() {
        return;
    }
    let scene = Scene::new(&lab, "remembered", "libtorrents");
    let mut seeder = libtorrent::start(&lab, Some(&scene.torrent), scene.data(), &Wishes::default());
    seeder.listens(SOON);
    let told = bob.says(&format!("get \"{}\"", scene.magnet(&[seeder.listen()])));
    let ways = scene.arrives(&mut bob, told, None);
    scene.by_this_way_alone(ways);
    drop(seeder);
    let scene = Scene::new(&lab, "remembered", "to-libtorrent");
    scene.is_at(&mut ana);
    let wishes = Wishes { magnet: Some(scene.magnet(&[ana.listen()])), ..Wishes::default() };
    let begun = Instant::now();
    let mut taker = libtorrent::start(&lab, None, &lab.folder("libtorrent data"), &wishes);
    taker.has_all_of(&scene.source, MOST);
    println!("{}: found and fetched after {:.1} s", scene.name, begun.elapsed().as_secs_f64());
}

/// Whoever gives and whoever takes know one in the middle, who gives hardly anything; it tells them of
/// each other.
#[test]
fn peer_exchange_alone_finds_the_source_ours_and_libtorrents() {
    let lab = Lab::in_memory();
    let by_pex = |peer: Peer| peer.with_flag("--no-lsd").with("--dht", "off").with("--limit-down", SLOW);
    let mut middle = by_pex(lab.peer_alone("middle")).with("--limit-up", "1KB").started();
    let mut ana = by_pex(lab.peer_alone("ana")).started();
    let mut bob = by_pex(lab.peer_alone("bob")).started();
    let (of_ana, of_bob) = (ana.listen(), bob.listen());
    let middle_is = middle.listen();

    let scene = Scene::new(&lab, "pex", "ours");
    let knows_middle = |peer: &mut Peer, scene: &Scene<'_>| {
        let told = peer.says(&format!("get \"{}\"", scene.magnet(&[middle_is])));
        peer.program().line_with(told, &[&scene.name], SOON);
        told
    };
    scene.get(&mut middle);
    scene.is_at(&mut ana);
    knows_middle(&mut ana, &scene);
    let told = knows_middle(&mut bob, &scene);
    let ways = until("ana and bob to meet", MOST, || {
        let ways = ways_to(&bob, &scene, |peer| peer["address"] == of_ana.to_string());
        let ways = [ways, ways_to(&ana, &scene, |peer| peer["address"] == of_bob.to_string())].concat();
        (!ways.is_empty()).then_some(ways)
    });
    assert!(ways.iter().all(|way| way == "pex"), "{ways:?}");
    bob.is_done(&scene.name, told, MOST);
    println!("{}: ways named: {ways:?}", scene.name);

    if !Kind::Libtorrent.is_here() {
        return;
    }
    let wishes = Wishes { peers: vec![middle_is], ..Wishes::default() };
    let scene = Scene::new(&lab, "pex", "libtorrents");
    scene.get(&mut middle);
    let _seeder = libtorrent::start(&lab, Some(&scene.torrent), scene.data(), &wishes);
    let told = knows_middle(&mut bob, &scene);
    let ways = until("bob to meet libtorrent", MOST, || {
        let ways = ways_to(&bob, &scene, |peer| word(&peer["program"]).contains("libtorrent"));
        (!ways.is_empty()).then_some(ways)
    });
    assert!(ways.iter().all(|way| way == "pex" || way == "incoming"), "{ways:?}");
    bob.is_done(&scene.name, told, MOST);
    println!("{}: ways named: {ways:?}", scene.name);

    let scene = Scene::new(&lab, "pex", "to-libtorrent");
    scene.get(&mut middle);
    scene.is_at(&mut ana);
    knows_middle(&mut ana, &scene);
    let begun = Instant::now();
    let mut taker = libtorrent::start(&lab, Some(&scene.torrent), &lab.folder("libtorrent data"), &wishes);
    taker.has_all_of(&scene.source, MOST);
    println!("{}: found and fetched after {:.1} s", scene.name, begun.elapsed().as_secs_f64());
}

/// The ways by which a peer came to those of its connections that are meant.
fn ways_to(peer: &Peer, scene: &Scene<'_>, meant: impl Fn(&Value) -> bool) -> Vec<String> {
    let found = peer.connections(&scene.name).into_iter().filter(|peer| meant(peer));
    found.map(|peer| word(&peer["source"])).collect()
}
