//! What holds after any sequence of commands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::{Client, PIECES, Room, SIZE, share};
use proptest::prelude::*;
use registry::{Action, Command, SessionKey};
use shared::announce::Event as Why;
use shared::control::{
    Answer, Away, Back, Bye, Departure, EntryId, Find, Have, Ignore, Join, Leave, Message, Progress,
    ProgressEvent, RoomKey, Search, SourcesOf, Unignore, Unshare, Who,
};

#[derive(Debug, Clone, Copy)]
enum Step {
    Join { session: u64, peer: u64, nick: usize },
    Gone { session: u64 },
    Bye { session: u64 },
    Share { session: u64, content: u8, root: bool, full: bool },
    Unshare { session: u64, content: u8 },
    Progress { session: u64, content: u8, percent: u64, event: u8 },
    Subscribe { session: u64, content: u8, wants: bool },
    Message { session: u64, to: usize, nonce: bool },
    Enter { session: u64, room: usize, key: bool },
    Exit { session: u64, room: usize },
    Ignore { session: u64, nick: usize, ignores: bool },
    Away { session: u64, away: bool },
    Collect,
    Order { which: u8, nick: usize, minutes: u64 },
    Wait { seconds: u64 },
    Announce { client: u8, content: u8, key: bool, far: bool, left: u64, event: u32 },
    Restart,
}

const NICKS: [&str; 7] = ["ana", "Ana", "bob", "eva", "*", "@a", "@b"];
const ROOMS: [&str; 2] = ["@a", "@b"];

fn step() -> impl Strategy<Value = Step> {
    let (session, content) = (0_u64..8, 1_u8..5);
    prop_oneof![
        3 => (session.clone(), 0_u64..6, 0_usize..4)
            .prop_map(|(session, peer, nick)| Step::Join { session, peer, nick }),
        1 => session.clone().prop_map(|session| Step::Gone { session }),
        1 => session.clone().prop_map(|session| Step::Bye { session }),
        4 => (session.clone(), content.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(session, content, root, full)| Step::Share { session, content, root, full }),
        2 => (session.clone(), content.clone()).prop_map(|(session, content)| Step::Unshare { session, content }),
        4 => (session.clone(), content.clone(), 0_u64..=100, 0_u8..4)
            .prop_map(|(session, content, percent, event)| Step::Progress { session, content, percent, event }),
        2 => (session.clone(), content, any::<bool>())
            .prop_map(|(session, content, wants)| Step::Subscribe { session, content, wants }),
        3 => (session.clone(), 0_usize..7, any::<bool>())
            .prop_map(|(session, to, nonce)| Step::Message { session, to, nonce }),
        3 => (session.clone(), 0_usize..2, any::<bool>())
            .prop_map(|(session, room, key)| Step::Enter { session, room, key }),
        1 => (session.clone(), 0_usize..2).prop_map(|(session, room)| Step::Exit { session, room }),
        1 => (session.clone(), 0_usize..4, any::<bool>())
            .prop_map(|(session, nick, ignores)| Step::Ignore { session, nick, ignores }),
        1 => (session, any::<bool>()).prop_map(|(session, away)| Step::Away { session, away }),
        1 => Just(Step::Collect),
        2 => (0_u8..13, 0_usize..4, 0_u64..3)
            .prop_map(|(which, nick, minutes)| Step::Order { which, nick, minutes }),
        5 => (0_u8..5, 1_u8..6, any::<bool>(), any::<bool>(), 0_u64..3, 0_u32..4).prop_map(
            |(client, content, key, far, left, event)| {
                Step::Announce { client, content, key, far, left, event }
            }),
        1 => (0_u64..100).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Restart),
    ]
}

fn entry(content: u8) -> EntryId {
    EntryId(format!("{content:02x}").repeat(20))
}

/// An order; of no minutes it is for ever.
fn order(which: u8, nick: usize, minutes: u64) -> Action {
    let (nick, reason) = (NICKS[nick].to_owned(), "why".to_owned());
    let millis = (minutes > 0).then_some(minutes * 60_000);
    let net = format!("192.168.1.{}", minutes + 1);
    match which {
        0 => Action::Say { text: "hola".to_owned() },
        1 => Action::Motd { text: (minutes > 0).then_some(reason) },
        2 => Action::Mute { nick, millis, reason },
        3 => Action::Unmute { nick },
        4 => Action::Kick { nick, reason },
        5 => Action::Ban { whom: nick, millis, reason },
        6 => Action::Ban { whom: net, millis: Some(30_000), reason },
        7 => Action::AddRoom {
            room: ROOMS[usize::from(minutes == 0)].to_owned(),
            key: (minutes == 2).then(|| RoomKey::new("key").unwrap()),
        },
        8 => Action::DropRoom { room: ROOMS[usize::from(minutes == 0)].to_owned() },
        9 => Action::Remove { entry: entry(u8::try_from(minutes).unwrap() + 1).0, reason },
        12 => Action::OpenRoom { room: ROOMS[1].to_owned() },
        10 => Action::Restore { entry: entry(u8::try_from(minutes).unwrap() + 1).0 },
        _ => Action::Unban { whom: if minutes == 0 { nick } else { net } },
    }
}

fn take(room: &mut Room, step: Step) {
    match step {
        Step::Join { session, peer, nick } => {
            // A connection says hello once; what it says later is refused.
            let _ = room.try_join(session, peer, NICKS[nick], None);
        }
        Step::Gone { session } => room.gone(session, Departure::Lost),
        Step::Bye { session } => drop(room.ask(session, Bye::default())),
        Step::Share { session, content, root, full } => {
            let mut share = share(&format!("file {content}"), content, root.then_some(9));
            share.have = if full { Have::Full } else { Have::Pieces(3) };
            drop(room.ask(session, share));
        }
        Step::Unshare { session, content } => drop(room.ask(session, Unshare { entry: entry(content) })),
        Step::Progress { session, content, percent, event } => {
            let downloaded = SIZE * percent / 100;
            let event = [
                None,
                Some(ProgressEvent::Started),
                Some(ProgressEvent::Completed),
                Some(ProgressEvent::Stopped),
            ][usize::from(event)];
            let have = Have::Pieces(PIECES * percent / 100);
            let left = SIZE - downloaded;
            drop(room.ask(
                session,
                Progress {
                    entry: entry(content),
                    have,
                    left,
                    downloaded,
                    uploaded: 1,
                    event,
                    pieces: Some(vec![1]),
                    flows: Vec::new(),
                },
            ));
        }
        Step::Subscribe { session, content, wants } => {
            drop(room.ask(session, SourcesOf { entry: entry(content), want: 10, subscribe: wants }));
        }
        Step::Message { session, to, nonce } => {
            let nonce = nonce.then(|| "mark".to_owned());
            drop(room.ask(session, Message { to: NICKS[to].to_owned(), text: "hola".to_owned(), nonce }));
        }
        Step::Enter { .. } | Step::Exit { .. } | Step::Ignore { .. } | Step::Away { .. } | Step::Collect => {
            talk(room, step);
        }
        Step::Order { which, nick, minutes } => {
            let action = order(which, nick, minutes);
            drop(room.execute(Command::Operate { by: "test".to_owned(), action }));
        }
        Step::Announce { client, content, key, far, left, event } => {
            // Number 5 is shared by nobody; the first ids are those of members.
            let from = if far { "203.0.113.9:40000" } else { "192.168.1.3:40000" };
            let mut id = [0; 20];
            id[0] = client;
            let said = Client {
                key: key.then_some(7),
                left: Some(left * SIZE / 2),
                event: Why::from_number(event).unwrap(),
                port: 6881,
                ..Client::new(&id, from, content)
            };
            if let Ok(answer) = room.announce(&said) {
                let told = answer.reply.peers.len();
                assert!(told <= usize::from(said.wanted) && told == answer.ids.len());
            }
        }
        Step::Restart => room.restart(),
        Step::Wait { seconds } => {
            room.wait(std::time::Duration::from_secs(seconds));
            room.expire();
        }
    }
}

/// Rooms, and who hears whom.
fn talk(room: &mut Room, step: Step) {
    match step {
        Step::Enter { session, room: name, key } => {
            let key = key.then(|| RoomKey::new("key").unwrap());
            drop(room.ask(session, Join { room: ROOMS[name].to_owned(), key }));
        }
        Step::Exit { session, room: name } => {
            drop(room.ask(session, Leave { room: ROOMS[name].to_owned() }));
        }
        Step::Ignore { session, nick, ignores } => {
            let nick = NICKS[nick].to_owned();
            drop(if ignores {
                room.ask(session, Ignore { nick: Some(nick) })
            } else {
                room.ask(session, Unignore { nick })
            });
        }
        Step::Away { session, away: true } => drop(room.ask(session, Away::default())),
        Step::Away { session, away: false } => drop(room.ask(session, Back::default())),
        Step::Collect => {
            for (session, up_to) in room.registry.unread() {
                assert_eq!(room.registry.unread_of(session), Some(up_to));
                room.execute(Command::Collected { session, up_to });
                assert_eq!(room.registry.unread_of(session), None, "what was taken does not wait");
            }
        }
        _ => {}
    }
}

/// What every observer must find, whatever happened before.
fn check(room: &mut Room) {
    for (found, expected) in room.restarted() {
        assert_eq!(found, expected, "a tracker that starts again knows all that lasts");
    }
    let people = room.registry.people();
    let nicks: std::collections::BTreeSet<String> =
        people.iter().map(|person| person.nick.to_lowercase()).collect();
    assert_eq!(nicks.len(), people.len(), "a nick belongs to one");
    assert_eq!(room.online(), u64::try_from(people.len()).unwrap());
    let entries = room.registry.entries();
    let shares: u64 = people.iter().map(|person| person.shares).sum();
    let sources: u64 = entries.iter().map(|entry| entry.sources).sum();
    assert_eq!(shares, sources, "members and swarms tell the same");
    assert!(entries.iter().all(|entry| entry.full <= entry.sources));
    let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    assert_eq!(room.registry.counters(room.time()).bytes, bytes, "the running sum is that of what is listed");

    room.wait(std::time::Duration::from_secs(5));
    room.try_join(1_000, 1_000, "observer", None).unwrap();
    let Ok(Answer::WhoIsHere(who)) = room.ask(1_000, Who::default()) else { panic!("who") };
    assert_eq!(who.peers.len(), people.len() + 1);
    let all = Search { limit: Some(1_000), ..Search::default() };
    let Ok(Answer::Matches(found)) = room.ask(1_000, all) else { panic!("search") };
    assert_eq!(found.entries.len(), entries.len());
    for entry in entries {
        let Ok(Answer::Found(found)) = room.ask(1_000, Find::Entry { entry: entry.entry.clone() }) else {
            panic!("{} is listed but not found", entry.entry)
        };
        assert_eq!(found.entry.hashes, entry.hashes);
        let found = room.sources(1_000, &entry.entry);
        assert_eq!(u64::try_from(found.len()).unwrap(), entry.sources, "every source is told");
        assert!(found.iter().all(|nick| people.iter().any(|person| person.nick == *nick)));
    }
    let session = SessionKey(1_000);
    room.execute(Command::Gone { session, how: Departure::Left, detail: String::new() });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// `Room` checks after each step that the state is the fold of the events; `check` asks an
    /// observer at the end.
    #[test]
    fn any_sequence_of_commands_leaves_a_state_that_agrees_with_itself(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut room = Room::new();
        for (index, step) in steps.into_iter().enumerate() {
            take(&mut room, step);
            if index % 10 == 9 {
                check(&mut room);
            }
        }
        check(&mut room);
    }

    #[test]
    fn one_seed_gives_one_trace(steps in prop::collection::vec(step(), 1..40)) {
        let run = || {
            let mut room = Room::new();
            steps.iter().copied().for_each(|step| take(&mut room, step));
            (room.events().to_vec(), (0..8).map(|session| room.pushes(session)).collect::<Vec<_>>())
        };
        prop_assert_eq!(run(), run());
    }
}
