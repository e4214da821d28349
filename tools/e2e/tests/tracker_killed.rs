//! The tracker is killed under load, again and again: what it said `ok` to is there afterwards.
//!
//! `TRACKER_KILLS` says how often; a thousand take some half an hour.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::control::{Control, hex};
use e2e::witness::Witness;
use e2e::{Dice, Lab, until};
use serde_json::{Value, json};

const KILLS: u64 = 25;
/// Writers' lives whose shares are compared again in the end.
const REMEMBERED: usize = 75;
const WRITERS: u64 = 3;
/// Messages of one writer in one life: below what the tracker lets through at once.
const MESSAGES: u64 = 50;
const SHARES: u64 = 60;

/// A speaker of the protocol that is told by `None` that the tracker is gone.
struct Writer {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Writer {
    fn connect(tracker: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(tracker).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let reader = BufReader::new(stream.try_clone().ok()?);
        Some(Self { stream, reader })
    }

    fn ask(&mut self, mut request: Value) -> Option<Value> {
        request["id"] = json!(1);
        self.stream.write_all(format!("{request}\n").as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            let read = self.reader.read_line(&mut line).ok()?;
            // A line that was cut off by the end is no answer.
            if read == 0 || !line.ends_with('\n') {
                return None;
            }
            let value: Value = serde_json::from_str(&line).ok()?;
            if value["id"] == 1 {
                return Some(value);
            }
        }
    }
}

fn hello(nick: &str, number: u64) -> Value {
    let mut id = [0; 20];
    id[..8].copy_from_slice(&number.to_be_bytes());
    json!({"type": "hello", "version": 1, "nick": nick, "peer_id": hex(&id), "ports": []})
}

/// What one life of one writer was told.
#[derive(Default)]
struct Acknowledged {
    /// Info hashes, and whether they are shared; `None` when that was asked and not answered.
    shares: BTreeMap<String, Option<bool>>,
    /// Ids and texts of messages to the one who is away.
    messages: Vec<(u64, String)>,
}

/// Shares, takes back and writes until the tracker is gone.
fn load(tracker: SocketAddr, writer: u64, life: u64) -> Acknowledged {
    let mut said = Acknowledged::default();
    let _ = work(tracker, writer, life, &mut said);
    said
}

fn work(tracker: SocketAddr, writer: u64, life: u64, said: &mut Acknowledged) -> Option<()> {
    let mut control = Writer::connect(tracker)?;
    control.ask(hello(&format!("writer{writer}"), writer + 1))?;
    let mut entries = Vec::new();
    for turn in 0..SHARES {
        let mut hash = [0; 20];
        hash[..8].copy_from_slice(&(1 + turn + 1_000 * (writer + 10 * life)).to_be_bytes());
        hash[19] = 1;
        let hash = hex(&hash);
        said.shares.insert(hash.clone(), None);
        let answer = control.ask(json!({"type": "share", "name": format!("file {writer} {life} {turn}"),
            "size": 1000, "piece_length": 16384, "info_hash_v1": hash}))?;
        assert_eq!(answer["type"], "ok", "{answer}");
        assert_eq!(answer["durable"], Value::Null, "{answer}");
        said.shares.insert(hash.clone(), Some(true));
        entries.push((hash, answer["entry"].clone()));
        if turn < MESSAGES {
            let text = format!("writer {writer}, life {life}, message {turn}");
            let answer = control.ask(json!({"type": "message", "to": format!("eva{life}"), "text": text}))?;
            assert_eq!((&answer["type"], &answer["stored"]), (&json!("ok"), &json!(1)), "{answer}");
            said.messages.push((answer["message"].as_u64()?, text));
        }
        if turn % 4 == 3 {
            let (hash, entry) = entries.swap_remove(0);
            said.shares.insert(hash.clone(), None);
            let answer = control.ask(json!({"type": "unshare", "entry": entry}))?;
            assert_eq!(answer["type"], "ok", "{answer}");
            said.shares.insert(hash, Some(false));
        }
    }
    // Nothing is left to do; the connection stays until the tracker is gone.
    while control.ask(json!({"type": "ping"})).is_some() {}
    None
}

/// Compares what is there with what was acknowledged; gives how many items that were.
fn check_shares(control: &mut Control, shares: &BTreeMap<String, Option<bool>>, context: &str) -> usize {
    let mut checked = 0;
    for (hash, expected) in shares {
        let Some(expected) = expected else { continue };
        let answer = loop {
            let answer = control.ask(json!({"type": "find", "info_hash": hash}));
            let Some(wait) = answer["retry_after_ms"].as_u64() else { break answer };
            let end = Instant::now() + Duration::from_millis(wait);
            until("the next request may be made", Duration::from_secs(60), || {
                (Instant::now() >= end).then_some(())
            });
        };
        let found = answer["type"] == "ok";
        assert_eq!(found, *expected, "{context}: {hash} was acknowledged: {answer}");
        checked += 1;
    }
    checked
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_tracker_is_killed() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut dice = Dice::from_environment("tracker killed");
    let address = tracker.address();
    let witness = Witness::new(tracker.program().pid(), tracker.folder().join("tracker.log"));
    let kills = std::env::var("TRACKER_KILLS").ok().map_or(KILLS, |kills| kills.parse().expect("a number"));
    let mut shares: VecDeque<BTreeMap<String, Option<bool>>> = VecDeque::new();
    let (mut items, mut slowest) = (0, Duration::ZERO);
    for life in 1..=kills {
        // She comes once, so that she is known, and leaves.
        let eva = format!("eva{life}");
        let mut control = Writer::connect(address).expect("the tracker listens");
        control.ask(hello(&eva, 1_000 + life)).expect("a welcome");
        control.ask(json!({"type": "bye"})).expect("a farewell");
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| std::thread::spawn(move || load(address, writer, life))).collect();
        let end = Instant::now() + Duration::from_millis(30 + dice.below(500));
        until("the moment of the kill", Duration::from_secs(60), || (Instant::now() >= end).then_some(()));
        tracker.kill();
        let said: Vec<Acknowledged> =
            writers.into_iter().map(|writer| writer.join().expect("no surprise")).collect();
        let begun = Instant::now();
        tracker.restart();
        witness.follow(tracker.program().pid());

        let context = format!("kill {life}");
        let mut control = tracker.control(&format!("watcher{life}"));
        // Connections are taken from the first moment; answers come when all that was kept is read.
        slowest = slowest.max(begun.elapsed());
        let mut messages = Vec::new();
        for said in said {
            items += check_shares(&mut control, &said.shares, &context);
            if shares.len() == REMEMBERED {
                shares.pop_front();
            }
            shares.push_back(said.shares);
            messages.extend(said.messages);
        }
        messages.sort();
        items += messages.len();
        let (mut control, welcome) = {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&(1_000 + life).to_be_bytes());
            Control::hello(address, &eva, id, 7_000)
        };
        let missed = welcome["missed"].as_u64().expect("a count");
        let mut mail = Vec::new();
        for _ in 0..missed {
            let push = control.push("message", Duration::from_secs(60));
            assert_eq!((&push["late"], &push["to"]), (&json!(true), &json!(eva)), "{push}");
            let text = push["text"].as_str().expect("a text").to_owned();
            mail.push((push["message"].as_u64().expect("an id"), text));
        }
        assert!(mail.windows(2).all(|pair| pair[0].0 < pair[1].0), "{context}: in order and once: {mail:?}");
        for message in &messages {
            assert!(mail.contains(message), "{context}: {message:?} was acknowledged and is not in {mail:?}");
        }
        control.ask(json!({"type": "bye"}));
        // What she has is not told again.
        let (_, welcome) = Control::hello(address, &format!("{eva}x"), [7; 20], 7_000);
        assert_eq!(welcome["missed"], 0);
    }
    let mut control = tracker.control("last_watcher");
    let all: usize = shares.iter().map(|shares| check_shares(&mut control, shares, "in the end")).sum();
    println!("{kills} kills: {items} acknowledged items, none lost; {all} shares compared again in the end");
    println!("the slowest start took {:.2} s, until somebody was welcome", slowest.as_secs_f64());
    assert!(items as u64 > 20 * kills, "{items} items are too few to say anything");
}
