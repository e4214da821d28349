//! Clients at a live tracker: what they find, hear and are told when something goes wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use crate::lab::{self, Client, PATIENCE, hello, peer_id, tracker, tracker_with};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracker::TrackerConfig;

/// Whoever speaks may speak as fast as the tracker hears.
fn without_rates(config: &mut TrackerConfig) {
    let unlimited = registry::Rate { burst: 1 << 40, per_second: 1 << 40 };
    config.registry.message_bytes = unlimited;
    config.registry.messages = unlimited;
    config.registry.requests = unlimited;
}

#[tokio::test]
async fn two_peers_share_find_follow_talk_and_leave() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut ana = Client::connect(address).await;
    let welcome = ana.ask(hello("ana", 1)).await;
    assert_eq!((&welcome["type"], &welcome["nick"]), (&json!("welcome"), &json!("ana")));
    assert_eq!((&welcome["interval"], &welcome["online"]), (&json!(30), &json!(1)));
    assert_eq!(welcome["policy"]["message_log"], "full");
    let mut bob = Client::login(address, "bob", 2).await;
    assert_eq!(ana.push("peer_joined").await["nick"], "bob");

    let entry = ana.share("Película.mkv", 7).await;
    let told = bob.push("shared").await;
    assert_eq!(
        (&told["nick"], &told["entry"], &told["kind"]),
        (&json!("ana"), &json!(entry), &json!("video"))
    );
    let found = bob.ask(json!({"type": "search", "query": "pelicula"})).await;
    assert_eq!((&found["total"], &found["entries"][0]["entry"]), (&json!(1), &json!(entry)));
    let found = bob.ask(json!({"type": "find", "name": "película.mkv"})).await;
    assert_eq!(found["info_hash_v1"], "07".repeat(20));

    let sources = ana.ask(json!({"type": "sources", "entry": entry, "subscribe": true})).await;
    assert_eq!(
        (&sources["sources"], &sources["total"], &sources["subscribed"]),
        (&json!([]), &json!(1), &json!(true))
    );
    let sources = bob.ask(json!({"type": "sources", "entry": format!("#{entry}")})).await;
    assert_eq!(sources["sources"][0]["addresses"], json!(["127.0.0.1:7001"]));
    assert_eq!(
        (&sources["sources"][0]["peer_id"], &sources["sources"][0]["have"]),
        (&json!(peer_id(1)), &json!("full"))
    );
    for (progress, change) in [
        (json!({"have": 0, "left": 1_000_000, "event": "started"}), "joined"),
        (json!({"have": "full", "left": 0, "downloaded": 1_000_000, "event": "completed"}), "completed"),
    ] {
        let mut request = json!({"type": "progress", "entry": entry});
        request.as_object_mut().unwrap().extend(progress.as_object().unwrap().clone());
        assert_eq!(bob.ask(request).await["type"], "ok");
        let push = ana.push("source").await;
        assert_eq!((&push["change"], &push["peer"]["nick"]), (&json!(change), &json!("bob")));
    }

    let text = "hola\n\u{1b}[31m \"ana\"";
    let sent = bob.ask(json!({"type": "message", "to": "ANA", "text": text})).await;
    assert_eq!((&sent["delivered"], &sent["receivers"][0]["state"]), (&json!(1), &json!("delivered")));
    let heard = ana.push("message").await;
    assert_eq!(
        (&heard["from"], &heard["text"], &heard["message"]),
        (&json!("bob"), &json!(text), &sent["message"])
    );
    let nobody = bob.ask(json!({"type": "message", "to": "anna", "text": "x"})).await;
    assert_eq!((&nobody["code"], &nobody["near"]), (&json!("no_such_user"), &json!(["ana"])));
    assert_eq!(nobody["text"], "no one is called \"anna\"");

    let back = bob.ask(json!({"type": "connect_back", "peer_id": peer_id(1), "entry": entry})).await;
    assert_eq!(back["type"], "ok");
    let dial = ana.push("dial").await;
    assert_eq!((&dial["nick"], &dial["addresses"]), (&json!("bob"), &json!(["127.0.0.1:7002"])));
    let who = bob.ask(json!({"type": "who"})).await;
    assert_eq!(who["peers"].as_array().unwrap().len(), 2);
    assert!(bob.ask(json!({"type": "ping"})).await["time"].as_u64().unwrap() > 1_600_000_000_000);
    let stats = bob.ask(json!({"type": "stats"})).await;
    assert_eq!((&stats["tracker"]["messages"], &stats["tracker"]["completed"]), (&json!(1), &json!(1)));

    assert_eq!(ana.ask(json!({"type": "unshare", "entry": entry})).await["type"], "ok");
    assert_eq!(bob.push("unshared").await["entry"], json!(entry));
    assert_eq!(bob.ask(json!({"type": "bye"})).await["type"], "ok");
    assert!(bob.rest().await.is_empty(), "the connection closes after the answer");
    let left = ana.push("peer_left").await;
    assert_eq!((&left["nick"], &left["reason"]), (&json!("bob"), &json!("left")));
    tracker.stop().await;
}

#[tokio::test]
async fn a_peer_that_vanishes_is_gone_at_once_and_its_sources_with_it() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "ana", 1).await;
    let mut bob = Client::login(address, "bob", 2).await;
    let entry = bob.share("a.iso", 3).await;
    ana.ask(json!({"type": "sources", "entry": entry, "subscribe": true})).await;
    drop(bob);
    let source = ana.push("source").await;
    assert_eq!((&source["change"], &source["peer"]["nick"]), (&json!("left"), &json!("bob")));
    let left = ana.push("peer_left").await;
    assert_eq!((&left["nick"], &left["reason"]), (&json!("bob"), &json!("lost")), "it did not say bye");
    let found = ana.ask(json!({"type": "find", "entry": entry})).await;
    assert_eq!((&found["sources"], &found["by"]), (&json!(0), &json!(["bob"])));

    // So is one that vanishes in the middle of a line.
    let mut eva = Client::login(address, "eva", 3).await;
    eva.send(br#"{"type":"who""#).await;
    drop(eva);
    assert_eq!(ana.push("peer_left").await["reason"], "lost");
    tracker.stop().await;
}

#[tokio::test]
async fn the_silent_are_lost_and_told_why() {
    let tracker = tracker_with(|config| config.registry.heartbeat = Duration::from_millis(400)).await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    let mut bob = Client::login(tracker.local_addr(), "bob", 2).await;
    let silent = runtime::spawn("client", async move { bob.rest().await });
    let mut heartbeat = tokio::time::interval(Duration::from_millis(100));
    while !silent.is_finished() {
        heartbeat.tick().await;
        assert_eq!(ana.ask(json!({"type": "ping"})).await["type"], "ok");
    }
    let last = silent.await.unwrap().pop().unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("bye"), &json!("you were silent for too long")));
    assert_eq!(ana.push("peer_left").await["reason"], "lost");
    tracker.stop().await;
}

#[tokio::test]
async fn the_same_peer_again_replaces_its_old_connection() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut old = Client::connect(address).await;
    let welcome = old.ask(hello("ana", 1)).await;
    let entry = old.share("a.iso", 3).await;
    let mut new = Client::connect(address).await;
    let mut again = hello("ana", 1);
    again["session"] = welcome["session"].clone();
    let welcome = new.ask(again).await;
    assert_eq!((&welcome["nick"], &welcome["online"]), (&json!("ana"), &json!(1)));
    assert_eq!(old.rest().await.pop().unwrap()["type"], "bye");
    // What the old one had goes on.
    let found = new.ask(json!({"type": "find", "entry": entry})).await;
    assert_eq!(found["sources"], 1);
    tracker.stop().await;
}

#[tokio::test]
async fn an_info_dictionary_must_be_what_its_hashes_say() {
    let tracker = tracker().await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    // One file of five bytes, and the SHA-1 of this dictionary.
    let base64 = "ZDY6bGVuZ3RoaTVlNDpuYW1lNTphLnR4dDEyOnBpZWNlIGxlbmd0aGkxNjM4NGU2OnBpZWNlczIwOmFhYWFhYWFhYWFhYWFhYWFhYWFhZQ==";
    let mut share = lab::share("a.txt", 9);
    share["info"] = json!(base64);
    share["size"] = json!(5);
    let refused = ana.ask(share.clone()).await;
    assert_eq!((&refused["code"], &refused["type"]), (&json!("bad_field"), &json!("error")), "{refused}");
    assert!(refused["text"].as_str().unwrap().contains("info_hash_v1"), "{refused}");
    share["info_hash_v1"] = json!("7faf75b2447f88700c68f1eceda713cd90a0127a");
    let answer = ana.ask(share.clone()).await;
    assert_eq!(answer["type"], "ok", "{answer}");
    let found = ana.ask(json!({"type": "find", "entry": answer["entry"]})).await;
    assert_eq!(found["info"], json!(base64), "whoever asks gets the same bytes");
    share["info"] = json!("ZGU=");
    assert_eq!(ana.ask(share).await["code"], "bad_field");
    tracker.stop().await;
}

#[tokio::test]
async fn two_hundred_peers_talking_at_once_lose_nothing() {
    const PEERS: u16 = 200;
    const MESSAGES: usize = 5;
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut clients = Vec::new();
    for number in 0..PEERS {
        clients.push(Client::login(address, &format!("peer{number:03}"), number).await);
    }
    let talking = clients.into_iter().enumerate().map(|(number, mut client)| {
        runtime::spawn("client", async move {
            // All say theirs without waiting for answers, then read until they have heard all others.
            for message in 0..MESSAGES {
                let text = format!("{number}/{message}");
                let line = json!({"type": "message", "id": message, "to": "*", "text": text});
                client.send(format!("{line}\n").as_bytes()).await;
            }
            let mut heard = std::collections::BTreeSet::new();
            let mut answers = 0;
            while answers < MESSAGES || heard.len() < (usize::from(PEERS) - 1) * MESSAGES {
                let line = client.line().await.expect("no reader that keeps up is cut");
                match line["type"].as_str().unwrap() {
                    "message" => {
                        let key = (line["from"].to_string(), line["text"].to_string());
                        assert!(heard.insert(key), "once each: {line}");
                    }
                    "ok" => answers += 1,
                    "error" => {
                        // Said again when told to; nothing is lost in silence.
                        assert_eq!(line["code"], "rate_limited", "{line}");
                        let wait = line["retry_after_ms"].as_u64().unwrap();
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                        let text = format!("{number}/{}", line["id"]);
                        let again = json!({"type": "message", "id": line["id"], "to": "*", "text": text});
                        client.send(format!("{again}\n").as_bytes()).await;
                    }
                    _ => {}
                }
            }
            client
        })
    });
    let talking: Vec<_> = talking.collect();
    let mut clients = Vec::new();
    for client in talking {
        clients.push(timeout(PATIENCE * 4, client).await.unwrap().unwrap());
    }
    assert_eq!(tracker.online(), u64::from(PEERS));
    tracker.stop().await;
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_answered_in_order() {
    let tracker = tracker().await;
    let mut ana = Client::login(tracker.local_addr(), "ana", 1).await;
    for number in 0..40_u8 {
        ana.share(&format!("a long name to make answers long {number}"), number).await;
    }
    let lines: String = (1_000..2_000)
        .map(|id| {
            let request = if id % 2 == 0 { "ping" } else { "search" };
            json!({"type": request, "id": id}).to_string() + "\n"
        })
        .collect();
    ana.send(lines.as_bytes()).await;
    for id in 1_000..2_000_u64 {
        let line = ana.line().await.unwrap();
        assert_eq!(line["id"], json!(id), "{line}");
        assert_eq!(line["type"], "ok");
    }
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_hears_all_that_one_person_says_at_once() {
    const MESSAGES: usize = 3_000;
    let tracker = tracker_with(without_rates).await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "ana", 1).await;
    let mut listening = Vec::new();
    for number in 2..5 {
        let mut listener = Client::login(address, &format!("listener{number}"), number).await;
        listening.push(runtime::spawn("listener", async move {
            for expected in 0..MESSAGES {
                let heard = listener.push("message").await;
                let number = heard["text"].as_str().unwrap().split_once(' ').unwrap().0;
                assert_eq!(number, expected.to_string(), "in order");
            }
        }));
    }
    // Nine times what may wait for one reader.
    let rest = "x".repeat(3_000);
    let lines: String = (0..MESSAGES)
        .map(|number| {
            json!({"type": "message", "id": number, "to": "*", "text": format!("{number} {rest}")})
                .to_string()
                + "\n"
        })
        .collect();
    ana.send(lines.as_bytes()).await;
    for listener in listening {
        timeout(PATIENCE * 4, listener).await.unwrap().unwrap();
    }
    tracker.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_no_one_else_suffers() {
    let tracker = tracker_with(without_rates).await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "ana", 1).await;
    let lazy = Client::login(address, "lazy", 2).await;
    let text = "x".repeat(4_000);
    let mut sent = 0_usize;
    // Until it overflows: what the kernel holds for it, and a mebibyte of its outbox.
    loop {
        let answer = ana.ask(json!({"type": "message", "to": "lazy", "text": text})).await;
        assert_eq!(answer["type"], "ok", "{answer}");
        if answer["stored"] == 1 {
            assert_eq!(
                (&answer["delivered"], &answer["receivers"][0]["state"]),
                (&json!(0), &json!("stored"))
            );
            break;
        }
        assert_eq!(answer["delivered"], 1);
        sent += text.len();
        assert!(sent < 64 << 20, "it must have been cut by now");
    }
    assert!(sent > 1 << 20);
    let next = ana.ask(json!({"type": "message", "to": "lazy", "text": text})).await;
    assert_eq!(next["code"], "too_many", "it is gone at once, and what it did not read is kept");
    assert_eq!(ana.push("peer_left").await["reason"], "lost");
    drop(lazy);
    assert_eq!(ana.ask(json!({"type": "ping"})).await["type"], "ok");
    tracker.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_cut_can_read_why() {
    let tracker = tracker_with(|config| {
        config.outbox_bytes = 2_000;
        without_rates(config);
    })
    .await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "ana", 1).await;
    let mut lazy = Client::login(address, "lazy", 2).await;
    ana.ask(json!({"type": "message", "to": "lazy", "text": "x".repeat(4_000)})).await;
    let last = lazy.rest().await.pop().unwrap();
    assert_eq!(last["type"], "bye");
    assert!(last["reason"].as_str().unwrap().contains("too slow a reader"), "{last}");
    tracker.stop().await;
}

#[tokio::test]
async fn the_tracker_stops_within_two_seconds_and_says_so() {
    let tracker = tracker().await;
    let address = tracker.local_addr();
    let mut ana = Client::login(address, "ana", 1).await;
    let stranger = Client::connect(address).await;
    timeout(Duration::from_secs(2), tracker.stop()).await.unwrap();
    let last = ana.rest().await.pop().unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("bye"), &json!("the tracker stops")));
    drop(stranger);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let tracker = tracker_with(|config| config.sessions_per_local_address = 3).await;
    let address = tracker.local_addr();
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(Client::login(address, "ana", number).await);
    }
    let mut fourth = Client::connect(address).await;
    let refusal = fourth.line().await.unwrap();
    assert_eq!(refusal["code"], "too_many_sessions");
    assert!(refusal["text"].as_str().unwrap().contains("limit 3"), "{refusal}");
    assert!(fourth.rest().await.is_empty());
    held.pop();
    // The place is free as soon as the tracker has seen the end.
    timeout(PATIENCE, async {
        loop {
            let mut again = Client::connect(address).await;
            if again.ask_or_end(hello("eva", 9)).await.is_some_and(|line| line["type"] == "welcome") {
                return;
            }
        }
    })
    .await
    .unwrap();
    tracker.stop().await;
}
