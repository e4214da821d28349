//! The operator's orders: who is kept out or quiet, for how long, and that it is not forgotten.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use crate::room::{self, Client, Room};
use registry::{Action, Command, Deed, Event, Unannounced};
use shared::InfoHash;
use shared::control::{Answer, Code, Message, Push, ReceiptState, Refusal};

fn order(room: &mut Room, action: Action) -> Result<Answer, Refusal> {
    room.execute(Command::Operate { by: "console".to_owned(), action }).unwrap()
}

fn ban(whom: &str, minutes: Option<u64>) -> Action {
    let millis = minutes.map(|minutes: u64| minutes.saturating_mul(60_000));
    Action::Ban { whom: whom.to_owned(), millis, reason: "spam".to_owned() }
}

fn write(room: &mut Room, from: u64, to: &str) -> Result<Answer, Refusal> {
    room.ask(from, Message { to: to.to_owned(), text: "hola".to_owned(), nonce: None })
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(60 * number)
}

#[test]
fn a_banned_peer_is_cut_at_once_and_refused_until_its_time_is_over() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    room.forget_events();
    order(&mut room, ban("BOB", Some(30))).unwrap();
    assert_eq!(room.ended(), [2]);
    assert!(matches!(room.events(), [Event::Operated { order }, Event::Left { .. }]
        if order.by == "console" && matches!(&order.deed, Deed::Banned { nick, cut: 1, .. } if nick == "bob")));
    // Under another nick and after a restart it is the same peer.
    room.restart();
    let refusal = room.try_join(12, 2, "carla", None).unwrap_err();
    assert_eq!(refusal.code, Code::Banned);
    assert_eq!(refusal.text, "you are banned from this tracker for 30 minutes more: spam");
    assert_eq!(room.ended(), [12], "nothing else is to be said on that connection");
    room.try_join(11, 1, "ana", None).unwrap();
    room.wait(minutes(30));
    room.try_join(22, 2, "bob", None).unwrap();
}

#[test]
fn a_network_is_banned_by_every_door_and_let_in_again() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let near = Client::new(b"-qB5000-aaaaaaaaaaaa", "192.168.1.77:40000", 1);
    room.announce(&near).unwrap();
    order(&mut room, ban("192.168.1.0/24", None)).unwrap();
    assert_eq!(room.ended(), [1, 2]);
    assert_eq!(room.online(), 0, "the client that only announces has gone too");
    let Err(Unannounced::Banned { text }) = room.announce(&near) else { panic!("it announces") };
    assert_eq!(text, "your address is banned from this tracker: spam");
    room.announce(&Client { from: "192.168.2.77:40000", ..near.clone() }).unwrap();
    assert_eq!(room.try_join(11, 1, "ana", None).unwrap_err().code, Code::Banned);
    room.restart();
    assert_eq!(room.registry.bans(0).len(), 1);
    let refusal = order(&mut room, Action::Unban { whom: "192.168.1.0/25".to_owned() }).unwrap_err();
    assert_eq!(refusal.text, "\"192.168.1.0/25\" is not banned");
    order(&mut room, Action::Unban { whom: "192.168.1.9/24".to_owned() }).unwrap();
    room.try_join(21, 1, "ana", None).unwrap();
    room.announce(&near).unwrap();
}

#[test]
fn a_muted_peer_reads_and_does_not_write() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let mute = Action::Mute { nick: "bob".to_owned(), millis: Some(60_000), reason: String::new() };
    order(&mut room, mute).unwrap();
    let [Push::Notice { text }] = &room.pushes(2)[..] else { panic!("bob is told") };
    assert_eq!(text, "you may not write here for 1 minute");
    room.restart();
    room.join(2, "bob");
    room.join(1, "ana");
    for to in ["ana", "*"] {
        assert_eq!(write(&mut room, 2, to).unwrap_err().code, Code::Muted);
    }
    let Ok(Answer::Sent(sent)) = write(&mut room, 1, "bob") else { panic!("he may read") };
    assert_eq!(sent.receivers[0].state, ReceiptState::Delivered);
    room.wait(minutes(1));
    write(&mut room, 2, "ana").unwrap();
    let unmute = Action::Unmute { nick: "bob".to_owned() };
    assert_eq!(order(&mut room, unmute).unwrap_err().text, "\"bob\" is not muted");
}

#[test]
fn those_who_come_are_told_what_the_operator_wrote() {
    let mut room = Room::new();
    order(&mut room, Action::Motd { text: Some("exam at 10".to_owned()) }).unwrap();
    room.restart();
    assert_eq!(room.join(1, "ana").motd.as_deref(), Some("exam at 10"));
    order(&mut room, Action::Motd { text: None }).unwrap();
    assert_eq!(room.join(2, "bob").motd, None);
    let deeds = room.registry.orders().len();
    assert_eq!(deeds, 2, "who ordered what outlives a restart");
}

#[test]
fn orders_are_bounded() {
    let mut room = Room::new();
    let long = "x".repeat(5_000);
    for action in [
        Action::Say { text: " ".to_owned() },
        Action::Say { text: long.clone() },
        Action::Motd { text: Some(long.clone()) },
        Action::Ban { whom: "10.0.0.1".to_owned(), millis: None, reason: long },
        ban("nobody", None),
        Action::Kick { nick: "nobody".to_owned(), reason: String::new() },
    ] {
        order(&mut room, action).unwrap_err();
    }
    assert!(room.events().is_empty(), "what is refused leaves no trace");
    for number in 0..1_000 {
        order(&mut room, ban(&format!("10.0.{}.{}", number / 250, number % 250), None)).unwrap();
    }
    assert_eq!(order(&mut room, ban("10.9.9.9", None)).unwrap_err().code, Code::TooMany);
    order(&mut room, ban("10.0.0.1", Some(u64::MAX))).unwrap();
}

#[test]
fn an_entry_is_removed_for_all_and_stays_so_after_a_restart() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 9);
    room.share(1, "linux.iso.sig", 8);
    room.forget_pushes();
    let remove = |named: &str| Action::Remove { entry: named.to_owned(), reason: "not here".to_owned() };
    assert_eq!(order(&mut room, remove("linux")).unwrap_err().code, Code::NoSuchEntry);
    order(&mut room, remove("linux.iso")).unwrap();
    assert!(room.pushes(1).iter().any(
        |push| matches!(push, Push::Notice { text } if text.contains("linux.iso") && text.contains("not here"))
    ));
    assert!(room.pushes(2).iter().any(|push| matches!(push, Push::Unshared { nick, .. } if nick == "ana")));
    let names = |room: &Room| room.registry.entries().into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(names(&room), ["linux.iso.sig"]);
    room.restart();
    assert_eq!(names(&room), ["linux.iso.sig"]);
    // Neither she nor another nor a client brings it back, under whatever name.
    room.join(1, "ana");
    room.join(2, "bob");
    for (number, name) in [(1, "linux.iso"), (2, "harmless.iso")] {
        let refusal = room.ask(number, room::share(name, 9, None)).unwrap_err();
        assert_eq!(refusal.code, Code::Removed);
        assert_eq!(refusal.text, "the operator (console) took \"linux.iso\" off the list: not here");
    }
    let mut near = Client::new(b"-qB5000-aaaaaaaaaaaa", "192.168.1.77:40000", 9);
    let Err(Unannounced::Removed { text }) = room.announce(&near) else { panic!("it announces") };
    assert!(text.contains("not here"), "{text}");
    near.hash = InfoHash([8; 20]);
    room.announce(&near).unwrap();
    assert_eq!(room.registry.removals().len(), 1);

    let restore = |named: &str| Action::Restore { entry: named.to_owned() };
    assert_eq!(order(&mut room, restore("linux.iso.sig")).unwrap_err().code, Code::NoSuchEntry);
    order(&mut room, restore(&format!("#{}", entry.0))).unwrap();
    room.restart();
    room.join(1, "ana");
    assert_eq!(room.share(1, "linux.iso", 9), entry, "who shares it again may");
    let deeds: Vec<&str> = room.registry.orders().iter().map(|order| order.deed.verb()).collect();
    assert_eq!(deeds, ["remove", "restore"]);
}

#[test]
fn so_much_is_removed_and_no_more() {
    let mut room = Room::new();
    room.join(1, "ana");
    for number in 0..=1_000_u32 {
        let name = format!("file {number}");
        let mut share = room::share(&name, 1, None);
        let mut hash = [7; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        share.hashes = shared::InfoHashes::v1(InfoHash(hash));
        room.wait(Duration::from_secs(1));
        room.ask(1, share).unwrap();
        let removed = order(&mut room, Action::Remove { entry: name, reason: String::new() });
        assert_eq!(removed.is_ok(), number < 1_000, "{number}");
    }
    room.restart();
    assert_eq!(room.registry.removals().len(), 1_000);
}
