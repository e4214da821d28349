//! Rooms, ignoring, and being away without leaving.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::Room;
use registry::{Action, Command, Event, SessionKey};
use shared::control::{
    Answer, Away, Back, Code, Departure, History, Ignore, Join, Joined, Leave, Message, MessageLog, Push,
    ReceiptState, Refusal, RoomChange, RoomKey, Rooms, Sent, Unignore, Who,
};

fn join(room: &mut Room, session: u64, name: &str) -> Joined {
    match room.ask(session, Join { room: name.to_owned(), key: None }).unwrap() {
        Answer::Joined(joined) => joined,
        other => panic!("{other:?}"),
    }
}

fn try_write(room: &mut Room, from: u64, to: &str, text: &str) -> Result<Sent, Refusal> {
    let message = Message { to: to.to_owned(), text: text.to_owned(), nonce: None };
    room.ask(from, message).map(|answer| match answer {
        Answer::Sent(sent) => sent,
        other => panic!("{other:?}"),
    })
}

fn write(room: &mut Room, from: u64, to: &str, text: &str) -> (u64, u64, u64) {
    let sent = try_write(room, from, to, text).unwrap();
    (sent.delivered, sent.stored, sent.refused)
}

fn late(room: &Room, session: u64) -> Vec<String> {
    let texts = room.late(session).into_iter().map(|push| match push {
        Push::Message { text, to, late: true, .. } => format!("{to} {text}"),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

fn collect(room: &mut Room) {
    for (session, up_to) in room.registry.unread() {
        room.execute(Command::Collected { session, up_to });
    }
}

fn history(room: &mut Room, session: u64, with: Option<&str>) -> Result<Vec<String>, Refusal> {
    let ask = History { with: with.map(str::to_owned), ..History::default() };
    room.ask(session, ask).map(|answer| match answer {
        Answer::Messages(found) => found.messages.into_iter().map(|past| past.text).collect(),
        other => panic!("{other:?}"),
    })
}

/// ana, bob and eva are in @aula1; eva is away.
fn aula() -> Room {
    let mut room = Room::new();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva"), (4, "mikel")] {
        room.join(number, nick);
    }
    for session in 1..=3 {
        join(&mut room, session, "@aula1");
    }
    room.gone(3, Departure::Left);
    room.forget_pushes();
    room
}

#[test]
fn a_room_is_heard_by_its_members_now_or_when_they_come_back() {
    let mut room = aula();
    room.forget_events();
    let sent = try_write(&mut room, 1, "@AULA1", "empezamos").unwrap();
    assert_eq!((sent.delivered, sent.stored, sent.refused), (1, 1, 0));
    assert_eq!((sent.receivers.len(), sent.receivers[0].nick.as_str()), (1, "eva"));
    assert_eq!(sent.receivers[0].state, ReceiptState::Stored);
    assert_eq!(room.events().len(), 1, "a message is one event, however many hear it");
    assert_eq!(room.texts(2), [("ana".to_owned(), "empezamos".to_owned())]);
    assert!(room.texts(1).is_empty() && room.texts(4).is_empty());
    collect(&mut room);
    room.restart();
    room.join(1, "ana");
    assert_eq!(room.join(2, "bob").missed, 0, "he has it");
    assert_eq!(write(&mut room, 1, "@aula1", "segundo"), (1, 1, 0));
    assert_eq!(write(&mut room, 1, "eva", "solo tu"), (0, 1, 0));
    let eva = room.join(3, "eva");
    assert_eq!(
        (eva.missed, late(&room, 3)),
        (3, vec!["@aula1 empezamos".into(), "@aula1 segundo".into(), "eva solo tu".into()])
    );
    collect(&mut room);
    room.gone(3, Departure::Lost);
    assert_eq!(room.join(3, "eva").missed, 0, "all of it comes once");
    // Two who were here and read nothing before the tracker was killed get it after it.
    write(&mut room, 1, "@aula1", "tercero");
    room.restart();
    assert_eq!(room.join(2, "bob").missed, 1);
    assert_eq!(late(&room, 2), ["@aula1 tercero"]);
    assert_eq!(room.join(1, "ana").missed, 0, "nobody is told what it said itself");
}

#[test]
fn who_does_not_belong_to_a_room_cannot_talk_there() {
    let mut room = aula();
    let refusal = try_write(&mut room, 4, "@aula1", "hola").unwrap_err();
    assert_eq!((refusal.code, refusal.text.as_str()), (Code::NotInRoom, "you are not in @aula1"));
    assert_eq!(refusal.advice.as_deref(), Some("join @aula1"));
    let refusal = try_write(&mut room, 4, "@aula2", "hola").unwrap_err();
    assert_eq!((refusal.code, &refusal.near[..]), (Code::NoSuchRoom, &["@aula1".to_owned()][..]));
    assert_eq!(history(&mut room, 4, Some("@aula1")).unwrap_err().code, Code::NotInRoom);
    // Whoever comes later does not get what was said before as news, but may read it.
    write(&mut room, 1, "@aula1", "antes");
    let joined = join(&mut room, 4, "@aula1");
    assert_eq!((joined.members, joined.here, joined.created), (4, 3, false));
    assert!(matches!(&room.pushes(2)[..], [Push::Message { .. },
        Push::Room { nick: Some(nick), change: RoomChange::Joined, .. }] if nick == "mikel"));
    room.gone(4, Departure::Lost);
    assert_eq!(room.join(4, "mikel").missed, 0);
    assert_eq!(history(&mut room, 4, Some("@aula1")).unwrap(), ["antes"]);
    assert!(history(&mut room, 4, Some("*")).unwrap().is_empty());
    room.ask(4, Leave { room: "@aula1".to_owned() }).unwrap();
    assert!(history(&mut room, 4, None).unwrap().is_empty());
    let refusal = room.ask(4, Leave { room: "@aula1".to_owned() }).unwrap_err();
    assert_eq!(refusal.code, Code::NotInRoom);
}

#[test]
fn who_belongs_to_a_room_is_told_also_of_those_who_are_away() {
    let mut room = aula();
    let Ok(Answer::WhoIsHere(who)) = room.ask(4, Who { room: Some("@Aula1".to_owned()) }) else {
        panic!("who")
    };
    let nicks: Vec<&str> = who.peers.iter().map(|person| person.nick.as_str()).collect();
    assert_eq!((nicks, who.absent[0].nick.as_str(), who.total), (vec!["ana", "bob"], "eva", 3));
    let Ok(Answer::Rooms(list)) = room.ask(4, Rooms {}) else { panic!("rooms") };
    assert_eq!((list.rooms[0].members, list.rooms[0].here, list.rooms[0].joined), (3, 2, false));
}

#[test]
fn an_empty_room_is_gone_with_what_was_said_there_unless_the_operator_made_it() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.execute(Command::Operate {
        by: "console".to_owned(),
        action: Action::AddRoom { room: "clase".to_owned(), key: None },
    });
    for name in ["@clase", "@otra"] {
        join(&mut room, 1, name);
        write(&mut room, 1, name, "hola");
        room.ask(1, Leave { room: name.to_owned() }).unwrap();
    }
    assert!(!join(&mut room, 1, "@clase").created && join(&mut room, 1, "@otra").created);
    assert_eq!(history(&mut room, 1, Some("@clase")).unwrap(), ["hola"]);
    assert!(history(&mut room, 1, Some("@otra")).unwrap().is_empty());
    room.restart();
    room.join(1, "ana");
    room.forget_pushes();
    let order = Action::DropRoom { room: "@clase".to_owned() };
    room.execute(Command::Operate { by: "console".to_owned(), action: order }).unwrap().unwrap();
    assert!(matches!(&room.pushes(1)[..], [Push::Room { change: RoomChange::Closed, nick: None, .. }]));
    assert_eq!(try_write(&mut room, 1, "@clase", "hola").unwrap_err().code, Code::NoSuchRoom);
}

#[test]
fn ids_go_on_when_the_room_of_the_last_message_is_gone() {
    let mut room = aula();
    join(&mut room, 1, "@otra");
    let id = try_write(&mut room, 1, "@otra", "hola").unwrap().message;
    room.ask(1, Leave { room: "@otra".to_owned() }).unwrap();
    for (found, expected) in room.restarted() {
        assert_eq!(found, expected);
    }
    assert_eq!(try_write(&mut room, 1, "@aula1", "hola").unwrap().message, id + 1);
}

#[test]
fn who_is_ignored_is_told_and_not_heard() {
    let mut room = aula();
    let ignored = |answer| match answer {
        Ok(Answer::Ignored(list)) => list.ignored,
        other => panic!("{other:?}"),
    };
    assert_eq!(ignored(room.ask(2, Ignore { nick: Some("ANA".to_owned()) })), ["ana"]);
    room.restart();
    for (number, nick) in [(1, "ana"), (2, "bob"), (4, "mikel")] {
        room.join(number, nick);
    }
    let sent = try_write(&mut room, 1, "bob", "oye").unwrap();
    assert_eq!((sent.message, sent.delivered, sent.refused), (0, 0, 1));
    assert_eq!(sent.receivers[0].state, ReceiptState::Refused);
    assert_eq!(write(&mut room, 1, "@aula1", "oye"), (0, 1, 1));
    assert_eq!(write(&mut room, 1, "*", "oye"), (1, 0, 1));
    assert_eq!(write(&mut room, 4, "bob", "hola"), (1, 0, 0));
    assert_eq!(room.texts(2), [("mikel".to_owned(), "hola".to_owned())]);
    room.gone(2, Departure::Lost);
    assert_eq!(room.join(2, "bob").missed, 1, "what mikel wrote, and nothing of ana");
    assert_eq!(ignored(room.ask(2, Unignore { nick: "ana".to_owned() })), [""; 0]);
    assert_eq!(room.ask(2, Unignore { nick: "ana".to_owned() }).unwrap_err().code, Code::NoSuchUser);
    assert_eq!(write(&mut room, 1, "bob", "otra vez"), (1, 0, 0));
    room.ask(2, Ignore { nick: Some("bob".to_owned()) }).unwrap_err();
}

#[test]
fn who_does_not_look_says_so() {
    let mut room = aula();
    room.ask(2, Away { text: Some("comiendo".to_owned()) }).unwrap();
    let sent = try_write(&mut room, 1, "bob", "hola").unwrap();
    assert_eq!((sent.delivered, sent.receivers[0].away.as_deref()), (1, Some("comiendo")));
    let Ok(Answer::WhoIsHere(who)) = room.ask(1, Who::default()) else { panic!("who") };
    let away: Vec<Option<&str>> = who.peers.iter().map(|person| person.away.as_deref()).collect();
    assert_eq!(away, [None, Some("comiendo"), None]);
    room.ask(2, Back::default()).unwrap();
    assert_eq!(try_write(&mut room, 1, "bob", "hola").unwrap().receivers[0].away, None);
}

#[test]
fn a_guest_keeps_nothing() {
    let mut room = aula();
    room.join_guest(9, "carla");
    assert_eq!(room.ask(9, Join { room: "@aula1".to_owned(), key: None }).unwrap_err().code, Code::Guest);
    assert_eq!(room.ask(9, Ignore { nick: Some("ana".to_owned()) }).unwrap_err().code, Code::Guest);
}

#[test]
fn everything_is_bounded() {
    let mut room = aula();
    for number in 0..31 {
        join(&mut room, 1, &format!("@r{number}"));
        room.wait(std::time::Duration::from_secs(1));
    }
    let refusal = room.ask(1, Join { room: "@one-more".to_owned(), key: None }).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.text.as_str()),
        (Code::TooMany, "you are in 32 rooms, which is the most")
    );
    // The newest 200 of a room are told and wait.
    for number in 0..250 {
        write(&mut room, 1, "@aula1", &format!("{number}"));
        room.wait(std::time::Duration::from_secs(1));
    }
    let eva = room.join(3, "eva");
    assert_eq!((eva.missed, late(&room, 3)[0].as_str()), (200, "@aula1 50"));
    let refused = (0..1_000).find_map(|_| try_write(&mut room, 1, "@aula1", &"x".repeat(4_000)).err());
    assert_eq!(refused.unwrap().code, Code::RateLimited, "who talks too fast waits");
}

#[test]
fn a_log_without_text_keeps_what_somebody_waits_for_and_no_longer() {
    for policy in [MessageLog::Meta, MessageLog::Off] {
        let mut room = Room::with(|config| config.message_log = policy);
        for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
            room.join(number, nick);
            join(&mut room, number, "@aula1");
        }
        let texts = |room: &Room| -> Vec<String> {
            let kept =
                room.registry.checkpoint(false).into_iter().filter_map(|lasting| match lasting.event {
                    Event::Messaged { text, .. } if !text.is_empty() => Some(text),
                    _ => None,
                });
            kept.collect()
        };
        write(&mut room, 1, "@aula1", "all are here");
        room.gone(3, Departure::Left);
        write(&mut room, 1, "@aula1", "for eva");
        write(&mut room, 1, "bob", "he has it");
        collect(&mut room);
        assert_eq!(texts(&room), ["for eva"]);
        room.restart();
        room.join(3, "eva");
        assert_eq!(late(&room, 3), ["@aula1 for eva"]);
        room.execute(Command::Collected { session: SessionKey(3), up_to: u64::MAX });
        room.restart();
        for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
            room.join(number, nick);
        }
        collect(&mut room);
        assert!(texts(&room).is_empty());
    }
}

fn join_with(room: &mut Room, session: u64, name: &str, key: &str) -> Result<Answer, Refusal> {
    room.ask(session, Join { room: name.to_owned(), key: Some(RoomKey::new(key).unwrap()) })
}

#[test]
fn a_closed_room_opens_with_its_key_alone() {
    let mut room = Room::new();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
        room.join(number, nick);
    }
    // Who makes a room with a key closes it; to those who are in it already a key makes no difference.
    let Ok(Answer::Joined(made)) = join_with(&mut room, 1, "@notas", "tango") else { panic!("it is made") };
    assert!(made.created);
    let refusal = room.ask(2, Join { room: "@notas".to_owned(), key: None }).unwrap_err();
    assert_eq!((refusal.code, refusal.text.as_str()), (Code::BadKey, "@notas is closed"));
    let refusal = join_with(&mut room, 2, "@NOTAS", "Tango").unwrap_err();
    assert_eq!((refusal.code, refusal.text.as_str()), (Code::BadKey, "that is not the key of @notas"));
    join_with(&mut room, 2, "@notas", "tango").unwrap();
    assert_eq!(write(&mut room, 1, "@notas", "hola"), (1, 0, 0));
    assert!(room.events().iter().any(|event| matches!(event, Event::Messaged { closed: true, .. })));
    // It stays closed, and those in it stay in it; nothing tells the key.
    room.restart();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
        room.join(number, nick);
    }
    assert_eq!(join_with(&mut room, 3, "@notas", "x").unwrap_err().code, Code::BadKey);
    assert!(!join(&mut room, 2, "@notas").created);
    let Ok(Answer::Rooms(list)) = room.ask(3, Rooms {}) else { panic!("rooms") };
    assert!(list.rooms[0].closed && !list.rooms[0].joined);
    let told = serde_json::to_string(
        &room.registry.checkpoint(true).iter().map(|one| &one.event).collect::<Vec<_>>(),
    );
    assert!(!told.unwrap().contains("tango"));

    let order = |room: &mut Room, action| room.execute(Command::Operate { by: "console".to_owned(), action });
    let open = || Action::OpenRoom { room: "@notas".to_owned() };
    order(&mut room, open()).unwrap().unwrap();
    assert_eq!(order(&mut room, open()).unwrap().unwrap_err().code, Code::BadField);
    assert_eq!(join(&mut room, 3, "@notas").members, 3);
    // The operator closes a room that is there; who is in it stays.
    let key = RoomKey::new("lima").ok();
    let add = Action::AddRoom { room: "@notas".to_owned(), key };
    let shown = format!("{add:?}");
    order(&mut room, add).unwrap().unwrap();
    assert!(!shown.contains("lima") && !format!("{:?}", room.events()).contains("lima"), "{shown}");
    room.join(4, "mikel");
    assert_eq!(join_with(&mut room, 4, "@notas", "tango").unwrap_err().code, Code::BadKey);
    join_with(&mut room, 4, "@notas", "lima").unwrap();
    assert_eq!(write(&mut room, 4, "@notas", "hola"), (3, 0, 0));
}

#[test]
fn who_guesses_keys_is_slow() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    join_with(&mut room, 1, "@notas", "tango").unwrap();
    let tries =
        (0..50).map(|guess| join_with(&mut room, 2, "@notas", &format!("guess {guess}")).unwrap_err().code);
    let tries: Vec<Code> = tries.collect();
    assert_eq!(tries.iter().filter(|code| **code == Code::BadKey).count(), 5);
    assert_eq!(tries[49], Code::RateLimited);
}
