//! The tracker as a service: settings that are read again, a log that is put aside.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::control::Control;
use e2e::ports::free_address;
use e2e::sentences::SOON;
use e2e::{Lab, Program, until};
use serde_json::json;

/// A program that must end well; what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("a program starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

pub(crate) fn hang_up(program: &Program) {
    run(Command::new("kill").args(["-HUP", &program.pid().to_string()]));
}

#[test]
fn settings_are_read_again_and_the_log_is_opened_again() {
    let lab = Lab::new();
    let mut tracker = lab.tracker_without_other_doors();
    let settings = tracker.folder().join("tracker.toml");
    let log = tracker.folder().join("tracker.log");
    let taken = tracker.folder().join("taken.log");
    let (mut ana, _) = Control::hello(tracker.address(), "ana", [1; 20], 7000);
    ana.ask(json!({"type": "message", "to": "ana", "text": "the first text"}));
    let has = |path: &Path, words: &str| {
        until(words, SOON, || std::fs::read_to_string(path).ok()?.contains(words).then_some(()));
    };
    has(&log, "the first text");

    std::fs::write(&settings, "log_messages = \"meta\"\nsync = \"normal\"\n").expect("a file of settings");
    std::fs::rename(&log, &taken).expect("the log is taken away");
    hang_up(tracker.program());
    tracker.program().line_with(0, &["reloaded", "log_messages = \"meta\""], SOON);
    tracker.program().line_with(0, &["after a restart only", "sync = \"normal\""], SOON);
    has(&log, "reloaded");
    ana.ask(json!({"type": "message", "to": "ana", "text": "the second text"}));
    ana.ask(json!({"type": "share", "name": "a last line", "size": 1, "piece_length": 16384, "info_hash_v1": "01".repeat(20)}));
    has(&log, "a last line");
    let written = std::fs::read_to_string(&log).expect("the new log");
    assert!(!written.contains("the second text"), "{written}");

    // What makes no sense changes nothing and is said.
    let told = tracker.program().mark();
    std::fs::write(&settings, "log_messages = 7\n").expect("a file of settings");
    hang_up(tracker.program());
    tracker.program().line_with(told, &["the settings stay as they are"], SOON);
    tracker.program().terminate();
    assert_eq!(tracker.program().exit_code(SOON), 0);
}

#[test]
fn a_log_is_put_aside_and_no_line_is_lost() {
    let lab = Lab::new();
    let folder = lab.folder("small");
    std::fs::write(folder.join("tracker.toml"), "log_megabytes = 1\nlog_files = 50\n").expect("settings");
    let address = free_address();
    let mut command = Command::new(lab.program("tracker"));
    command.args(["--no-http", "--listen", &address.to_string(), "--dir"]).arg(&folder);
    let mut tracker = Program::start("tracker", &mut command);
    tracker.line_with(0, &["Waiting for peers"], SOON);
    let (mut ana, _) = Control::hello(address, "ana", [1; 20], 7000);
    let shares = 2_000;
    for number in 1..=shares {
        let name = format!("{number:05} {}", "x".repeat(200));
        let hash = format!("{number:040x}");
        let request = json!({"type": "share", "name": name, "size": 1, "piece_length": 16384, "info_hash_v1": hash,
            "comment": "y".repeat(400)});
        // Asked too fast, it is asked again.
        until("the tracker takes it", SOON, || (ana.ask(request.clone())["type"] == "ok").then_some(()));
    }
    tracker.terminate();
    assert_eq!(tracker.exit_code(SOON), 0);
    let mut logs: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("tracker.log"))
        .collect();
    logs.sort();
    let all: String = logs.iter().filter_map(|log| std::fs::read_to_string(log).ok()).collect();
    assert!(logs.len() > 1, "{} bytes are in one file", all.len());
    for number in 1..=shares {
        assert!(all.contains(&format!("{number:05} xxx")), "{number} is missing");
    }
}
