//! The tracker is pressed: no file handle is left, and strangers send a byte now and then on every door. It
//! neither ends nor spins, those who are here are served, and afterwards everything is as before.
//!
//! `TRACKER_EXHAUSTED` says for how many seconds there is no handle left.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::control::Control;
use e2e::{Lab, Tracker, until, web};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
/// Handles that the tracker may have.
const HANDLES: usize = 120;
/// Connections that strangers hold.
const HELD: usize = 300;
/// Seconds without a handle.
const EXHAUSTED: u64 = 4;

/// Seconds of processor time that a process has used.
fn processor_time(tracker: &mut Tracker) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", tracker.program().pid())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<u32>().expect("a number");
    f64::from(ticks(11) + ticks(12)) / 100.0
}

fn handles(tracker: &mut Tracker) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", tracker.program().pid())).expect("it runs").count()
}

/// Connections to both doors that say nothing, made again when the tracker ends them.
fn fill(held: &mut Vec<TcpStream>, tracker: &Tracker) {
    held.retain(|stream| {
        let mut byte = [0];
        stream.set_nonblocking(true).expect("a TCP option");
        !matches!(stream.peek(&mut byte), Ok(0 | 1))
    });
    while held.len() < HELD {
        let door = if held.len().is_multiple_of(2) { tracker.address() } else { tracker.http() };
        match TcpStream::connect_timeout(&door, Duration::from_secs(1)) {
            Ok(stream) => held.push(stream),
            // What the system queues is full too.
            Err(_) => return,
        }
    }
}

#[test]
fn without_a_file_handle_it_serves_those_who_are_here_and_waits() {
    let seconds =
        std::env::var("TRACKER_EXHAUSTED").ok().map_or(EXHAUSTED, |text| text.parse().expect("seconds"));
    let lab = Lab::new();
    let limit = format!("ulimit -n {HANDLES}; exec \"$0\" \"$@\"");
    let mut tracker = lab.tracker_through(&["sh", "-c", &limit]);
    let mut ana = tracker.control("ana");
    let before = handles(&mut tracker);
    let mut held = Vec::new();
    until("the last handle to be gone", SOON, || {
        fill(&mut held, &tracker);
        (handles(&mut tracker) >= HANDLES - 1).then_some(())
    });
    let (begun, used) = (Instant::now(), processor_time(&mut tracker));
    let mut number = 0;
    until("the time without handles to be over", Duration::from_secs(seconds) + SOON, || {
        fill(&mut held, &tracker);
        // Who is here is served, and what it says is kept on disk.
        number += 1;
        // Not more messages than one may write.
        let request = match number % 10 {
            0 => json!({"type": "message", "to": "*", "text": format!("{number}")}),
            _ => json!({"type": "ping"}),
        };
        let said = ana.ask(request);
        assert_eq!((&said["type"], &said["durable"]), (&json!("ok"), &Value::Null), "{said}");
        (begun.elapsed() > Duration::from_secs(seconds)).then_some(())
    });
    let (wall, used) = (begun.elapsed().as_secs_f64(), processor_time(&mut tracker) - used);
    println!("{wall:.1} s without a handle: {used:.2} s of processor time, {number} requests answered");
    assert!(used < wall / 2.0, "it spins: {used:.2} s of processor time in {wall:.1} s");
    for door in ["no connection can be accepted", "no web connection can be accepted"] {
        let lines = tracker.program().lines();
        let said = lines.iter().filter(|line| line.contains(door)).count();
        let most = usize::try_from(seconds / 60 + 2).expect("few");
        assert!((1..=most).contains(&said), "{door:?} was said {said} times: {}", lines.join("\n"));
    }
    drop(held);
    until("the handles to be given back", SOON, || (handles(&mut tracker) <= before + 2).then_some(()));
    let (_, welcome) = Control::hello(tracker.address(), "bob", [7; 20], 1);
    assert_eq!(welcome["online"], 2);
    assert_eq!(web::get(tracker.http(), "/healthz").status, 200);
}

/// A stranger that sends a request byte by byte.
struct Dripping {
    stream: TcpStream,
    bytes: std::iter::Cycle<std::vec::IntoIter<u8>>,
}

impl Dripping {
    fn new(door: SocketAddr, begin: &str, then: &str) -> Self {
        let mut stream = TcpStream::connect(door).expect("the tracker listens");
        stream.write_all(begin.as_bytes()).expect("a beginning");
        stream.set_nonblocking(true).expect("a TCP option");
        Self { stream, bytes: then.as_bytes().to_vec().into_iter().cycle() }
    }

    /// One more byte; whether the connection goes on.
    fn drips(&mut self) -> bool {
        let byte = self.bytes.next().expect("it has no end");
        let mut answer = [0; 4_096];
        let ended = |error: std::io::Error| error.kind() != std::io::ErrorKind::WouldBlock;
        if self.stream.write_all(&[byte]).is_err_and(ended) {
            return false;
        }
        match self.stream.read(&mut answer) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => !ended(error),
        }
    }
}

#[test]
fn strangers_who_send_a_byte_now_and_then_are_cut_and_others_are_served() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut ana = tracker.control("ana");
    let before = handles(&mut tracker);
    let (json, http) = (tracker.address(), tracker.http());
    let token = until("the operator's token", SOON, || {
        std::fs::read_to_string(tracker.folder().join("operator.token"))
            .ok()
            .filter(|text| text.ends_with('\n'))
    });
    let head = format!("GET /api/v1/overview HTTP/1.1\r\nHost: {http}\r\n");
    let action = format!(
        "POST /api/v1/actions/say HTTP/1.1\r\nHost: {http}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: 10000\r\n\r\n",
        token.trim()
    );
    let mut dripping = Vec::new();
    for _ in 0..50 {
        dripping.push(Dripping::new(json, "{\"type\":\"hello\",", " "));
        dripping.push(Dripping::new(http, "GET /announce?info_hash=", "a"));
        dripping.push(Dripping::new(http, &head, "X: y\r\n"));
        dripping.push(Dripping::new(http, &action, " "));
    }
    let (begun, mut longest, mut number) = (Instant::now(), Duration::ZERO, 0);
    until("every one of them to be cut", SOON, || {
        dripping.retain_mut(Dripping::drips);
        let asked = Instant::now();
        assert_eq!(ana.ask(json!({"type": "ping"}))["type"], "ok");
        number += 1;
        if number % 10 == 0 {
            assert_eq!(web::get(http, "/api/v1/overview").status, 200);
            let (mut bob, _) = Control::hello(json, "bob", [7; 20], 1);
            bob.ask(json!({"type": "bye"}));
        }
        longest = longest.max(asked.elapsed());
        dripping.is_empty().then_some(())
    });
    println!(
        "200 strangers were cut after {:.1} s; the longest answer to others took {:.3} s",
        begun.elapsed().as_secs_f64(),
        longest.as_secs_f64()
    );
    until("their handles to be given back", SOON, || (handles(&mut tracker) <= before + 2).then_some(()));
}
