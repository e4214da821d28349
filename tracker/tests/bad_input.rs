//! Bad input at a live tracker: each case is answered with one line and the right ending.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use crate::lab::{self, Client, hello, tracker, tracker_with};
use serde_json::{Value, json};
use shared::control::{LINE_AFTER_LOGIN, LINE_BEFORE_LOGIN};

/// The line, its code, and whether the connection goes on.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str, bool)> {
    let keys: Vec<String> = (0..10_000).map(|key| format!(r#""k{key}":1"#)).collect();
    let share = |rest: &str| {
        let hash = "01".repeat(20);
        format!(r#"{{"type":"share","name":"a","piece_length":16384,"info_hash_v1":"{hash}",{rest}}}"#)
            .into_bytes()
    };
    let named = |name: &str| {
        let hash = "01".repeat(20);
        format!(r#"{{"type":"share","name":"{name}","size":1,"piece_length":16384,"info_hash_v1":"{hash}"}}"#)
            .into_bytes()
    };
    vec![
        ("J03", b"[]".to_vec(), "bad_json", true),
        ("J05", b"null".to_vec(), "bad_json", true),
        ("J07", b"{}".to_vec(), "bad_field", true),
        ("J09", br#"{"type":"dance"}"#.to_vec(), "unknown_type", true),
        ("J11", br#"{"type":"ping"}{"type":"ping"}"#.to_vec(), "bad_json", true),
        ("J14", "\u{feff}{\"type\":\"ping\"}".as_bytes().to_vec(), "bad_json", true),
        ("J16", b"{\"type\":\"\xff\"}".to_vec(), "bad_json", false),
        ("J17", br#"{"type":"\ud800"}"#.to_vec(), "bad_json", true),
        ("J19", b"{\"type\":\"\x01\"}".to_vec(), "bad_json", true),
        ("J22", br#"{"type":"ping","x":01}"#.to_vec(), "bad_json", true),
        ("J26", share(r#""size":1e400"#), "bad_field", true),
        ("J27", share(r#""size":-1"#), "bad_field", true),
        ("J28", share(r#""size":1.5"#), "bad_field", true),
        ("J29", share(r#""size":18446744073709551616"#), "bad_field", true),
        ("J30", share(r#""size":"10""#), "bad_field", true),
        ("J31", br#"{"type":"ping","type":"ping"}"#.to_vec(), "bad_json", true),
        ("J34", [br#"{"x":"#.to_vec(), b"[".repeat(60_000)].concat(), "too_deep", false),
        ("J40", hello("eva", 9).to_string().into_bytes(), "already_registered", true),
        ("J45", format!("{{{}}}", keys.join(",")).into_bytes(), "too_many_keys", false),
        ("N13", br#"{"type":"message","to":"ana","text":" "}"#.to_vec(), "bad_message", true),
        (
            "N14",
            json!({"type": "message", "to": "ana", "text": "x".repeat(4097)}).to_string().into_bytes(),
            "too_long",
            true,
        ),
        ("N17", br#"{"type":"message","to":"nobody","text":"x"}"#.to_vec(), "no_such_user", true),
        ("N21", named("../x"), "bad_path", true),
        ("N22", named("/etc/passwd"), "bad_path", true),
        ("N23", named(r"a\\b"), "bad_path", true),
        ("N25", named(&"x".repeat(4_097)), "bad_path", true),
        ("N26", named(r"a\u0000b"), "bad_name", true),
        ("N27", br#"{"type":"find","info_hash":"00"}"#.to_vec(), "bad_hash", true),
        ("N28", share(r#""size":0,"have":3"#), "bad_field", true),
        ("unknown entry", br#"{"type":"sources","entry":"ffffff"}"#.to_vec(), "no_such_entry", true),
        ("not mine", br#"{"type":"unshare","entry":"070707"}"#.to_vec(), "not_shared", true),
    ]
}

#[tokio::test]
async fn every_bad_line_gets_one_answer_and_the_right_ending() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut other = Client::login(address, "other", 500).await;
    other.share("a.iso", 7).await;
    for (number, (name, line, code, goes_on)) in (0_u16..).zip(cases()) {
        let mut client = Client::login(address, "ana", number).await;
        client.send(&[line, b"\n".to_vec()].concat()).await;
        let answer = client.line().await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{name}: {answer}");
        let text = answer["text"].as_str().unwrap();
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{name}: {text:?}");
        if goes_on {
            assert_eq!(
                client.ask(json!({"type": "ping"})).await["type"],
                "ok",
                "{name}: the session goes on"
            );
        } else {
            assert_eq!(client.rest().await, Vec::<Value>::new(), "{name}: the connection closes");
        }
    }
    assert_eq!(other.ask(json!({"type": "ping"})).await["type"], "ok");
    tracker.stop().await;
}

#[tokio::test]
async fn lines_that_are_odd_but_right_are_taken() {
    let tracker = tracker().await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    // J01 empty lines, J13 carriage returns, J32 unknown keys, N18 to oneself, N20 a forged sender.
    ana.send(b"\n\r\n  \n{\"type\":\"ping\",\"id\":7,\"colour\":[1,2]}\r\n").await;
    assert_eq!(ana.answer(7).await["type"], "ok");
    let forged = json!({"type": "message", "to": "ana", "from": "admin", "text": "\u{1b}]52;c;aGk=\u{7}\n[12:00] admin: x"});
    assert_eq!(ana.ask(forged).await["delivered"], 1);
    assert_eq!(ana.push("message").await["from"], "ana");
    // J12: each half of an object is wrong alone, and the session goes on.
    ana.send(b"{\"type\":\n\"ping\"}\n").await;
    assert_eq!(ana.line().await.unwrap()["code"], "bad_json");
    assert_eq!(ana.line().await.unwrap()["code"], "bad_json");
    assert_eq!(ana.ask(json!({"type": "ping"})).await["type"], "ok");
    tracker.stop().await;
}

#[tokio::test]
async fn nobody_is_let_in_before_a_good_hello() {
    let tracker = tracker().await;
    let mut client = Client::connect(tracker.local_addr()).await;
    // J39, and each bad hello.
    assert_eq!(client.ask(lab::share("a", 1)).await["code"], "not_registered");
    for (key, value, code) in [
        ("nick", json!(""), "bad_name"),
        ("nick", json!("x".repeat(33)), "bad_name"),
        ("nick", json!("tracker"), "reserved"),
        ("nick", json!("a\u{1b}[31m"), "bad_name"),
        ("peer_id", json!("00"), "bad_hash"),
        ("ports", json!([0]), "bad_field"),
        ("ports", json!([65_536]), "bad_field"),
        ("ports", json!("6881"), "bad_field"),
        ("version", json!(2), "bad_version"),
        ("addresses", json!(["nowhere"]), "bad_field"),
    ] {
        let mut bad = hello("ana", 1);
        bad[key] = value;
        let answer = client.ask(bad).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    let mut good = hello("ana", 1);
    // N30: addresses that cannot be this peer's are dropped, not told to others.
    good["addresses"] = json!(["8.8.8.8:53", "0.0.0.0:1", "10.9.9.9:6881"]);
    assert_eq!(client.ask(good).await["type"], "welcome");
    let who = client.ask(json!({"type": "who"})).await;
    assert_eq!(who["peers"][0]["addresses"], json!(["127.0.0.1:7001", "10.9.9.9:6881"]));
    tracker.stop().await;
}

#[tokio::test]
async fn lines_end_at_their_limit() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    // J35 and J37: before login 64 KiB, and it does not matter whether a line feed ever comes.
    for feed in [b"\n".to_vec(), b"x".repeat(200_000)] {
        let mut client = Client::connect(address).await;
        client.send(&[b"x".repeat(LINE_BEFORE_LOGIN + 1), feed].concat()).await;
        let answer = client.line().await.unwrap();
        assert_eq!(
            (&answer["code"], answer["text"].as_str().unwrap().contains("65536")),
            (&json!("too_long"), true)
        );
        assert!(client.rest().await.is_empty());
    }
    let mut client = Client::connect(address).await;
    let mut padded = hello("ana", 1);
    padded["padding"] = json!("");
    let room = LINE_BEFORE_LOGIN - padded.to_string().len();
    padded["padding"] = json!("x".repeat(room));
    client.send(format!("{padded}\n").as_bytes()).await;
    assert_eq!(client.line().await.unwrap()["type"], "welcome", "a line of exactly the limit is taken");
    // J36: after login 1 MiB.
    let mut ping = json!({"type": "ping", "padding": ""});
    let room = LINE_AFTER_LOGIN - ping.to_string().len();
    ping["padding"] = json!("x".repeat(room));
    client.send(format!("{ping}\n").as_bytes()).await;
    assert_eq!(client.line().await.unwrap()["type"], "ok");
    client.send(format!(" {ping}\n").as_bytes()).await;
    let answer = client.line().await.unwrap();
    assert_eq!(
        (&answer["code"], answer["text"].as_str().unwrap().contains("1048576")),
        (&json!("too_long"), true)
    );
    assert!(client.rest().await.is_empty());
    tracker.stop().await;
}

#[tokio::test]
async fn a_login_and_a_line_must_end_in_time() {
    let tracker = tracker_with(|config| {
        config.login_deadline = Duration::from_millis(300);
        config.line_deadline = Duration::from_millis(300);
    })
    .await;
    let address = tracker.local_addr();
    // J38: silence, and a drip that never makes a line.
    let mut silent = Client::connect(address).await;
    let mut dripping = Client::connect(address).await;
    dripping.send(b"{").await;
    for client in [&mut silent, &mut dripping] {
        assert_eq!(client.line().await.unwrap()["code"], "timeout");
        assert!(client.rest().await.is_empty());
    }
    let mut ana = Client::login(address, "ana", 1).await;
    ana.send(b"{\"type\"").await;
    assert_eq!(ana.line().await.unwrap()["code"], "timeout");
    assert!(ana.rest().await.is_empty());
    tracker.stop().await;
}

#[tokio::test]
async fn who_sends_only_nonsense_is_cut() {
    let tracker = tracker().await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    ana.send(&b"{\n".repeat(25)).await;
    let lines = ana.rest().await;
    assert_eq!(lines.iter().filter(|line| line["code"] == "bad_json").count(), 20);
    assert_eq!(lines.last().unwrap()["code"], "too_many_errors");
    tracker.stop().await;
}

#[tokio::test]
async fn other_protocols_get_one_clear_answer() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    // J41
    let mut browser = Client::connect(address).await;
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(browser.raw_line().await.unwrap(), "HTTP/1.1 400 Bad Request");
    let mut text = String::new();
    while let Some(line) = browser.raw_line().await {
        text += &line;
    }
    assert!(text.contains("This port speaks JSON lines"), "{text}");
    // J42
    let mut tls = Client::connect(address).await;
    tls.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    assert_eq!(tls.line().await.unwrap()["code"], "wrong_protocol");
    let mut torrent = Client::connect(address).await;
    torrent.send(b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0").await;
    assert_eq!(torrent.line().await.unwrap()["code"], "wrong_protocol");
    tracker.stop().await;
}

#[tokio::test]
async fn the_rest_of_the_names_and_texts() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "José", 1).await;
    // N05, N06: taken as it is, in another case, composed otherwise, or with letters that look alike.
    for (number, nick) in (2..).zip(["José", "JOSÉ", "Jose\u{301}", "J\u{43e}sé"]) {
        let mut client = Client::connect(address).await;
        let welcome = client.ask(hello(nick, number)).await;
        let granted = welcome["nick"].as_str().unwrap();
        assert!(granted.ends_with(|last: char| last.is_ascii_digit()), "{welcome}");
        assert!(welcome["note"].as_str().unwrap().contains("in use"), "{welcome}");
        client.ask(json!({"type": "bye"})).await;
    }
    // N24: a name that is a device elsewhere is the peer's business, which changes it where it must; it is no
    // reason not to share.
    ana.share("CON", 24).await;
    // N27: capital digits are the same hash.
    let found = ana.ask(json!({"type": "find", "info_hash": "18".repeat(20).to_uppercase()})).await;
    assert_eq!(found["name"], "CON");
    // J43: the number is the sender's own affair.
    for _ in 0..2 {
        ana.send(b"{\"type\":\"ping\",\"id\":7}\n").await;
        assert_eq!(ana.answer(7).await["type"], "ok");
    }
    // N19: more than may be said at once is refused with the time to come again, and then it may be said.
    let texts: String = (0..150)
        .map(|id| json!({"type": "message", "id": 1_000 + id, "to": "*", "text": "x"}).to_string() + "\n")
        .collect();
    ana.send(texts.as_bytes()).await;
    let mut refused = Vec::new();
    for id in 1_000..1_150_u64 {
        let answer = ana.answer(id).await;
        if answer["code"] == "rate_limited" {
            refused.push(answer["retry_after_ms"].as_u64().unwrap());
        } else {
            assert_eq!(answer["type"], "ok", "{answer}");
        }
    }
    assert!(!refused.is_empty() && refused.iter().all(|wait| (1..=60_000).contains(wait)), "{refused:?}");
    tracker.stop().await;
}
