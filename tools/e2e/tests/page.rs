//! The tracker's page: seen by a real browser while real peers exchange a file, by many viewers at once, and
//! by those who must not get in.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::browser;
use e2e::tree::make_file;
use e2e::web::{Answer, ask, get};
use e2e::{Dice, Lab, Tracker, until};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

const SOON: Duration = Duration::from_secs(60);
/// What stands where a picture with a script would run if it were taken for HTML.
const EVIL: &str = "<img src=x onerror=window.hacked=1>.iso";

fn token(tracker: &Tracker) -> String {
    let file = tracker.folder().join("operator.token");
    // The tracker listens for peers a moment before it has made it.
    let whole = || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'));
    until("the operator's token", SOON, whole).trim().to_owned()
}

fn overview(http: SocketAddr) -> Value {
    let answer = get(http, "/api/v1/overview");
    assert_eq!(answer.status, 200, "{}", answer.head);
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[test]
fn a_browser_sees_a_transfer_move_and_end() {
    if !browser::is_here() {
        return;
    }
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("page");
    let source = make_file(lab.folder("source").join("film.bin"), 24_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "4MB").started();
    ana.share(&source);
    let mut evil = tracker.control("evil");
    let hash = "cd".repeat(20);
    let shared = evil.ask(json!({"type": "share", "name": EVIL, "size": 5, "piece_length": 16384,
        "info_hash_v1": hash, "have": "full", "comment": "<script>window.hacked=1</script>"}));
    assert_eq!(shared["type"], "ok", "{shared}");
    let said = evil.ask(json!({"type": "message", "to": "*", "text": "\u{1b}[2J<b onclick=x>\u{202e}hola"}));
    assert_eq!(said["type"], "ok", "{said}");
    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();

    let order = json!({
        "url": format!("http://{}/", tracker.http()), "folder": browser::pictures(), "file": "film.bin",
        "nick": "bob", "token": token(&tracker), "kick": "evil",
    });
    let mut chromium = browser::start(&lab.folder("browser"), order);
    chromium.json_of_type(0, "open", SOON);
    bob.download("film.bin");
    let most = Duration::from_secs(150);
    let transfer = chromium.json_of_type(0, "transfer", most);
    let seen: Vec<u64> =
        transfer["seen"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    println!("the browser saw {seen:?}, then all");
    assert!(seen.len() >= 3 && seen.is_sorted(), "it moved before their eyes: {transfer}");
    assert!(transfer["flows"].as_u64() >= Some(1) && transfer["end"]["whole"] == true, "{transfer}");
    assert!(transfer["end"]["savings"].as_str().is_some_and(|text| text.contains("24.0 MB")), "{transfer}");

    let text = chromium.json_of_type(0, "text", most);
    assert!(text["headings"].as_array().is_some_and(|all| all.contains(&json!(EVIL))), "{text}");
    assert_eq!(text["messages"], json!(["\\u{1b}[2J<b onclick=x>\\u{202e}hola"]));
    assert!(text["hacked"] == false && text["strangers"] == 0, "{text}");
    let keyboard = chromium.json_of_type(0, "keyboard", most);
    assert!(keyboard["first"] == "skip" && keyboard["table"] == true, "{keyboard}");
    let looks = chromium.json_of_type(0, "looks", most);
    assert_eq!(looks["bad"], json!([]), "what axe-core finds serious or critical");
    assert_eq!(looks["spanish"], json!(["es", "Archivos"]));
    assert!(looks["width"].as_u64() <= Some(360), "{looks}");
    let end = chromium.json_of_type(0, "end", most);
    assert_eq!((&end["faults"], &end["elsewhere"]), (&json!([]), &json!([])), "console, and who was asked");
    assert_eq!(chromium.exit_code(SOON), 0);
    assert_eq!(evil.push("kick", SOON)["reason"], "noise");
}

/// A viewer of the live stream.
struct Viewer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Viewer {
    fn new(http: SocketAddr) -> Self {
        Self::over(TcpStream::connect(http).expect("the page"), http)
    }

    /// One for whom the system holds little that it has not read.
    fn with_little_room(http: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(http), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a TCP option");
        socket.connect(&http.into()).expect("the page");
        Self::over(socket.into(), http)
    }

    fn over(mut stream: TcpStream, http: SocketAddr) -> Self {
        stream.set_read_timeout(Some(SOON)).expect("a TCP option");
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {http}\r\n\r\n").expect("a request");
        Self { stream, read: Vec::new() }
    }

    /// Reads until these words have come.
    fn sees(&mut self, words: &str) {
        let mut part = vec![0; 65_536];
        while !self.read.windows(words.len()).any(|here| here == words.as_bytes()) {
            let read = self.stream.read(&mut part).expect("the stream goes on");
            assert!(read > 0, "the stream ended before {words:?}");
            self.read.extend_from_slice(&part[..read]);
        }
        self.read.clear();
    }
}

#[test]
fn five_hundred_viewers_see_the_same_and_everybody_else_is_answered() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let http = tracker.http();
    let mut viewers: Vec<Viewer> = (0..500).map(|_| Viewer::new(http)).collect();
    for viewer in &mut viewers {
        viewer.sees("event: snapshot");
    }
    assert_eq!(overview(http)["viewers"], 500);
    let mut ana = tracker.control("ana");
    for viewer in &mut viewers {
        viewer.sees("\"nick\":\"ana\"");
    }
    // With all of them there, peers and other readers are answered.
    for number in 0..50 {
        assert_eq!(ana.ask(json!({"type": "ping"}))["type"], "ok", "{number}");
    }
    assert_eq!(get(http, "/healthz").status, 200);
    drop(viewers);
    until("those who left to be forgotten", SOON, || (overview(http)["viewers"] == 0).then_some(()));
}

#[test]
#[ignore = "takes 100 s, until the system holds no more for the viewer; the rule has its own test in the tracker"]
fn a_viewer_that_does_not_read_is_cut_and_the_others_go_on() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let http = tracker.http();
    let mut ana = tracker.control("ana");
    let comment = "x".repeat(1_000);
    for number in 0..60 {
        let shared = ana.ask(
            json!({"type": "share", "name": format!("{number} {}", "n".repeat(240)), "size": 1 << 30,
            "piece_length": 16384, "info_hash_v1": format!("{number:06x}{}", "ab".repeat(17)), "have": 0,
            "comment": comment}),
        );
        assert_eq!(shared["type"], "ok", "{shared}");
    }
    let mut good = Viewer::new(http);
    good.sees("event: snapshot");
    let _slow = Viewer::with_little_room(http);
    until("both to watch", SOON, || (overview(http)["viewers"] == 2).then_some(()));
    let cut = || {
        let answer = get(http, "/metrics");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        text.lines().any(|line| line == "enjambre_web_viewers_cut_total 1")
    };
    let mut downloaded = 0;
    until("the slow viewer to be cut", Duration::from_secs(180), || {
        for number in 0..60 {
            downloaded += 1;
            ana.send(
                json!({"type": "progress", "entry": format!("{number:06x}"), "have": 1, "left": 1 << 29,
                "downloaded": downloaded, "uploaded": 0}),
            );
        }
        good.sees("event: delta");
        cut().then_some(())
    });
    good.sees("event: delta");
    assert_eq!(overview(http)["viewers"], 1);
}

fn act(http: SocketAddr, name: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers);
    ask(http, "POST", &format!("/api/v1/actions/{name}"), &all, body.to_string().as_bytes())
}

#[test]
fn only_who_has_the_token_acts_and_no_other_site_gets_in() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let http = tracker.http();
    let bearer = format!("Bearer {}", token(&tracker));
    let right = ("Authorization", bearer.as_str());
    let mut bob = tracker.control("bob");
    let say = json!({"text": "we stop at 14:00"});

    // Who came by a strange name, or from another page, gets nothing at all.
    for path in ["/", "/api/v1/overview", "/api/v1/events", "/list", "/metrics", "/assets/page.js"] {
        assert_eq!(ask(http, "GET", path, &[("Host", "evil.example:6969")], b"").status, 403, "{path}");
        assert_eq!(ask(http, "GET", path, &[("Origin", "http://evil.example")], b"").status, 403, "{path}");
    }
    assert_eq!(act(http, "say", &[right, ("Host", "evil.example")], &say).status, 403);
    assert_eq!(act(http, "say", &[right, ("Origin", "http://evil.example")], &say).status, 403);
    assert_eq!(ask(http, "GET", "/announce", &[("Host", "tracker.example")], b"").status, 200);

    assert_eq!(act(http, "say", &[], &say).status, 401);
    assert_eq!(ask(http, "POST", "/api/v1/overview", &[right], b"{}").status, 405);
    assert_eq!(ask(http, "POST", "/api/v1/actions/say", &[right], b"{}").status, 415);
    assert_eq!(act(http, "dance", &[right], &say).status, 404);
    assert_eq!(act(http, "say", &[right], &json!({"text": 7})).status, 400);
    assert_eq!(act(http, "kick", &[right], &json!({"nick": "nobody"})).status, 404);
    let own = format!("http://{http}");
    assert_eq!(act(http, "say", &[right, ("Origin", &own)], &say).status, 200);
    assert_eq!(bob.push("notice", SOON)["text"], "we stop at 14:00");
    assert_eq!(act(http, "kick", &[right], &json!({"nick": "bob", "reason": "noise"})).status, 200);
    assert_eq!(bob.push("kick", SOON)["reason"], "noise");

    // Guessing ends soon, also for who then says the right one.
    let guesses: Vec<u16> =
        (0..20).map(|_| act(http, "say", &[("Authorization", "Bearer 0123456789")], &say).status).collect();
    assert_eq!(guesses[0], 401);
    assert_eq!(guesses[19], 429);
    assert_eq!(act(http, "say", &[right], &say).status, 429);

    // The token is nowhere but in its file, which is its owner's alone.
    let token = token(&tracker);
    let log = std::fs::read_to_string(tracker.folder().join("tracker.log")).expect("the log");
    assert!(!log.contains(&token) && !tracker.program().lines().join("\n").contains(&token));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tracker.folder().join("operator.token");
        let mode = std::fs::metadata(file).expect("the token").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(log.contains("we stop at 14:00") && log.contains("web"), "the audit says who ordered it");
}
