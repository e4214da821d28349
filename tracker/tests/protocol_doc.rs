//! docs/protocol.md does what it says: its examples are read, its Python client is run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::lab::{self, Client, tracker};
use serde_json::{Value, json};
use shared::control::{
    Ask, Browse, Code, ConnectBack, Find, FromTracker, Hello, History, Ignore, Join, Message, Ping, Progress,
    Push, Request, Rooms, Search, Share, SourcesOf, StatsOf, Who, parse_from_tracker, parse_request,
};
use tracker::Tracker;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// The first fenced block of this kind.
fn block(kind: &str) -> &'static str {
    let start = DOCUMENT.find(&format!("```{kind}\n")).unwrap() + kind.len() + 4;
    let block = &DOCUMENT[start..];
    &block[..block.find("```").unwrap()]
}

/// Whether an answer has the shape that the request with the same id asks for.
fn fits(request: &Request, answer: shared::control::OkLine) -> bool {
    fn reads<T: Ask>(answer: shared::control::OkLine) -> bool {
        answer.read::<T::Answer>().is_ok()
    }
    match request {
        Request::Hello(_) => reads::<Hello>(answer),
        Request::Share(_) => reads::<Share>(answer),
        Request::Search(_) => reads::<Search>(answer),
        Request::Browse(_) => reads::<Browse>(answer),
        Request::Find(_) => reads::<Find>(answer),
        Request::SourcesOf(_) => reads::<SourcesOf>(answer),
        Request::Progress(_) => reads::<Progress>(answer),
        Request::Message(_) => reads::<Message>(answer),
        Request::History(_) => reads::<History>(answer),
        Request::Who(_) => reads::<Who>(answer),
        Request::ConnectBack(_) => reads::<ConnectBack>(answer),
        Request::StatsOf(_) => reads::<StatsOf>(answer),
        Request::Ping(_) => reads::<Ping>(answer),
        Request::Join(_) => reads::<Join>(answer),
        Request::Rooms(_) => reads::<Rooms>(answer),
        Request::Ignore(_) | Request::Unignore(_) => reads::<Ignore>(answer),
        Request::Unshare(_) | Request::Bye(_) | Request::Leave(_) | Request::Away(_) | Request::Back(_) => {
            true
        }
    }
}

#[test]
fn every_example_is_read_and_every_request_has_one() {
    let mut requests = std::collections::BTreeMap::new();
    let mut pushes = 0;
    for line in DOCUMENT.lines() {
        if let Some(sent) = line.strip_prefix("→ ") {
            let (id, request) =
                parse_request(sent.as_bytes()).unwrap_or_else(|error| panic!("{sent}: {error}"));
            assert!(requests.insert(id.unwrap(), request).is_none(), "ids differ: {sent}");
        }
        if let Some(said) = line.strip_prefix("← ") {
            match parse_from_tracker(said.as_bytes()).unwrap_or_else(|error| panic!("{said}: {error}")) {
                FromTracker::Ok(answer) => {
                    let request = &requests[&answer.id.unwrap()];
                    assert!(fits(request, answer), "{said}");
                }
                FromTracker::Refused { refusal, .. } => assert_ne!(refusal.code, Code::Other, "{said}"),
                FromTracker::Push(push) => {
                    assert_ne!(*push, Push::Unknown, "{said}");
                    pushes += 1;
                }
            }
        }
        if line.starts_with("{\"type\"") {
            parse_request(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
    let words: BTreeSet<&str> = requests.values().map(Request::word).collect();
    assert_eq!(words, Request::WORDS.iter().copied().collect());
    assert_eq!(pushes, 12);
    for code in Code::ALL.iter().filter(|code| **code != Code::Stopping) {
        assert!(DOCUMENT.contains(&format!("`{}`", code.word())), "{} is explained", code.word());
    }
}

/// Is the program here? With `CI=true` it must be.
#[expect(clippy::print_stdout, reason = "who runs the tests is told what was not tried")]
fn is_here(program: &str, argument: &str) -> bool {
    let output = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(output.is_ok() || !ci, "{program} is missing, and CI=true");
    if output.is_err() {
        println!("SKIPPED: there is no {program} on this machine");
    }
    output.is_ok()
}

/// Types lines into a program and gives what it printed, line by line as JSON.
fn typed(mut command: Command, lines: String) -> Vec<Value> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let typing = std::thread::spawn(move || {
        // It may end before all is typed; then its output tells why.
        let _ = input.write_all(lines.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}: {err}"))).collect()
}

/// Everything is granted but to be dialled, as this client has no port.
fn fits_line(line: &str, answer: &Value) {
    let (key, expected) =
        if line.starts_with("connect_back") { ("code", "bad_field") } else { ("type", "ok") };
    assert_eq!(answer[key], expected, "{line}: {answer}");
}

/// What bob has by the others' doing.
async fn hears(bob: &mut Client) {
    let mut said = Vec::new();
    while said.len() < 3 {
        let push = bob.push("message").await;
        assert_eq!(push["from"], "ana");
        said.push((push["to"].as_str().unwrap().to_owned(), push["text"].as_str().unwrap().to_owned()));
    }
    let expected = [("bob", "ya está"), ("@aula1", "empezamos en 5 min"), ("*", "hola")]
        .map(|(to, text)| (to.to_owned(), text.to_owned()));
    assert_eq!(said, expected);
}

async fn bob(tracker: &Tracker) -> Client {
    let mut bob = Client::connect(tracker.local_addr()).await;
    let mut hello = lab::hello("bob", 2);
    hello["peer_id"] = json!("2d4152303130302d0123456789abcdef01234567");
    assert_eq!(bob.ask(hello).await["type"], "welcome");
    bob.ask(json!({"type": "join", "room": "@aula1"})).await;
    bob
}

/// The lines that a person types, as the document shows them.
fn session() -> impl Iterator<Item = &'static str> {
    block("console").lines().skip(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_does_all_that_a_peer_does_but_the_bytes() {
    let client = block("python");
    assert!(client.lines().filter(|line| !line.trim().is_empty()).count() <= 25, "about twenty lines");
    let mut words: BTreeSet<&str> = session().map(|line| line.split(' ').next().unwrap()).collect();
    words.insert("hello");
    assert_eq!(words, Request::WORDS.iter().copied().collect());
    if !is_here("python3", "--version") {
        return;
    }
    let tracker = tracker().await;
    let mut bob = bob(&tracker).await;
    let mut command = Command::new("python3");
    command.args(["-c", client, &tracker.local_addr().to_string(), "ana"]);
    let lines = session().flat_map(|line| [line, "\n"]).collect::<String>();
    let said = tokio::task::spawn_blocking(move || typed(command, lines)).await.unwrap();
    let answers: Vec<&Value> = said.iter().filter(|line| line["id"] == 1).collect();
    assert_eq!(answers.len(), 1 + session().count());
    for (answer, line) in answers.iter().skip(1).zip(session()) {
        fits_line(line, answer);
    }
    let of = |line: &str| answers[1 + session().position(|typed| typed.starts_with(line)).unwrap()];
    assert_eq!(answers[0]["nick"], "ana");
    assert_eq!(of("share")["entry"], "9c1e47");
    assert_eq!(of("search")["entries"][0]["name"], "notas.txt");
    assert_eq!((&of("browse")["total"], &of("find")["size"]), (&json!(1), &json!(5)));
    assert_eq!(of("message to=@aula1")["delivered"], 1);
    assert_eq!(of("history")["messages"][0]["text"], "ya está");
    assert_eq!((&of("who room")["total"], &of("who room")["peers"][0]["nick"]), (&json!(2), &json!("ana")));
    assert_eq!((&of("ignore")["ignored"], &of("unignore")["ignored"]), (&json!(["bob"]), &json!([])));
    hears(&mut bob).await;
    assert_eq!(bob.push("peer_left").await["reason"], "left");
    tracker.stop().await;
}

/// A request as the client of the document makes it of a line.
fn request(line: &str) -> String {
    let mut fields = serde_json::Map::new();
    let mut rest = line;
    let word = rest.split(' ').next().unwrap();
    fields.insert("type".to_owned(), json!(word));
    rest = &rest[word.len()..];
    while let Some((key, after)) = rest.trim_start().split_once('=') {
        let (text, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        fields.insert(key.to_owned(), value);
        rest = after;
    }
    Value::Object(fields).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn netcat_does_the_same_with_lines_of_json() {
    if !is_here("nc", "-h") {
        return;
    }
    let tracker = tracker().await;
    let mut bob = bob(&tracker).await;
    let mut command = Command::new("nc");
    let address = tracker.local_addr();
    command.args(["-N", &address.ip().to_string(), &address.port().to_string()]);
    let hello =
        json!({"type": "hello", "version": 1, "nick": "ana", "peer_id": "07".repeat(20), "ports": []});
    let lines = std::iter::once(hello.to_string()).chain(session().map(request));
    // Without an `id`, as a person would type them: the answers come in order.
    let lines = lines.map(|line| line + "\n").collect::<String>();
    let said = tokio::task::spawn_blocking(move || typed(command, lines)).await.unwrap();
    let answers: Vec<&Value> = said
        .iter()
        .filter(|line| ["welcome", "ok", "error"].iter().any(|word| line["type"] == *word))
        .collect();
    assert_eq!(answers.len(), 1 + session().count(), "{answers:?}");
    assert_eq!(answers[0]["type"], "welcome");
    for (answer, line) in answers.iter().skip(1).zip(session()) {
        fits_line(line, answer);
    }
    hears(&mut bob).await;
    assert_eq!(bob.push("peer_left").await["reason"], "left");
    tracker.stop().await;
}
