//! The tracker's disk fails it: full, read-only, held by another program, damaged. It says so in one line,
//! serves on, and nothing that it said `ok` to is lost.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::control::Control;
use e2e::small_disk::{SmallDisk, fill_up};
use e2e::{Lab, Tracker, skip, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn share(control: &mut Control, number: u8) -> Value {
    let answer = control.ask(json!({"type": "share", "name": format!("file {number}"), "size": 1000,
        "piece_length": 16384, "info_hash_v1": format!("{number:02x}").repeat(20)}));
    assert_eq!(answer["type"], "ok", "{answer}");
    answer
}

fn shared(control: &mut Control) -> Vec<String> {
    let answer = control.ask(json!({"type": "search", "query": "file"}));
    let entries = answer["entries"].as_array().expect("a list").iter();
    let mut names: Vec<String> =
        entries.map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

/// Shares again and again until it is kept.
fn is_kept_again(control: &mut Control, number: u8) {
    until("what happens to be kept again", SOON, || {
        let entry = share(control, number)["entry"].clone();
        control.ask(json!({"type": "unshare", "entry": entry}));
        share(control, number)["durable"].is_null().then_some(())
    });
}

/// The one line about the trouble: what, and what to try.
fn trouble(tracker: &mut Tracker, from: usize, words: &[&str]) -> String {
    let line = tracker.program().line_with(from, words, SOON);
    assert!(line.contains("try: "), "{line}");
    println!("{line}");
    line
}

fn small_disk(folder: &Path) -> Option<SmallDisk> {
    SmallDisk::mount(folder, 4)
        .map_err(|reason| println!("SKIPPED: a small disk cannot be mounted here: {reason}"))
        .ok()
}

#[test]
fn a_full_and_then_a_read_only_disk_cost_nothing_that_was_kept() {
    let lab = Lab::new();
    let folder = lab.folder("tracker");
    let Some(disk) = small_disk(&folder) else { return };
    let mut tracker = lab.tracker();
    let mut ana = tracker.control("ana");
    assert_eq!(share(&mut ana, 1)["durable"], Value::Null);

    let filler = folder.join("filler");
    fill_up(&filler);
    let text = "x".repeat(3_000);
    until("the disk to be full for the tracker too", SOON, || {
        (ana.ask(json!({"type": "message", "to": "*", "text": text}))["durable"] == false).then_some(())
    });
    assert_eq!(share(&mut ana, 2)["durable"], false);
    let line = trouble(&mut tracker, 0, &["nothing can be kept", "the disk is full"]);
    assert_eq!(shared(&mut ana), ["file 1", "file 2"], "it serves on");
    tracker.program().type_line("status");
    tracker.program().line_with(0, &["nothing is kept on disk: the disk is full"], SOON);
    std::fs::remove_file(&filler).expect("the filler goes");
    is_kept_again(&mut ana, 3);
    tracker.program().line_with(0, &["kept on disk again"], SOON);
    assert_eq!(tracker.program().lines().iter().filter(|said| **said == line).count(), 1, "said once");
    tracker.kill();

    // What was not kept while the disk was full is kept since.
    disk.set_read_only(true);
    tracker.restart();
    let mut ana = tracker.control("ana");
    assert_eq!(shared(&mut ana), ["file 1", "file 2", "file 3"]);
    assert_eq!(share(&mut ana, 4)["durable"], false);
    trouble(&mut tracker, 0, &["nothing can be kept", "cannot be written to"]);
    disk.set_read_only(false);
    is_kept_again(&mut ana, 5);
    tracker.kill();
    tracker.restart();
    assert_eq!(shared(&mut tracker.control("eva")), ["file 1", "file 2", "file 3", "file 4", "file 5"]);
    tracker.kill();
}

/// Another program that writes to a database and does not end.
struct Holder(Child);

impl Holder {
    fn of(database: &Path) -> Self {
        let script = "import sqlite3, sys\nheld = sqlite3.connect(sys.argv[1])\n\
                      held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "held");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_database_that_another_program_holds_is_served_from_and_kept_to_later() {
    if !skip::unless_here("python3", "python3") {
        return;
    }
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut ana = tracker.control("ana");
    assert_eq!(share(&mut ana, 1)["durable"], Value::Null);
    let database = tracker.folder().join("tracker.db");
    let holder = Holder::of(&database);
    assert_eq!(share(&mut ana, 2)["durable"], false);
    trouble(&mut tracker, 0, &["nothing can be kept", "locked by another program"]);
    tracker.kill();
    // It starts also where the database is held from the beginning.
    tracker.restart();
    let mut ana = tracker.control("ana");
    assert_eq!(shared(&mut ana), ["file 1"]);
    assert_eq!(share(&mut ana, 3)["durable"], false);
    drop(holder);
    is_kept_again(&mut ana, 4);
    tracker.kill();
    tracker.restart();
    assert_eq!(shared(&mut tracker.control("eva")), ["file 1", "file 3", "file 4"]);
}

fn beginning_with(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path());
    files
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning)))
        .collect()
}

#[test]
fn a_damaged_database_is_put_aside_and_comes_back_from_peers_and_backup() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let folder = tracker.folder().to_owned();
    let mut peer = lab.peer("peer", &tracker).started();
    let notes = lab.folder("source").join("notes.txt");
    std::fs::write(&notes, "what is to be learnt").expect("a file");
    peer.share(&notes);
    let (mut eva, _) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    eva.ask(json!({"type": "join", "room": "@aula1"}));
    eva.ask(json!({"type": "bye"}));
    let mut ana = tracker.control("ana");
    share(&mut ana, 1);
    assert_eq!(ana.ask(json!({"type": "message", "to": "eva", "text": "mañana a las 9"}))["stored"], 1);
    let backup = folder.join("monday.db");
    let mut command = Command::new(lab.program("tracker"));
    let copied = command.arg("backup").arg(&backup).arg("--dir").arg(&folder).output().expect("the tracker");
    assert!(copied.status.success(), "{copied:?}");
    share(&mut ana, 2);
    tracker.kill();

    // Nothing of the file itself can be read, and its log, which alone would hold everything still, is gone.
    let database = folder.join("tracker.db");
    let garbage = vec![0x5a; 20_000];
    std::fs::write(&database, &garbage).expect("the database");
    for log in ["tracker.db-wal", "tracker.db-shm"] {
        let _ = std::fs::remove_file(folder.join(log));
    }
    tracker.restart();
    let line = trouble(&mut tracker, 0, &["is damaged", "monday.db"]);
    let aside = beginning_with(&folder, "tracker.db.damaged-");
    assert!(line.contains(&aside[0].display().to_string()), "{line}: {aside:?}");
    assert_eq!(std::fs::read(&aside[0]).expect("it is kept"), garbage);
    // From the backup: what was shared, rooms, and mail. From the peer: what it shares.
    let (mut eva, welcome) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    assert_eq!(welcome["missed"], 1);
    assert_eq!(eva.push("message", SOON)["text"], "mañana a las 9");
    let rooms = eva.ask(json!({"type": "rooms"}));
    assert_eq!((&rooms["rooms"][0]["room"], &rooms["rooms"][0]["joined"]), (&json!("@aula1"), &json!(true)));
    assert_eq!(shared(&mut eva), ["file 1"]);
    until("the peer to share again", SOON, || {
        let found = eva.ask(json!({"type": "find", "name": "notes.txt"}));
        (found["sources"] == 1).then_some(())
    });
    assert_eq!(share(&mut eva, 3)["durable"], Value::Null);
    tracker.kill();
    tracker.restart();
    assert_eq!(shared(&mut tracker.control("ana")), ["file 1", "file 3"]);
    assert!(!tracker.program().lines().iter().any(|line| line.contains("damaged")), "it is well again");
}

/// Overwrites the pages of a file around the first place of some words, which is in its middle half.
fn damage_around(file: &Path, words: &str) -> Vec<u8> {
    const PAGE: usize = 4_096;
    let mut bytes = std::fs::read(file).expect("the database");
    let place = bytes.windows(words.len()).position(|part| part == words.as_bytes()).expect("the words");
    let pages = (place / PAGE - 2) * PAGE..(place / PAGE + 3) * PAGE;
    assert!(bytes.len() / 4 < pages.start && pages.end < bytes.len() * 3 / 4, "{pages:?} of {}", bytes.len());
    bytes[pages].fill(0xa5);
    std::fs::write(file, &bytes).expect("the database");
    bytes
}

#[test]
fn what_stands_before_and_behind_damage_is_salvaged_and_peers_bring_the_rest() {
    let lab = Lab::new();
    let settings = "messages_per_second = 10000\nmessage_kilobytes_per_second = 100000\n";
    std::fs::write(lab.folder("tracker").join("tracker.toml"), settings).expect("the settings");
    let mut tracker = lab.tracker();
    let folder = tracker.folder().to_owned();
    let mut peer = lab.peer("peer", &tracker).started();
    peer.is_connected();
    let (mut eva, _) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    eva.ask(json!({"type": "join", "room": "@aula1"}));
    eva.ask(json!({"type": "bye"}));
    let mut ana = tracker.control("ana");
    share(&mut ana, 1);
    assert_eq!(ana.ask(json!({"type": "message", "to": "eva", "text": "first"}))["stored"], 1);
    let text = "x".repeat(3_000);
    let fill = |control: &mut Control| {
        let ids = (0..40).map(|_| control.ask(json!({"type": "message", "to": "*", "text": text})));
        ids.map(|said| said["message"].as_u64().unwrap_or_else(|| panic!("{said}"))).collect::<Vec<u64>>()
    };
    let before = fill(&mut ana);
    let notes = lab.folder("source").join("notes.txt");
    std::fs::write(&notes, "what is to be learnt").expect("a file");
    peer.share(&notes);
    let behind = fill(&mut ana);
    assert_eq!(ana.ask(json!({"type": "message", "to": "eva", "text": "last"}))["stored"], 1);
    share(&mut ana, 2);
    tracker.program().type_line("stop");
    assert_eq!(tracker.program().exit_code(SOON), 0);

    let damaged = damage_around(&folder.join("tracker.db"), "\"name\":\"notes.txt\"");
    tracker.restart();
    let line = trouble(&mut tracker, 0, &["is damaged", "events that could be read", "peers bring back"]);
    assert!(!line.contains("from the backup"), "{line}");
    let aside = beginning_with(&folder, "tracker.db.damaged-");
    assert!(line.contains(&aside[0].display().to_string()), "{line}: {aside:?}");
    assert_eq!(std::fs::read(&aside[0]).expect("it is kept"), damaged);

    let (mut eva, welcome) = Control::hello(tracker.address(), "eva", [7; 20], 7_000);
    assert_eq!(welcome["missed"], 2);
    assert_eq!(eva.push("message", SOON)["text"], "first");
    assert_eq!(eva.push("message", SOON)["text"], "last");
    let rooms = eva.ask(json!({"type": "rooms"}));
    assert_eq!((&rooms["rooms"][0]["room"], &rooms["rooms"][0]["joined"]), (&json!("@aula1"), &json!(true)));
    assert_eq!(shared(&mut eva), ["file 1", "file 2"], "nobody who has them is here");
    let mut said = |before: u64| {
        let answer = eva.ask(json!({"type": "history", "with": "*", "before": before, "limit": 3}));
        let said = answer["messages"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        said.map(|past| past["message"].as_u64().expect("an id")).collect::<Vec<u64>>()
    };
    assert_eq!(said(before[3]), before[..3]);
    assert_eq!(said(behind[39] + 1), behind[37..]);
    assert!(said(behind[0]) != before[37..], "what stood in the damage is gone");
    until("the peer to share again", SOON, || {
        let found = eva.ask(json!({"type": "find", "name": "notes.txt"}));
        (found["sources"] == 1).then_some(())
    });

    tracker.kill();
    tracker.restart();
    let mut ana = tracker.control("ana");
    assert_eq!(shared(&mut ana), ["file 1", "file 2"]);
    assert_eq!(ana.ask(json!({"type": "find", "name": "notes.txt"}))["name"], "notes.txt");
    assert!(!tracker.program().lines().iter().any(|line| line.contains("damaged")), "it is well again");
}
