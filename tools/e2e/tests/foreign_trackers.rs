//! Trackers and tracker clients of other people: theirs ask our tracker, and our peers ask theirs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::ports::free_address;
use e2e::program::json;
use e2e::torrent::Torrent;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer, Program, Tracker, js, skip, until, web};
use serde_json::{Value, json};
use shared::metainfo::Version;

const LENGTH: u64 = 2 * 1024 * 1024 + 4_321;
const MOST: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(30);

/// Two peers in rooms of their own that know one tracker together: the one gets the file of the other.
/// They live as long as what is given back.
#[expect(clippy::print_stdout, reason = "a test says what it measured")]
fn two_of_ours_meet_at(lab: &Lab, url: &str, what: &str, name: &str) -> ([Peer; 2], [Tracker; 2]) {
    let mut dice = Dice::from_environment(what);
    let source = make_file(lab.folder("source").join(name), LENGTH, &mut dice);
    let torrent = Torrent::new(Version::Hybrid, url).write(&source, &lab.folder("torrents"));
    let (one, other) = (lab.tracker_named("room of ana"), lab.tracker_named("room of bob"));
    let mut ana = lab.peer("ana", &one).with_flag("--no-lsd").started();
    let mut bob = lab.peer("bob", &other).with_flag("--no-lsd").started();
    ana.is_connected();
    std::fs::create_dir_all(ana.downloads()).expect("a folder");
    std::fs::copy(&source, ana.downloads().join(name)).expect("ana's copy");
    let begun = Instant::now();
    let told = ana.says(&format!("get \"{}\"", torrent.display()));
    ana.is_done(name, told, MOST);
    bob.is_connected();
    let told = bob.says(&format!("get \"{}\"", torrent.display()));
    bob.is_done(name, told, MOST);
    assert_same_file(&source, &bob.downloads().join(name));
    println!("two of ours met at {what} in {:.1} s", begun.elapsed().as_secs_f64());
    ([ana, bob], [one, other])
}

#[test]
fn tracker_http_alone_and_tracker_udp_alone_bring_two_peers_together() {
    let lab = Lab::new();
    let meeting = lab.tracker();
    two_of_ours_meet_at(&lab, &meeting.announce(), "our tracker over HTTP", "over-http.bin");
    two_of_ours_meet_at(&lab, &meeting.announce_udp(), "our tracker over UDP", "over-udp.bin");
}

#[test]
fn our_peers_meet_at_the_npm_tracker_over_http_and_udp() {
    if !js::is_here() {
        return;
    }
    let lab = Lab::new();
    let server = js::server(&lab.folder("npm"));
    let listening = server.json_of_type(0, "listening", SOON);
    for (door, port) in [("http", &listening["http"]), ("udp", &listening["udp"])] {
        let mark = server.mark();
        let url = format!("{door}://127.0.0.1:{port}/announce");
        let _both = two_of_ours_meet_at(
            &lab,
            &url,
            &format!("bittorrent-tracker over {door}"),
            &format!("{door}.bin"),
        );
        // Bob is done before the tracker has heard of it.
        let completed = |line: &str| json(line).is_some_and(|told| told["event"] == "complete");
        server.line_where(mark, "bob's completed", SOON, completed);
        let events: Vec<Value> = server.lines().iter().skip(mark).filter_map(|line| json(line)).collect();
        let started = events.iter().filter(|event| event["event"] == "start").count();
        assert!(started >= 2, "both said started: {events:?}");
    }
}

#[test]
fn our_peers_meet_at_opentracker_over_http_and_udp() {
    if !skip::unless_here("opentracker", "opentracker") {
        return;
    }
    let lab = Lab::new();
    let folder = lab.folder("opentracker");
    // It gives up root, and must still be able to read its list.
    for path in [folder.parent().expect("the laboratory"), folder.as_path()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("rights");
    }
    let mut dice = Dice::from_environment("opentracker's list");
    let address: SocketAddr = free_address();
    let urls = ["http", "udp"].map(|door| (door, format!("{door}://{address}/announce")));
    // Debian's serves only the hashes of a list: those of the very files that are made again below.
    let hashes = urls.iter().map(|(door, url)| {
        let what = format!("opentracker over {door}");
        dice = Dice::from_environment(&what);
        let source = make_file(lab.folder("source").join(format!("open-{door}.bin")), LENGTH, &mut dice);
        let hashes = Torrent::new(Version::Hybrid, url.clone()).of(&source).info.hashes();
        let v2 = hashes.get_v2().map(|hash| hash.truncated().to_string()).unwrap_or_default();
        format!("{}\n{v2}\n", hashes.primary())
    });
    let list: String = hashes.collect();
    std::fs::write(folder.join("list"), list).expect("the list");
    let mut command = Command::new(skip::find("opentracker").expect("it is here"));
    let port = address.port().to_string();
    command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-d"]).arg(&folder).args(["-w", "list"]);
    let mut opentracker = Program::start("opentracker", &mut command);
    until("opentracker to answer", SOON, || {
        assert!(opentracker.ended().is_none(), "opentracker ended: {:?}", opentracker.lines());
        (web::get(address, "/stats").status > 0).then_some(())
    });
    for (door, url) in &urls {
        two_of_ours_meet_at(&lab, url, &format!("opentracker over {door}"), &format!("open-{door}.bin"));
    }
}

#[test]
fn the_npm_client_announces_to_and_scrapes_our_tracker_over_http_and_udp() {
    if !js::is_here() {
        return;
    }
    let lab = Lab::new();
    let tracker = lab.tracker();
    let folder = lab.folder("npm");
    for (door, url, hash) in [("http", tracker.announce(), "a1"), ("udp", tracker.announce_udp(), "b2")] {
        let ask = |peer: &str, port: u16, left: u64, what: &str| {
            let order = json!({
                "infoHash": hash.repeat(20), "peerId": peer.repeat(20), "announce": url, "port": port,
                "left": left, "what": what,
            });
            let mut client = js::client(&folder, &order);
            let answer = client.json_of_type(0, if what == "scrape" { "scrape" } else { "update" }, SOON);
            assert_eq!(client.exit_code(SOON), 0, "{:?}", client.lines());
            answer
        };
        let first = ask("11", 7001, 0, "start");
        assert_eq!((&first["complete"], &first["incomplete"]), (&json!(1), &json!(0)), "{first}");
        let second = ask("22", 7002, 1000, "start");
        assert_eq!((&second["complete"], &second["incomplete"]), (&json!(1), &json!(1)), "{second}");
        assert_eq!(second["peers"], json!(["127.0.0.1:7001"]), "{second}");
        let scraped = ask("33", 7003, 0, "scrape");
        assert_eq!((&scraped["complete"], &scraped["incomplete"]), (&json!(1), &json!(1)), "{scraped}");
        ask("22", 7002, 0, "complete");
        let scraped = ask("33", 7003, 0, "scrape");
        assert_eq!((&scraped["complete"], &scraped["incomplete"]), (&json!(2), &json!(0)), "{scraped}");
        assert_eq!(scraped["downloaded"], json!(1), "{scraped}");
        ask("22", 7002, 0, "stop");
        let scraped = ask("33", 7003, 0, "scrape");
        assert_eq!((&scraped["complete"], &scraped["incomplete"]), (&json!(1), &json!(0)), "{scraped}");
        println!(
            "bittorrent-tracker's client and our tracker over {door}: start, complete, stop and scrape are right"
        );
    }
}
