//! Messages to people who are away: each is answered when it is on disk. Beside them, in the same run, what
//! the disk itself does.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use benches::figures::{median, spread_whole};
use serde_json::json;

use crate::crowd::{Crowd, is_answer};
use crate::idle::hello;
use crate::programs::{self, Program, Tracker};
use crate::table::Table;

/// People who are away, each with room for 200 messages.
const AWAY: usize = 2_000;
const ROOM: usize = 200;
const ROUND: Duration = Duration::from_millis(1_500);
/// Clients, and messages of each that are not answered yet.
const SHAPES: [(usize, usize); 4] = [(1, 1), (10, 1), (100, 1), (100, 10)];
/// Bytes that a commit of one message writes, roughly: two pages of the write-ahead log.
const COMMIT: usize = 2 * 4_120;

/// How often a second a few pages at the end of a file can be forced to the disk.
fn syncs(rounds: usize) -> Vec<f64> {
    let folder = programs::folder();
    let round = |_| {
        let mut file = File::create(folder.path().join("log")).unwrap();
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < ROUND {
            // As a write-ahead log does, room that is there is used again after a while.
            if count % 1_000 == 0 {
                file.seek(SeekFrom::Start(0)).unwrap();
            }
            file.write_all(&[7; COMMIT]).unwrap();
            file.sync_data().unwrap();
            count += 1;
        }
        f64::from(count) / begin.elapsed().as_secs_f64()
    };
    (0..rounds).map(round).collect()
}

/// All promises and shapes.
pub(crate) fn messages(rounds: usize, table: &mut Table) {
    let disk = syncs(rounds);
    for sync in ["full", "normal"] {
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); SHAPES.len()];
        let mut costs: Vec<Vec<f64>> = vec![Vec::new(); SHAPES.len()];
        for _ in 0..rounds {
            let tracker = Tracker::new().sync(sync).start();
            away(&tracker);
            let mut crowd = Crowd::new();
            for number in 0..SHAPES[SHAPES.len() - 1].0 {
                crowd.join(tracker.address, &hello(AWAY + number));
                crowd.answers(1);
            }
            crowd.quieten(Duration::from_millis(100));
            let mut sent = 0;
            for (shape, (rates, costs)) in SHAPES.iter().zip(rates.iter_mut().zip(&mut costs)) {
                let (rate, cost) = measure(&tracker, &mut crowd, *shape, &mut sent);
                rates.push(rate);
                costs.push(cost);
            }
        }
        for ((clients, window), (rates, costs)) in SHAPES.iter().zip(rates.iter().zip(&costs)) {
            let ratio = format!("{:.1}", median(rates) / median(&disk));
            let (cost, ratio) =
                (format!("{:.0}", median(costs)), if sync == "full" { ratio.as_str() } else { "" });
            let shape = [clients.to_string(), window.to_string()];
            let wanted = if sync == "full" { "2,000" } else { "" };
            table.row(&[sync, &shape[0], &shape[1], &spread_whole(rates), wanted, ratio, &cost]);
        }
    }
    table.row(&["(the disk: write, fdatasync)", "1", "1", &spread_whole(&disk), "", "1.0", ""]);
}

/// They come once, so that they are known, and leave.
fn away(tracker: &Program) {
    for first in (0..AWAY).step_by(100) {
        let mut crowd = Crowd::new();
        for number in first..first + 100 {
            crowd.join(tracker.address, &hello(number));
        }
        crowd.answers(100);
    }
    // Their messages are stored when the tracker saw that they are gone.
    let mut crowd = Crowd::new();
    crowd.join(tracker.address, &hello(AWAY));
    crowd.answers(1);
    let begin = Instant::now();
    let mut here = AWAY;
    while here > 1 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{here} are still here");
        crowd.send(0, b"{\"type\":\"stats\",\"id\":2}\n");
        let mut answered = false;
        while !answered {
            crowd.lines(Duration::from_secs(60), |_, line| {
                if is_answer(line) {
                    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
                    here = value["online"].as_u64().unwrap_or(0) as usize;
                    answered = true;
                }
            });
        }
    }
}

/// Messages a second, and microseconds of processor time of each.
fn measure(
    tracker: &Program,
    crowd: &mut Crowd,
    (clients, window): (usize, usize),
    sent: &mut usize,
) -> (f64, f64) {
    let mut line = || {
        // Each receiver in turn, so that no mailbox is full.
        let to = *sent % AWAY;
        *sent += 1;
        assert!(*sent <= AWAY * ROOM, "more messages than mailboxes hold");
        let text = "Mañana a las nueve en el aula 12, con los apuntes";
        format!("{}\n", json!({"type": "message", "id": 1, "to": format!("n{to}"), "text": text}))
    };
    let (begin, before) = (Instant::now(), tracker.processor());
    for who in 0..clients {
        for _ in 0..window {
            crowd.send(who, line().as_bytes());
        }
    }
    let (mut answered, mut open) = (0_u32, clients * window);
    while open > 0 {
        let mut again = Vec::new();
        crowd.lines(Duration::from_secs(60), |who, line| {
            if is_answer(line) {
                let is_kept = memchr::memmem::find(line, br#""durable":false"#).is_none();
                let is_stored = memchr::memmem::find(line, br#""stored":1"#).is_some();
                assert!(is_kept && is_stored, "{}", String::from_utf8_lossy(line));
                answered += 1;
                again.push(who);
            }
        });
        let goes_on = begin.elapsed() < ROUND;
        for who in again {
            if goes_on {
                crowd.send(who, line().as_bytes());
            } else {
                open -= 1;
            }
        }
    }
    let cost = (tracker.processor() - before) / f64::from(answered) * 1e6;
    (f64::from(answered) / begin.elapsed().as_secs_f64(), cost)
}
