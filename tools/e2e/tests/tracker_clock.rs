//! The clock of the tracker's machine jumps by a day, forward and back: nobody is sent away, nothing comes
//! twice or in another order, and a ban ends when it should.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::control::Control;
use e2e::{Lab, skip, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const DAY: u64 = 86_400_000;

/// The library that tells a program another time, where it lies.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|folder| Some(folder.ok()?.path()));
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|file| file.is_file())
}

fn set_clock(file: &Path, offset: &str) {
    // Renamed into its place: the tracker reads it whenever it wants to know the time.
    let new = file.with_extension("new");
    std::fs::write(&new, offset).expect("the clock");
    std::fs::rename(&new, file).expect("the clock");
}

fn time(control: &mut Control) -> u64 {
    control.ask(json!({"type": "ping"}))["time"].as_u64().expect("a time")
}

#[test]
fn a_clock_that_jumps_by_a_day_sends_nobody_away() {
    let Some(library) = library() else {
        skip::without("libfaketime", "sudo apt-get install faketime");
        return;
    };
    let lab = Lab::new();
    let clock = lab.folder("clock").join("now");
    set_clock(&clock, "+0");
    let [preload, file] = [("LD_PRELOAD", &library), ("FAKETIME_TIMESTAMP_FILE", &clock)]
        .map(|(name, value)| format!("{name}={}", value.display()));
    // The clock that only counts is not the one that jumps.
    let words = ["env", &preload, &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let mut tracker = lab.tracker_through(&words);
    let (mut eva, _) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    eva.ask(json!({"type": "bye"}));
    let mut ana = tracker.control("ana");
    let bob = lab.peer("bob", &tracker).started();
    let is_here = |ana: &mut Control| {
        let who = ana.ask(json!({"type": "who"}));
        who["peers"].as_array().expect("a list").iter().any(|peer| peer["nick"] == "bob")
    };
    until("bob to be here", SOON, || is_here(&mut ana).then_some(()));
    let begun = time(&mut ana);
    tracker.program().type_line("ban 10.9.8.7 60m noise");
    tracker.program().line_with(0, &["BAN", "10.9.8.7"], SOON);

    let mut said = Vec::new();
    for (number, offset) in ["+0", "+1d", "+0", "-1d", "+0"].into_iter().enumerate() {
        set_clock(&clock, offset);
        let days = match offset {
            "+1d" => begun + DAY,
            "-1d" => begun - DAY,
            _ => begun,
        };
        until("the clock to have jumped", SOON, || (time(&mut ana).abs_diff(days) < DAY / 4).then_some(()));
        let text = format!("message {number}");
        let answer = ana.ask(json!({"type": "message", "to": "eva", "text": text}));
        assert_eq!(answer["stored"], 1, "{answer}");
        said.push(text);
        assert!(is_here(&mut ana), "{offset}: bob stayed");
        // A ban of an hour is over a day later, and holds at each time before.
        let mark = tracker.program().mark();
        tracker.program().type_line("bans");
        let line = tracker.program().line_where(mark, "the bans", SOON, |line| {
            line.contains("10.9.8.7") || line.contains("Everyone may")
        });
        assert_eq!(line.contains("10.9.8.7"), offset != "+1d", "{offset}: {line}");
    }
    let history = ana.ask(json!({"type": "history", "with": "eva"}));
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(texts(&history["messages"]), said, "in the order in which they were said");
    let lines = tracker.program().lines();
    assert!(!lines.iter().any(|line| line.contains("DISCONNECT  bob")), "{}", lines.join("\n"));

    // Also when the tracker is killed and the clock is behind what it remembers.
    tracker.kill();
    set_clock(&clock, "-1d");
    tracker.restart();
    let (mut eva, welcome) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    assert_eq!(welcome["missed"], 5);
    let mail: Vec<String> =
        (0..5).map(|_| eva.push("message", SOON)["text"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(mail, said);
    drop(bob);
}
