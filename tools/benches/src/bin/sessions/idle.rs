//! Sessions that do nothing, and many that come at once.

use std::time::{Duration, Instant};

use benches::figures::spread;

use crate::crowd::{Crowd, is_answer};
use crate::programs::Tracker;
use crate::table::Table;

/// Sessions that stay.
const SESSIONS: usize = 10_000;
/// Sessions that come at once.
const AT_ONCE: usize = 1_000;

/// The first line of a peer that is known by this number.
pub(crate) fn hello(number: usize) -> String {
    format!(
        r#"{{"type":"hello","id":1,"version":1,"nick":"n{number}","peer_id":"{number:040x}","ports":[6881],"agent":"bench/1"}}"#
    ) + "\n"
}

/// Memory and handles of sessions.
pub(crate) fn sessions(table: &mut Table) {
    let tracker = Tracker::new().start();
    let mut crowd = Crowd::new();
    // What a tracker takes anyway is there when the first has come.
    crowd.join(tracker.address, &hello(SESSIONS));
    crowd.answers(1);
    let (bytes, open, begin) = (tracker.resident(), tracker.handles(), Instant::now());
    for number in 0..SESSIONS {
        crowd.join(tracker.address, &hello(number));
        if number % 100 == 99 {
            crowd.answers(100);
        }
    }
    crowd.quieten(Duration::from_millis(200));
    let seconds = format!("{:.1}", begin.elapsed().as_secs_f64());
    let memory = format!("{:.1}", (tracker.resident() - bytes) / SESSIONS as f64 / 1_024.0);
    let handles = format!("{:.2}", (tracker.handles() - open) as f64 / SESSIONS as f64);
    table.row(&["10,000 idle sessions: KiB each", &memory, "12 or less"]);
    table.row(&["... handles each", &handles, "1"]);
    table.row(&["... until all had come, a hundred at a time, and all heard of all: s", &seconds, ""]);
    let used = format!("{:.1}", tracker.processor());
    table.row(&["... processor time of the tracker: s", &used, ""]);
}

/// How long many logins at once take.
pub(crate) fn logins(rounds: usize, table: &mut Table) {
    let (mut answered, mut told, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let tracker = Tracker::new().start();
        let mut crowd = Crowd::new();
        let (begin, before) = (Instant::now(), tracker.processor());
        for number in 0..AT_ONCE {
            crowd.join(tracker.address, &hello(number));
        }
        let (mut welcomed, mut last, mut heard) = (0, begin, begin);
        while heard.elapsed() < Duration::from_millis(300) {
            crowd.lines(Duration::from_millis(20), |_, line| {
                heard = Instant::now();
                if is_answer(line) {
                    (welcomed, last) = (welcomed + 1, heard);
                }
            });
        }
        assert_eq!(welcomed, AT_ONCE);
        answered.push(last.duration_since(begin).as_secs_f64());
        told.push(heard.duration_since(begin).as_secs_f64());
        used.push(tracker.processor() - before);
    }
    table.row(&["1,000 logins at once: s until the last is answered", &spread(&answered, 3), "1 or less"]);
    table.row(&["... until all heard of all: s", &spread(&told, 3), ""]);
    table.row(&["... processor time of the tracker: s", &spread(&used, 2), ""]);
}
