//! Messages for someone who is away, and what a restart leaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::Room;
use registry::{Command, SessionKey};
use shared::control::{
    Answer, Code, Departure, History, Message, MessageLog, Push, ReceiptState, Search, Sent, Unshare,
};

fn write(room: &mut Room, from: u64, to: &str, text: &str) -> Sent {
    let message = Message { to: to.to_owned(), text: text.to_owned(), nonce: None };
    match room.ask(from, message).unwrap() {
        Answer::Sent(sent) => sent,
        other => panic!("{other:?}"),
    }
}

fn late(room: &Room, session: u64) -> Vec<String> {
    let texts = room.late(session).into_iter().map(|push| match push {
        Push::Message { text, late: true, .. } => text,
        other => panic!("{other:?}"),
    });
    texts.collect()
}

fn collect(room: &mut Room, session: u64) {
    for (key, up_to) in room.registry.unread() {
        if key == SessionKey(session) {
            room.execute(Command::Collected { session: key, up_to });
        }
    }
}

#[test]
fn mail_waits_for_the_one_it_is_for_and_comes_once_in_order() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "eva");
    room.gone(2, Departure::Left);
    for text in ["one", "two"] {
        let sent = write(&mut room, 1, "EVA", text);
        assert_eq!((sent.delivered, sent.stored, sent.refused), (0, 1, 0));
        assert_eq!((sent.receivers[0].nick.as_str(), sent.receivers[0].state), ("eva", ReceiptState::Stored));
    }
    room.restart();
    // Somebody else who takes the nick gets another one, and no mail.
    let other = room.join_as(13, 3, "Eva", None);
    assert_eq!((other.nick.as_str(), other.missed), ("Eva2", 0));
    let back = room.join_as(12, 2, "eva", None);
    assert_eq!((back.nick.as_str(), back.missed), ("eva", 2));
    assert_eq!(late(&room, 12), ["one", "two"]);
    // Until it is known that she has it, it would come again.
    room.gone(12, Departure::Lost);
    assert_eq!(room.join_as(22, 2, "eva", None).missed, 2);
    collect(&mut room, 22);
    room.restart();
    assert_eq!(room.join_as(32, 2, "eva", None).missed, 0);
    assert!(late(&room, 32).is_empty());
    // The nick is free for others again when nothing waits for it.
    room.gone(32, Departure::Left);
    assert_eq!(room.join_as(43, 4, "eva", None).nick, "eva");
    let Answer::Messages(history) = room.ask(43, History::default()).unwrap() else { panic!() };
    assert!(history.messages.is_empty(), "what was said to another eva is not this one's");
}

#[test]
fn what_is_kept_has_bounds_and_is_never_dropped_in_silence() {
    let mut room = Room::with(|config| {
        config.messages = registry::Rate { burst: 1_000, per_second: 1_000 };
    });
    room.join(1, "ana");
    room.join(2, "eva");
    room.gone(2, Departure::Lost);
    for number in 0..200 {
        assert_eq!(write(&mut room, 1, "eva", &number.to_string()).stored, 1);
    }
    let message = Message { to: "eva".to_owned(), text: "201".to_owned(), nonce: None };
    let refusal = room.ask(1, message).unwrap_err();
    assert_eq!(refusal.code, Code::TooMany);
    assert!(refusal.text.contains("\"eva\" is away"), "{}", refusal.text);
    assert_eq!(room.join_as(12, 2, "eva", None).missed, 200);
    collect(&mut room, 12);
    assert_eq!(write(&mut room, 1, "eva", "now").delivered, 1);
}

#[test]
fn what_was_shared_is_listed_after_a_restart_with_those_who_had_it() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    room.share(1, "película.mkv", 7);
    let gone = room.share(2, "secret.txt", 8);
    room.ask(2, Unshare { entry: gone }).unwrap();
    room.restart();
    room.join_as(13, 3, "eva", None);
    let Answer::Matches(found) = room.ask(13, Search::default()).unwrap() else { panic!() };
    assert_eq!(found.entries.len(), 1);
    let entry = &found.entries[0];
    assert_eq!(
        (entry.name.as_str(), entry.sources, entry.by.as_slice()),
        ("película.mkv", 0, &["ana".to_owned()][..])
    );
    // She comes back and gives it again: one entry, one source.
    room.join_as(11, 1, "ana", None);
    room.share(11, "película.mkv", 7);
    let Answer::Matches(found) = room.ask(13, Search::default()).unwrap() else { panic!() };
    assert_eq!((found.entries.len(), found.entries[0].sources), (1, 1));
}

#[test]
fn what_somebody_who_is_away_shares_stays_when_another_takes_it_back() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    room.share(2, "linux.iso", 7);
    room.gone(1, Departure::Lost);
    room.ask(2, Unshare { entry: entry.clone() }).unwrap();
    for by in ["ana", "ANA"] {
        let search = Search { by: Some(by.to_owned()), ..Search::default() };
        let Answer::Matches(found) = room.ask(2, search).unwrap() else { panic!() };
        let entry = &found.entries[0];
        assert_eq!((entry.sources, entry.by.as_slice()), (0, &["ana".to_owned()][..]));
        assert!(entry.seen.is_some());
    }
    // After a restart she may take back what she did not give again.
    room.restart();
    room.join_as(11, 1, "ana", None);
    room.ask(11, Unshare { entry: entry.clone() }).unwrap();
    assert_eq!(room.ask(11, Unshare { entry }).unwrap_err().code, Code::NoSuchEntry);
}

#[test]
fn nothing_is_kept_for_a_guest() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join_guest(2, "eva");
    assert_eq!(write(&mut room, 1, "eva", "hi").delivered, 1);
    room.gone(2, Departure::Left);
    let message = Message { to: "eva".to_owned(), text: "hi".to_owned(), nonce: None };
    assert_eq!(room.ask(1, message).unwrap_err().code, Code::NoSuchUser);
    assert_eq!(room.join_as(12, 2, "eva", None).missed, 0);
}

#[test]
fn where_text_is_not_logged_a_restart_keeps_only_what_waits() {
    let mut room = Room::with(|config| config.message_log = MessageLog::Meta);
    room.join(1, "ana");
    room.join(2, "eva");
    room.join(3, "bob");
    room.gone(2, Departure::Left);
    assert_eq!(write(&mut room, 1, "bob", "delivered").delivered, 1);
    assert_eq!(write(&mut room, 1, "eva", "waits").stored, 1);
    room.restart();
    room.join_as(11, 1, "ana", None);
    let Answer::Messages(history) = room.ask(11, History::default()).unwrap() else { panic!() };
    assert_eq!(history.messages.iter().map(|past| past.text.as_str()).collect::<Vec<_>>(), ["waits"]);
    assert_eq!(room.join_as(12, 2, "eva", None).missed, 1);
    assert_eq!(room.join_as(13, 3, "bob", None).missed, 0, "it was handed to him");
    assert_eq!(write(&mut room, 11, "bob", "next").message, 3);
}
