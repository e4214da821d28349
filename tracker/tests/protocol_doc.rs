//! docs/protocol.md does what it says: its examples are read, its Python client is run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod lab;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use lab::{Client, tracker};
use serde_json::json;
use shared::control::{
    Ask, Browse, Code, ConnectBack, Find, FromTracker, Hello, History, Ignore, Join, Message, Ping, Progress,
    Push, Request, Rooms, Search, Share, SourcesOf, StatsOf, Who, parse_from_tracker, parse_request,
};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_logs_in_lists_and_talks() {
    let client = block("python");
    assert!(client.lines().filter(|line| !line.trim().is_empty()).count() <= 22, "about twenty lines");
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no python3 on this machine");
        return;
    }
    let tracker = tracker().await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    let entry = ana.share("película.mkv", 7).await;
    let address = tracker.local_addr().to_string();
    let run = move || Command::new("python3").args(["-c", client, &address, "ana"]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [&format!("{entry} 1000000 1 'pel\\xedcula.mkv'"), "delivered to 1"]
    );
    let heard = ana.push("message").await;
    assert_eq!((&heard["from"], &heard["text"]), (&json!("ana2"), &json!("hello from ana2")));
    assert_eq!(ana.push("peer_left").await["reason"], "left");
    tracker.stop().await;
}
