//! The program `tracker` itself: its banner, console, log and endings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{self, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running tracker whose output is collected by a thread.
struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::sync::mpsc::Receiver<String>,
    address: SocketAddr,
    dir: TempDir,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["--listen", "127.0.0.1:0", "--dir"])
            .arg(dir.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, lines) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        let stdin = child.stdin.take();
        let mut program = Self { child, stdin, lines, address: "127.0.0.1:0".parse().unwrap(), dir };
        let line = program.line_with("  peers ");
        program.address = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        program.line_with("Waiting for peers");
        program
    }

    /// The next line of output that holds these words.
    fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(lab::PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no line with {words:?} came: {error}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    #[cfg(unix)]
    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for the end; the exit code.
    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + lab::PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            let _ = self.lines.recv_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_console_shows_what_happens_and_obeys() {
    let mut program = Program::start(&[]);
    let mut ana = Client::login(program.address, "ana", 1).await;
    let line = program.line_with("CONNECT");
    assert!(
        line.ends_with("1 online") && line.contains("CONNECT     ana    127.0.0.1:7001  test/1"),
        "{line}"
    );
    let mut bob = Client::login(program.address, "bob", 2).await;
    let entry = ana.share("linux.iso", 7).await;
    assert!(program.line_with("SHARE").contains(&format!("ana    linux.iso  1.00 MB  {entry}")));
    for (left, event) in [(1_000_000, "started"), (400_000, ""), (0, "completed")] {
        let mut progress = json!({"type": "progress", "entry": entry, "have": 0, "left": left, "downloaded": 1_000_000 - left});
        if !event.is_empty() {
            progress["event"] = json!(event);
        }
        assert_eq!(bob.ask(progress).await["type"], "ok");
    }
    assert!(program.line_with("DOWNLOAD").contains("bob    linux.iso  start   0.0 %  from ana"));
    assert!(program.line_with("DOWNLOAD").contains("50 %"));
    assert!(program.line_with("DOWNLOAD").contains("done    1.00 MB in "));
    bob.ask(json!({"type": "message", "to": "ana", "text": "ya \u{1b}[31m está\nfin\u{202e}"})).await;
    let line = program.line_with("MESSAGE");
    assert!(line.ends_with(r#"MESSAGE     bob -> ana  "ya \u{1b}[31m está\nfin\u{202e}""#), "{line}");
    ana.ask(json!({"type": "unshare", "entry": entry})).await;
    program.line_with("UNSHARE");

    program.type_line("status");
    program.line_with("2 online");
    program.type_line("peers");
    program.line_with("127.0.0.1:7002");
    program.type_line("shares lin");
    program.line_with("1/1 full");
    program.type_line("say a las 14:00 se acaba");
    assert_eq!(ana.push("notice").await["text"], "a las 14:00 se acaba");
    program.type_line("kick bbo");
    program.line_with("no one is called \"bbo\". Did you mean: bob ?");
    program.type_line("kick bob too loud");
    let last = bob.rest().await.pop().unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("kick"), &json!("too loud")));
    assert!(program.line_with("DISCONNECT").contains("bob    kicked (too loud)"));
    program.type_line("sttus");
    program.line_with("Did you mean: status ?");
    drop(ana);
    assert!(program.line_with("DISCONNECT").ends_with("0 online"));
    program.type_line("stop");
    assert_eq!(program.end(), Some(0));

    let log = std::fs::read_to_string(program.dir.path().join("tracker.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    let expected = [
        "connect",
        "connect",
        "share",
        "download",
        "download",
        "download",
        "message",
        "unshare",
        "notice",
        "kick",
        "disconnect",
        "disconnect",
    ];
    assert_eq!(actions, expected);
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "the log holds no character that steers a terminal");
}

#[tokio::test]
async fn the_end_of_input_is_no_end_and_a_signal_is_a_clean_one() {
    let mut program = Program::start(&["--log-messages", "meta"]);
    drop(program.stdin.take());
    let mut ana = Client::login(program.address, "ana", 1).await;
    ana.ask(json!({"type": "message", "to": "ana", "text": "secreto"})).await;
    let line = program.line_with("MESSAGE");
    assert!(line.ends_with("ana -> ana  (7 bytes)"), "{line}");
    #[cfg(unix)]
    {
        program.terminate();
        let last = ana.rest().await.pop().unwrap();
        assert_eq!((&last["type"], &last["reason"]), (&json!("bye"), &json!("the tracker stops")));
        assert_eq!(program.end(), Some(0));
        let log = std::fs::read_to_string(program.dir.path().join("tracker.log")).unwrap();
        assert!(log.contains("1 peer was told") && !log.contains("secreto"), "{log}");
    }
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tracker"))
        .args(arguments)
        .env("TRACKER_MAX_PEERS", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn mistakes_are_one_or_two_lines_and_a_code() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, _, complaint) = run(&["--dir", folder, "--listen", &address.to_string()]);
    assert_eq!(code, Some(11));
    assert!(complaint.starts_with(&format!("Port {} is in use", address.port())), "{complaint}");
    assert!(complaint.contains("\n  try: tracker --port ") && complaint.lines().count() == 2, "{complaint}");

    let (code, _, complaint) = run(&["--prot", "5"]);
    assert!(code == Some(2) && complaint.contains("--port"), "{complaint}");
    let (code, _, complaint) = run(&["--dir", folder, "--listen", "here"]);
    assert!(code == Some(2) && complaint.contains("\"here\" is not an address"), "{complaint}");
    let (code, _, complaint) = run(&["--dir", folder, "--listen", "203.0.113.1:5000"]);
    assert!(code == Some(2) && complaint.contains("not an address of this machine"), "{complaint}");

    std::fs::write(dir.path().join("tracker.toml"), "lissten = ':7000'\n").unwrap();
    let (code, _, complaint) = run(&["--dir", folder]);
    assert!(code == Some(2) && complaint.contains("lissten"), "{complaint}");
    std::fs::write(dir.path().join("tracker.toml"), "listen = ':7000'\nlog_messages = 'meta'\n").unwrap();
    let (code, shown, _) = run(&["config", "--dir", folder, "--log-messages", "off"]);
    assert_eq!(code, Some(0));
    let has =
        |key: &str, origin: &str| shown.lines().any(|line| line.starts_with(key) && line.ends_with(origin));
    assert!(has("listen = \":7000\"", "# file") && has("log_messages = \"off\"", "# flag"), "{shown}");
    assert!(has("max_peers = 10000", "# default"), "{shown}");

    let (code, help, _) = run(&["--help"]);
    assert!(code == Some(0) && help.contains("--log-messages"), "{help}");
}

fn run_in(dir: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_tracker")).arg("--dir").arg(dir).args(arguments).output().unwrap()
}

#[tokio::test]
async fn a_backup_and_an_export_hold_what_a_running_tracker_remembers() {
    let program = Program::start(&[]);
    let dir = program.dir.path().to_owned();
    let mut ana = Client::login(program.address, "ana", 1).await;
    let mut bob = Client::login(program.address, "bob", 2).await;
    bob.ask(json!({"type": "bye"})).await;
    ana.share("linux.iso", 7).await;
    let answer = ana.ask(json!({"type": "message", "to": "bob", "text": "ya esta"})).await;
    assert_eq!(answer["stored"], 1, "{answer}");

    let copies = TempDir::new().unwrap();
    let copy = copies.path().join("tracker.db");
    let backup = ["backup", copy.to_str().unwrap()];
    assert!(run_in(&dir, &backup).status.success());
    // A second time would write over the first.
    assert_eq!(run_in(&dir, &backup).status.code(), Some(5));
    for dir in [dir.as_path(), copies.path()] {
        let output = run_in(dir, &["export", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let lines: Vec<Value> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
        let nicks: Vec<&str> = of("person").iter().filter_map(|line| line["nick"].as_str()).collect();
        assert_eq!(nicks, ["ana", "bob"]);
        assert_eq!((&of("share")[0]["name"], &of("share")[0]["by"]), (&json!("linux.iso"), &json!(["ana"])));
        assert_eq!((&of("message")[0]["text"], &of("message")[0]["to"]), (&json!("ya esta"), &json!("bob")));
    }
    let nowhere = TempDir::new().unwrap();
    assert_eq!(run_in(nowhere.path(), &["export", "--json"]).status.code(), Some(2));
    assert_eq!(run_in(nowhere.path(), &["export"]).status.code(), Some(2));
}
