//! Messages: to one, to all, to nobody of that name; and 200 peers talking at once lose nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use e2e::Lab;
use e2e::control::Control;
use serde_json::json;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_message_reaches_one_all_or_nobody_and_each_sender_is_told() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut ana = lab.peer("ana", &tracker).started();
    let mut bob = lab.peer("bob", &tracker).started();
    let mut eva = lab.peer("eva", &tracker).started();
    for peer in [&mut ana, &mut bob, &mut eva] {
        peer.is_connected();
    }

    let told = ana.says("message bob el iso esta listo");
    ana.program().line_with(told, &["bob", "delivered"], SOON);
    bob.program().line_with(0, &["ana", "el iso esta listo"], SOON);
    tracker.program().line_with(0, &["MESSAGE", "ana", "bob"], SOON);

    let told = bob.says("say empezamos en 5 min");
    ana.program().line_with(0, &["bob", "empezamos en 5 min"], SOON);
    eva.program().line_with(0, &["bob", "empezamos en 5 min"], SOON);
    bob.program().line_with(told, &["2", "delivered"], SOON);
    let not_for_eva = |line: &String| line.contains("el iso esta listo");
    assert!(!eva.program().lines().iter().any(not_for_eva), "what ana told bob is between them");

    let told = ana.says("message bbo hola");
    ana.program().line_with(told, &["No one is called \"bbo\"", ""], SOON);
    ana.program().line_with(told, &["bob"], SOON);
}

#[test]
fn who_was_away_gets_everything_once_in_order_and_the_sender_is_told() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut ana = lab.peer("ana", &tracker).started();
    let mut eva = lab.peer("eva", &tracker).started();
    ana.is_connected();
    eva.is_connected();
    eva.says("exit");
    assert_eq!(eva.program().exit_code(SOON), 0);
    ana.program().line_with(0, &["eva has gone"], SOON);

    for text in ["mañana a las 9", "trae el disco"] {
        let told = ana.says(&format!("message eva {text}"));
        ana.program().line_with(told, &["eva", "stored"], SOON);
    }
    // Also the tracker is away for a moment.
    tracker.kill();
    tracker.restart();
    eva.start();
    eva.program().line_with(0, &["ana", "while you were away", "trae el disco"], SOON);
    let texts: Vec<String> =
        eva.program().lines().into_iter().filter(|line| line.contains("while you were away")).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("mañana a las 9"), "{texts:?}");

    // She has them: the next time nothing is told.
    eva.says("exit");
    assert_eq!(eva.program().exit_code(SOON), 0);
    eva.start();
    eva.is_connected();
    eva.says("message ana ya estoy");
    ana.program().line_with(0, &["eva", "ya estoy"], SOON);
    let again = |line: &String| line.contains("while you were away");
    let lines = eva.program().lines();
    assert!(!lines.iter().any(again), "each message comes once: {lines:#?}");
}

const TALKERS: usize = 200;
const TEXTS: usize = 5;

#[test]
fn two_hundred_peers_talking_at_once_lose_nothing() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let address = tracker.address();
    let all_here = Arc::new(Barrier::new(TALKERS));
    let talkers: Vec<_> = (0..TALKERS)
        .map(|number| {
            let all_here = Arc::clone(&all_here);
            std::thread::spawn(move || talk(address, number, &all_here))
        })
        .collect();
    for (number, talker) in talkers.into_iter().enumerate() {
        let heard = talker.join().unwrap_or_else(|_| panic!("talker {number} failed"));
        assert_eq!(heard.len(), TALKERS - 1, "talker {number} heard everyone else");
        let expected: Vec<usize> = (0..TEXTS).collect();
        for (from, texts) in heard {
            assert_eq!(texts, expected, "talker {number}, from {from}: each text once and in order");
        }
    }
    println!("{TALKERS} peers, {TEXTS} texts each to all: {} deliveries", TALKERS * (TALKERS - 1) * TEXTS);
}

/// Says everything at once, then listens until all that the others said has come.
fn talk(tracker: SocketAddr, number: usize, all_here: &Barrier) -> BTreeMap<String, Vec<usize>> {
    let mut peer_id = *b"-E2E001-talker000000";
    peer_id[14..].copy_from_slice(format!("{number:06}").as_bytes());
    let (mut control, _) = Control::hello(tracker, &format!("talker{number}"), peer_id, 1);
    all_here.wait();
    let mut asked: Vec<u64> = Vec::new();
    for text in 0..TEXTS {
        asked.push(control.send(json!({"type": "message", "to": "*", "text": text.to_string()})));
    }
    let mut heard: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut left = (TALKERS - 1) * TEXTS;
    while left > 0 || !asked.is_empty() {
        let line = control.read(Duration::from_secs(30));
        if let Some(id) = line["id"].as_u64() {
            assert_eq!(line["type"], "ok", "talker {number}: {line}");
            asked.retain(|waiting| *waiting != id);
        } else if line["type"] == "message" {
            let from = line["from"].as_str().expect("a sender").to_owned();
            let text = line["text"].as_str().and_then(|text| text.parse().ok()).expect("a text of ours");
            heard.entry(from).or_default().push(text);
            left -= 1;
        }
    }
    heard
}
