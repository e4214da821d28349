//! The link to the tracker against a real tracker over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use peer::link::{AskError, LinkConfig, LinkEvent, LinkState, TrackerLink};
use shared::PeerId;
use shared::control::{Code, Message, Push, Who};
use tokio::sync::mpsc;
use tracker::{Tracker, TrackerConfig};

const SOON: Duration = Duration::from_secs(10);

async fn start(address: &str) -> Tracker {
    let config = TrackerConfig { listen: address.parse().unwrap(), ..TrackerConfig::default() };
    Tracker::start(config).await.unwrap()
}

fn link(tracker: &str, nick: &str) -> (TrackerLink, mpsc::Receiver<LinkEvent>) {
    let mut peer_id = [b'.'; 20];
    peer_id.iter_mut().zip(nick.bytes()).for_each(|(to, from)| *to = from);
    TrackerLink::start(LinkConfig {
        tracker: tracker.to_owned(),
        nick: nick.to_owned(),
        peer_id: PeerId(peer_id),
        ports: vec![6881],
        guest: false,
        agent: "test".to_owned(),
    })
}

async fn event(events: &mut mpsc::Receiver<LinkEvent>, is_it: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
    let wait = async {
        loop {
            let event = events.recv().await.expect("the link lives");
            if is_it(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the event comes in time")
}

#[tokio::test]
async fn questions_are_answered_and_messages_arrive() {
    let tracker = start("127.0.0.1:0").await;
    let address = tracker.local_addr().to_string();
    let (ana, _news) = link(&address, "ana");
    let (bob, mut heard) = link(&address, "bob");
    bob.wait_connected(SOON).await.unwrap();
    ana.wait_connected(SOON).await.unwrap();
    let here = ana.ask(Who::default()).await.unwrap();
    assert_eq!(here.peers.iter().map(|person| person.nick.as_str()).collect::<Vec<_>>(), ["ana", "bob"]);
    let hello = |to: &str| Message { to: to.to_owned(), text: "hola".to_owned(), nonce: None };
    assert_eq!(ana.ask(hello("bob")).await.unwrap().delivered, 1);
    let message =
        |event: &LinkEvent| matches!(event, LinkEvent::Push(push) if matches!(**push, Push::Message { .. }));
    let LinkEvent::Push(push) = event(&mut heard, message).await else { panic!("a push") };
    assert!(matches!(*push, Push::Message { from, text, .. } if from == "ana" && text == "hola"));
    let Err(AskError::Refused(refusal)) = ana.ask(hello("bbo")).await else { panic!("nobody is called so") };
    assert_eq!((refusal.code, refusal.near), (Code::NoSuchUser, vec!["bob".to_owned()]));
}

#[tokio::test]
async fn a_tracker_that_comes_back_has_everybody_back_within_five_seconds() {
    let tracker = start("127.0.0.1:0").await;
    let address = tracker.local_addr().to_string();
    let (ana, mut news) = link(&address, "ana");
    ana.wait_connected(SOON).await.unwrap();
    tracker.stop().await;
    event(&mut news, |event| matches!(event, LinkEvent::Lost { .. })).await;
    let asked = Instant::now();
    assert!(matches!(ana.ask(Who::default()).await, Err(AskError::NotConnected { .. })));
    assert!(asked.elapsed() < Duration::from_secs(5), "a question does not hang while there is no tracker");
    let _tracker = start(&address).await;
    let back = Instant::now();
    event(&mut news, |event| matches!(event, LinkEvent::Connected(_))).await;
    assert!(back.elapsed() < Duration::from_secs(5), "back after {:?}", back.elapsed());
    assert_eq!(ana.ask(Who::default()).await.unwrap().peers.len(), 1);
}

#[tokio::test]
async fn a_farewell_is_no_loss() {
    let tracker = start("127.0.0.1:0").await;
    let (ana, mut news) = link(&tracker.local_addr().to_string(), "ana");
    ana.wait_connected(SOON).await.unwrap();
    ana.leave("left").await;
    drop(ana);
    let lost = |event: &LinkEvent| matches!(event, LinkEvent::Lost { .. });
    while let Ok(Some(event)) = tokio::time::timeout(SOON, news.recv()).await {
        assert!(!lost(&event), "{event:?}");
    }
}

#[tokio::test]
async fn where_nothing_listens_the_reason_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (nobody, _news) = link(&free.to_string(), "ana");
    let error = nobody.wait_connected(Duration::from_millis(300)).await.unwrap_err();
    assert!(error.to_string().contains("nothing listens there"), "{error}");
    assert!(matches!(nobody.state(), LinkState::Lost { .. }));
}
