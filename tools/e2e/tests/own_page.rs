//! The page of a peer's own downloads: what is pressed there in a real browser is really done, and nobody
//! without its address gets in.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::tree::{assert_same_file, make_file};
use e2e::web::ask;
use e2e::{Dice, Lab, Peer, browser, until, within};
use serde_json::{Value, json};

/// What stands where a picture with a script would run if it were taken for HTML.
const EVIL: &str = "<img src=x onerror=window.hacked=1>.bin";
const SOON: Duration = Duration::from_secs(60);
/// In which a download at the limit gets on by several pieces.
const A_WHILE: Duration = Duration::from_secs(2);
/// A browser on a loaded machine.
const MOST: Duration = Duration::from_secs(150);

/// The address that the peer printed, and where it listens.
fn address(peer: &mut Peer) -> (String, SocketAddr) {
    let line = peer.program().line_with(0, &["Your downloads as a page"], SOON);
    let url = line.split_whitespace().last().expect("an address").to_owned();
    let host = url.trim_start_matches("http://").split('/').next().expect("a host");
    let listens = host.parse().expect("an address");
    (url, listens)
}

/// What a verb of this peer says as JSON.
fn asked(peer: &Peer, words: &[&str], kind: &str) -> Value {
    let words = [&["--json"], words].concat();
    let mut program = peer.one_shot(&words);
    let said = program.json_of_type(0, kind, SOON);
    program.exit_code(SOON);
    said
}

#[test]
fn what_is_pressed_on_the_own_page_is_done() {
    if !browser::is_here() {
        return;
    }
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("own page");
    let film = make_file(lab.folder("source").join("film.bin"), 24_000_000, &mut dice);
    let other = make_file(lab.folder("source").join(EVIL), 40_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "2MB").started();
    ana.share(&film);
    ana.share(&other);
    let mut bob = lab.peer("bob", &tracker).with_prompt_flag("--web").started();
    bob.is_connected();
    let (url, _) = address(&mut bob);
    let order = json!({"url": url, "folder": browser::pictures(), "file": "film.bin", "cancel": EVIL});
    let mut chromium = browser::start_own(&lab.folder("browser"), order);
    let mut goes_on = |kind: &str, check: &mut dyn FnMut(Value)| {
        check(chromium.json_of_type(0, kind, MOST));
        chromium.type_line("");
    };
    let mut told = 0;
    goes_on("open", &mut |_| {
        told = bob.download("film.bin");
        bob.download(EVIL);
    });
    goes_on("moving", &mut |said| assert!(said["percent"].as_u64() < Some(100), "{said}"));
    goes_on("limited", &mut |said| {
        assert_eq!(said["outcome"], "Done.");
        assert_eq!(asked(&bob, &["status"], "status")["limit_down"], 700_000);
        let from = bob.says("status");
        bob.program().line_with(from, &["Down", "limit 700 kB/s"], SOON);
    });
    goes_on("paused", &mut |said| {
        assert!(said["facts"].as_str().is_some_and(|facts| facts.contains("paused")), "{said}");
        assert!(bob.is_paused("film.bin"));
        let before = bob.verified("film.bin");
        let moves = within(A_WHILE, || (bob.verified("film.bin") != before).then_some(()));
        assert_eq!(moves, None, "no byte comes any more");
    });
    goes_on("resumed", &mut |_| {
        assert_eq!(asked(&bob, &["status", "film.bin"], "status")["state"], "downloading");
    });
    goes_on("cancelled", &mut |said| {
        assert!(said["asked"].as_str().is_some_and(|asked| asked.contains(EVIL)), "{said}");
        assert!(said["hacked"] == false && said["strangers"] == 0, "{said}");
        let mut program = bob.one_shot(&["status", EVIL]);
        assert_eq!(program.exit_code(SOON), 3, "{:?}", program.lines());
    });
    goes_on("looks", &mut |looks| {
        assert_eq!(looks["bad"], json!([]), "what axe-core finds serious or critical");
        assert_eq!(looks["spanish"], json!(["es", "Límites"]));
        assert!(looks["width"].as_u64() <= Some(360), "{looks}");
        // The rest is not waited for.
        let from = ana.says("limit off");
        ana.program().line_with(from, &["no limit"], SOON);
    });
    goes_on("end", &mut |end| {
        assert_eq!(
            (&end["faults"], &end["elsewhere"]),
            (&json!([]), &json!([])),
            "console, and who was asked"
        );
    });
    assert_eq!(chromium.exit_code(SOON), 0);
    assert_eq!(asked(&bob, &["status"], "status")["limit_down"], Value::Null);
    bob.is_done("film.bin", told, SOON);
    assert_same_file(&film, &bob.downloads().join("film.bin"));
}

#[test]
fn only_who_has_its_address_gets_into_the_own_page() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut bob = lab.peer("bob", &tracker).with_prompt_flag("--web").started();
    let (url, at) = address(&mut bob);
    assert!(at.ip().is_loopback(), "{url}");
    let bearer = format!("Bearer {}", url.split_once('#').expect("a token").1);
    let right = ("Authorization", bearer.as_str());
    let json = ("Content-Type", "application/json");
    let limits = br#"{"down":500000,"up":null}"#;
    let status = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        ask(at, method, path, headers, body).status
    };
    let (torrents, limit) = ("/api/v1/torrents", "/api/v1/limits");
    assert_eq!(status("GET", torrents, &[right], b""), 200);
    // Without the token, with another one, with a part of it, or by its page's name alone: nothing.
    let short = &bearer[..bearer.len() - 1];
    for headers in [&[][..], &[("Authorization", "Bearer 0123")], &[("Authorization", short)]] {
        assert_eq!(status("GET", torrents, headers, b""), 401, "{headers:?}");
        assert_eq!(status("POST", limit, &[headers, &[json]].concat(), limits), 401, "{headers:?}");
    }
    // Another site's page, and a strange name of this machine, get nothing at all.
    let own = format!("http://{at}");
    for path in ["/", "/assets/own.js", torrents] {
        for strange in [("Host", "evil.example"), ("Origin", "http://evil.example"), ("Origin", "null")] {
            assert_eq!(status("GET", path, &[right, strange], b""), 403, "{path} {strange:?}");
        }
    }
    assert_eq!(status("POST", limit, &[right, json, ("Origin", "http://evil.example")], limits), 403);
    // A form of another page can say no JSON; what is said must be what is asked for.
    assert_eq!(status("POST", limit, &[right], limits), 415);
    assert_eq!(status("POST", limit, &[right, ("Content-Type", "text/plain")], limits), 415);
    for bad in ["{}{", r#"{"down":-1,"up":null}"#, r#"{"down":0,"up":null}"#, r#"{"down":1.5,"up":null}"#] {
        assert_eq!(status("POST", limit, &[right, json], bad.as_bytes()), 400, "{bad}");
    }
    assert_eq!(status("POST", limit, &[right, json], &[b' '; 5_000]), 413);
    let nobody = format!("{torrents}/{}/pause", "ab".repeat(20));
    assert_eq!(status("POST", &nobody, &[right, json], b"{}"), 404);
    assert_eq!(asked(&bob, &["status"], "status")["limit_down"], Value::Null, "nothing of it was done");
    assert_eq!(status("POST", limit, &[right, json, ("Origin", &own)], limits), 200);
    until("the limit to hold", SOON, || {
        (asked(&bob, &["status"], "status")["limit_down"] == 500_000).then_some(())
    });
    let page = ask(at, "GET", "/", &[], b"");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");

    let mut open = lab.peer("eva", &tracker).with_prompt_flag("--web=0.0.0.0:0").started();
    assert_eq!(open.program().exit_code(SOON), 2, "it is for this machine only");
}

#[test]
fn what_the_operator_tells_all_who_come_is_told_to_programs() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    tracker.program().type_line("motd exam at 10");
    tracker.program().line_with(0, &["MOTD", "exam at 10"], SOON);
    let mut bob = lab.peer("bob", &tracker).with_prompt_flag("--json").started();
    assert_eq!(bob.program().json_of_type(0, "motd", SOON)["text"], "exam at 10");
    assert_eq!(asked(&bob, &["status"], "status")["motd"], "exam at 10");
    let mark = bob.program().mark();
    let asked_at = tracker.program().mark();
    tracker.program().type_line("motd off");
    tracker.program().line_with(asked_at, &["Done."], SOON);
    tracker.kill();
    tracker.restart();
    assert_eq!(bob.program().json_of_type(mark, "motd", SOON)["text"], Value::Null);
}
