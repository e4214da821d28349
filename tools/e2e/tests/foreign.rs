//! Clients of other people in our swarms: each as downloader from our peer and as seeder to it, found
//! through the tracker's door for them; and all together, each with another part of the file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::hosts::Network;
use e2e::torrent::Torrent;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Foreign, Kind, Lab, Peer};
use shared::metainfo::Version;

const LENGTH: u64 = 8 * 1024 * 1024 + 12_345;
const MOST: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(30);

/// What `share` is told so that this client can read the torrent: those of Debian 12 cannot read a
/// dictionary with an empty key, which every hybrid has.
const fn options_for(kind: Kind) -> &'static str {
    match kind {
        Kind::Aria2 | Kind::Transmission => "--format v1",
        Kind::Libtorrent | Kind::QBittorrent | Kind::RTorrent => "",
    }
}

const fn version_for(kind: Kind) -> Version {
    if options_for(kind).is_empty() { Version::Hybrid } else { Version::V1 }
}

fn here() -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.is_here()).collect()
}

/// Has a peer get what a `.torrent` file names, and compares it with the source.
fn gets(peer: &mut Peer, torrent: &Path, source: &Path) {
    let name = source.file_name().expect("a name").to_string_lossy().into_owned();
    let told = peer.says(&format!("get \"{}\"", torrent.display()));
    peer.is_done(&name, told, MOST);
    assert_same_file(source, &peer.downloads().join(name));
}

#[test]
fn each_foreign_client_fetches_from_our_peer() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("foreign fetches");
    let mut ana = lab.peer("ana", &tracker).started();
    for kind in here().into_iter().filter(|kind| *kind != Kind::Transmission) {
        let name = format!("for-{kind}.bin");
        let source = make_file(lab.folder("source").join(&name), LENGTH, &mut dice);
        ana.share_with(&source, options_for(kind));
        let torrent = tracker.torrent(&name, &lab.folder("torrents"));
        let begun = Instant::now();
        let mut foreign = Foreign::start(&lab, kind, &torrent, &lab.folder(&format!("{kind} data")));
        foreign.has_all_of(&source, MOST);
        println!("{kind} fetched {LENGTH} bytes from our peer in {:.1} s", begun.elapsed().as_secs_f64());
    }
}

/// Transmission dials no address of the loopback net, so it has a host of its own.
#[test]
fn transmission_on_another_host_fetches_from_our_peer() {
    if !Kind::Transmission.is_here() {
        return;
    }
    let Some(mut network) = Network::new() else { return };
    let lab = Lab::new();
    let (ours, theirs) = (network.host(), network.host());
    let tracker = lab.tracker_on(&ours);
    let mut ana = lab.peer_on(&ours, "ana", &tracker).started();
    let mut dice = Dice::from_environment("transmission fetches");
    let source = make_file(lab.folder("source").join("for-transmission.bin"), LENGTH, &mut dice);
    ana.share_with(&source, options_for(Kind::Transmission));
    let told = ana.says("export for-transmission.bin");
    ana.program().line_with(told, &["Wrote", "for-transmission.bin.torrent"], SOON);
    let torrent = ana.folder().join("for-transmission.bin.torrent");
    let begun = Instant::now();
    let data = lab.folder("transmission data");
    let mut foreign = Foreign::start_on(&lab, &theirs, Kind::Transmission, &torrent, &data);
    foreign.has_all_of(&source, MOST);
    println!("transmission fetched {LENGTH} bytes from our peer in {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn each_foreign_client_gives_to_our_peer() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("foreign gives");
    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();
    for kind in here() {
        let folder = lab.folder(&format!("{kind} data"));
        let source = make_file(folder.join(format!("of-{kind}.bin")), LENGTH, &mut dice);
        let torrent = Torrent::new(version_for(kind), tracker.announce());
        let torrent = torrent.write(&source, &lab.folder("torrents"));
        let _foreign = Foreign::start(&lab, kind, &torrent, &folder);
        let begun = Instant::now();
        gets(&mut bob, &torrent, &source);
        println!("{kind} gave {LENGTH} bytes to our peer in {:.1} s", begun.elapsed().as_secs_f64());
    }
}

#[test]
fn libtorrent_and_our_peer_share_every_torrent_version_over_http_and_udp() {
    if !Kind::Libtorrent.is_here() {
        return;
    }
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("every version");
    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();
    for (version, words) in [(Version::V1, "v1"), (Version::V2, "v2"), (Version::Hybrid, "hybrid")] {
        for (door, url) in [("http", tracker.announce()), ("udp", tracker.announce_udp())] {
            let name = format!("{words}-{door}.bin");
            let folder = lab.folder(&format!("{words} {door} source"));
            let source = make_file(folder.join(&name), LENGTH, &mut dice);
            let torrent = Torrent::new(version, url).write(&source, &lab.folder("torrents"));
            let begun = Instant::now();
            let seeder = Foreign::start(&lab, Kind::Libtorrent, &torrent, &folder);
            gets(&mut bob, &torrent, &source);
            let given = begun.elapsed().as_secs_f64();
            // Now our peer alone has it.
            drop(seeder);
            let begun = Instant::now();
            let data = lab.folder(&format!("{words} {door} copy"));
            let mut leecher = Foreign::start(&lab, Kind::Libtorrent, &torrent, &data);
            leecher.has_all_of(&source, MOST);
            println!(
                "{words} over {door}: libtorrent to us {given:.1} s, we to libtorrent {:.1} s",
                begun.elapsed().as_secs_f64()
            );
        }
    }
}

#[test]
fn one_of_ours_and_three_others_with_a_third_each_all_finish() {
    let kinds: Vec<Kind> = [Kind::Libtorrent, Kind::QBittorrent, Kind::Aria2, Kind::Transmission]
        .into_iter()
        .filter(|kind| kind.is_here())
        .take(3)
        .collect();
    if kinds.len() < 3 {
        e2e::skip::without("three clients of other people", "cargo xtask test");
        return;
    }
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("three thirds");
    let source = make_file(lab.folder("source").join("thirds.bin"), 3 * 4 * 1024 * 1024, &mut dice);
    let torrent = Torrent::new(Version::V1, tracker.announce()).write(&source, &lab.folder("torrents"));
    let begun = Instant::now();
    let mut others: Vec<Foreign> = kinds
        .iter()
        .enumerate()
        .map(|(third, kind)| {
            let data = lab.folder(&format!("{kind} data"));
            a_third(&source, &data, third as u64);
            Foreign::start(&lab, *kind, &torrent, &data)
        })
        .collect();
    let mut bob = lab.peer("bob", &tracker).started();
    gets(&mut bob, &torrent, &source);
    println!("our peer has all three thirds after {:.1} s", begun.elapsed().as_secs_f64());
    for other in &mut others {
        other.has_all_of(&source, MOST);
        println!("{} has them after {:.1} s", other.kind(), begun.elapsed().as_secs_f64());
    }
}

/// A copy in which only one third is right and the rest is zeros.
fn a_third(source: &Path, folder: &Path, third: u64) -> PathBuf {
    let bytes = fs::read(source).expect("the source");
    let part = bytes.len() / 3;
    let at = part * usize::try_from(third).expect("0, 1 or 2");
    let copy = folder.join(source.file_name().expect("a name"));
    let file = File::create(&copy).expect("a copy");
    file.set_len(bytes.len() as u64).expect("its length");
    file.write_all_at(&bytes[at..at + part], at as u64).expect("its third");
    copy
}
