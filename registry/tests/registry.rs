//! The registry through its public face: commands in, answers, deliveries and events out.

use crate::room::{self, Room, peer_id};
use shared::control::{
    Answer, Change, Code, Departure, Find, Have, History, Kind, Message, Progress, ProgressEvent, Push,
    Search, SourcesOf, Stats, StatsOf, Unshare, Who,
};

#[test]
fn a_taken_nick_gets_a_number_and_is_told() {
    let mut room = Room::new();
    assert_eq!(room.join(1, "ana").nick, "ana");
    let second = room.join(2, "Ana");
    assert_eq!(second.nick, "Ana2");
    assert!(second.note.unwrap().contains("in use"));
    // Cyrillic letters that look the same are the same.
    assert_eq!(room.join(3, "аnа").nick, "аnа3");
    // A number that would be too wide takes the place of the end of the nick.
    let long = "x".repeat(32);
    assert_eq!(room.join(4, &long).nick, long);
    assert_eq!(room.join(5, &long).nick, format!("{}2", "x".repeat(31)));
    room.gone(1, Departure::Left);
    assert_eq!(room.join(6, "ana").nick, "ana");
}

#[test]
fn the_same_peer_on_a_new_connection_replaces_the_old_one() {
    let mut room = Room::new();
    let first = room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    room.ask(2, SourcesOf { entry: entry.clone(), want: 50, subscribe: true }).unwrap();

    room.forget_pushes();
    // With the name of its session it goes on with all it had.
    let again = room.join_as(11, 1, "ana", Some(first.session));
    assert_eq!(again.nick, "ana");
    assert_eq!(room.ended(), [1]);
    assert_eq!(room.online(), 2);
    assert!(room.pushes(2).is_empty(), "nobody else notices");
    assert_eq!(room.sources(2, &entry), ["ana"]);

    // Without it, it is a new start: its sources leave.
    let again = room.join_as(21, 1, "ana", None);
    assert_eq!(again.nick, "ana");
    assert_eq!(room.ended(), [11]);
    assert!(room.sources(2, &entry).is_empty());
    let pushes = room.pushes(2);
    assert!(
        pushes.iter().any(|push| matches!(push, Push::Source { change: Change::Left, .. })),
        "{pushes:?}"
    );
    // What the old connection does now is nothing to the new one.
    room.gone(11, Departure::Lost);
    assert_eq!(room.online(), 2);
}

#[test]
fn equal_content_is_one_entry_whatever_its_name() {
    let mut room = Room::new();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
        room.join(number, nick);
    }
    let first = room.ask(1, room::share("linux.iso", 7, Some(50))).unwrap();
    let Answer::Shared(first) = first else { panic!("{first:?}") };
    assert!(!first.joined && first.sources.is_empty());
    assert_eq!(first.entry.0, "070707");
    // The same hashes.
    let Answer::Shared(second) = room.ask(2, room::share("other name", 7, None)).unwrap() else { panic!() };
    assert!(second.joined);
    assert_eq!((&second.entry, second.name.as_str()), (&first.entry, "linux.iso"));
    assert_eq!(second.sources.iter().map(|source| source.nick.as_str()).collect::<Vec<_>>(), ["ana"]);
    // Other hashes, but the same root: the same file under another name.
    let Answer::Shared(third) = room.ask(3, room::share("LINUX (1).iso", 8, Some(50))).unwrap() else {
        panic!()
    };
    assert!(third.joined);
    assert_eq!((&third.entry, third.hashes), (&first.entry, first.hashes));
    // It is found under all names.
    for name in ["linux.iso", "OTHER NAME", "linux (1)"] {
        let Answer::Found(found) = room.ask(1, Find::Name { name: name.to_owned() }).unwrap() else {
            panic!()
        };
        assert_eq!((found.entry.entry, found.entry.sources), (first.entry.clone(), 3), "{name}");
    }
    // A lie about its size is refused.
    let mut lie = room::share("linux.iso", 7, None);
    lie.size += 1;
    assert_eq!(room.ask(2, lie).unwrap_err().code, Code::BadField);
    // Two shares whose hashes begin alike get ids that differ.
    let mut alike = room::share("alike", 7, None);
    let mut hash = [7; 20];
    hash[19] = 8;
    alike.hashes = shared::InfoHashes::v1(shared::InfoHash(hash));
    let Answer::Shared(alike) = room.ask(1, alike).unwrap() else { panic!() };
    assert_eq!(alike.entry.0, "0707070");
}

#[test]
fn sharing_again_changes_nothing() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    room.share(1, "linux.iso", 7);
    room.forget_events();
    room.share(1, "linux.iso", 7);
    assert!(room.events().is_empty() && room.pushes(2).len() <= 1);
}

#[test]
fn names_are_found_in_any_case_and_without_accents() {
    let mut room = Room::new();
    room.join(1, "ana");
    for (number, name) in
        [(1, "Película (2024).mkv"), (2, "Tema 3.pdf"), (3, "TEMA 3 viejo.zip"), (4, "tema 3.pdf")]
    {
        room.share(1, name, number);
    }
    let search = |room: &mut Room, search: Search| match room.ask(1, search).unwrap() {
        Answer::Matches(matches) => matches,
        other => panic!("{other:?}"),
    };
    let names = |room: &mut Room, query: &str| {
        let found = search(room, Search { query: query.to_owned(), ..Search::default() });
        found.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut room, "pelicula 2024"), ["Película (2024).mkv"]);
    assert_eq!(names(&mut room, "TEMA 3.PDF"), ["Tema 3.pdf", "tema 3.pdf"]);
    assert_eq!(names(&mut room, "3 tema").len(), 3);
    assert_eq!(names(&mut room, "").len(), 4);
    let nothing = search(&mut room, Search { query: "tenma 3.pdf".to_owned(), ..Search::default() });
    assert_eq!((nothing.total, nothing.near.first().map(String::as_str)), (0, Some("Tema 3.pdf")));
    let videos = search(&mut room, Search { kind: Some(Kind::Video), ..Search::default() });
    assert_eq!(videos.total, 1);
    let page = search(&mut room, Search { limit: Some(3), ..Search::default() });
    assert_eq!((page.entries.len(), page.total, page.after), (3, 4, Some(3)));
    let rest = search(&mut room, Search { limit: Some(3), after: page.after, ..Search::default() });
    assert_eq!((rest.entries.len(), rest.after), (1, None));
    let by = Search { by: Some("nobody".to_owned()), ..Search::default() };
    assert_eq!(room.ask(1, by).unwrap_err().code, Code::NoSuchUser);

    // The exact name wins, another case of two is ambiguous, a beginning that fits one is enough.
    let find = |room: &mut Room, name: &str| room.ask(1, Find::Name { name: name.to_owned() });
    assert!(
        matches!(find(&mut room, "tema 3.pdf"), Ok(Answer::Found(found)) if found.entry.name == "tema 3.pdf")
    );
    let several = find(&mut room, "TEMA 3.pdf").unwrap_err();
    assert_eq!((several.code, several.candidates.len()), (Code::Ambiguous, 2));
    assert!(matches!(find(&mut room, "pelic"), Ok(Answer::Found(_))));
    assert!(matches!(find(&mut room, "#010101"), Ok(Answer::Found(_))));
    let nothing = find(&mut room, "pelicla (2024).mkv").unwrap_err();
    assert_eq!((nothing.code, nothing.near), (Code::NoSuchEntry, vec!["Película (2024).mkv".to_owned()]));
}

#[test]
fn what_nobody_has_any_more_is_still_known() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    room.gone(1, Departure::Lost);
    let Answer::Found(found) = room.ask(2, Find::Entry { entry: entry.clone() }).unwrap() else { panic!() };
    assert_eq!((found.entry.sources, found.entry.by), (0, vec!["ana".to_owned()]));
    // It is told when it is back; unsharing it ends it.
    room.join_as(3, 1, "ana", None);
    room.forget_pushes();
    room.share(3, "linux.iso", 7);
    assert!(room.pushes(2).iter().any(|push| matches!(push, Push::Shared { .. })));
    assert_eq!(room.ask(2, Unshare { entry: entry.clone() }).unwrap_err().code, Code::NotShared);
    room.ask(3, Unshare { entry: entry.clone() }).unwrap();
    assert_eq!(room.ask(2, Find::Entry { entry }).unwrap_err().code, Code::NoSuchEntry);
}

#[test]
fn subscribers_hear_at_once_who_joins_completes_and_leaves() {
    let mut room = Room::new();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
        room.join(number, nick);
    }
    let entry = room.share(1, "linux.iso", 7);
    room.ask(2, SourcesOf { entry: entry.clone(), want: 50, subscribe: true }).unwrap();
    room.forget_pushes();
    let progress = |have, left, event| Progress {
        entry: entry.clone(),
        have,
        left,
        downloaded: room::SIZE - left,
        uploaded: 0,
        event,
        pieces: None,
        flows: Vec::new(),
    };
    room.ask(3, progress(Have::Pieces(0), room::SIZE, Some(ProgressEvent::Started))).unwrap();
    room.ask(3, progress(Have::Pieces(30), room::SIZE / 2, None)).unwrap();
    room.ask(3, progress(Have::Full, 0, Some(ProgressEvent::Completed))).unwrap();
    room.gone(3, Departure::Lost);
    let changes: Vec<(String, Change, Have)> = room
        .pushes(2)
        .into_iter()
        .filter_map(|push| match push {
            Push::Source { peer, change, .. } => Some((peer.nick, change, peer.have)),
            _ => None,
        })
        .collect();
    let eva = || "eva".to_owned();
    assert_eq!(
        changes,
        [
            (eva(), Change::Joined, Have::Pieces(0)),
            (eva(), Change::Completed, Have::Full),
            (eva(), Change::Left, Have::Full)
        ]
    );
    assert!(room.pushes(1).iter().all(|push| !matches!(push, Push::Source { .. })), "ana did not subscribe");
    // No longer subscribed, no longer told.
    room.ask(2, SourcesOf { entry: entry.clone(), want: 0, subscribe: false }).unwrap();
    room.forget_pushes();
    room.gone(1, Departure::Left);
    assert!(room.pushes(2).iter().all(|push| !matches!(push, Push::Source { .. })));
}

#[test]
fn a_download_has_a_start_quarters_and_an_end() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    room.forget_events();
    let percents = [0_u64, 10, 26, 30, 80, 90, 100];
    for (step, percent) in percents.into_iter().enumerate() {
        room.wait(std::time::Duration::from_secs(10));
        let event = match step {
            0 => Some(ProgressEvent::Started),
            6 => Some(ProgressEvent::Completed),
            _ => None,
        };
        let downloaded = room::SIZE * percent / 100;
        let have = Have::Pieces(percent * room::PIECES / 100);
        let left = room::SIZE - downloaded;
        room.ask(
            2,
            Progress {
                entry: entry.clone(),
                have,
                left,
                downloaded,
                uploaded: 5,
                event,
                pieces: None,
                flows: Vec::new(),
            },
        )
        .unwrap();
    }
    let milestones = room.milestones();
    assert_eq!(
        milestones,
        ["start from [\"ana\"]", "25 %", "75 %", &format!("done in Some(60000) ms, {} bytes", room::SIZE)]
    );
    let Answer::Stats(Stats::Swarm { swarm }) = room.ask(1, StatsOf { entry: Some(entry) }).unwrap() else {
        panic!()
    };
    assert_eq!((swarm.full, swarm.partial, swarm.completed), (2, 0, 1));
    assert_eq!((swarm.downloaded, swarm.uploaded), (room::SIZE, 5));
}

#[test]
fn messages_reach_one_all_or_no_one() {
    let mut room = Room::new();
    for (number, nick) in [(1, "ana"), (2, "bob"), (3, "eva")] {
        room.join(number, nick);
    }
    let message = |to: &str, nonce: Option<&str>| Message {
        to: to.to_owned(),
        text: "hola".to_owned(),
        nonce: nonce.map(str::to_owned),
    };
    room.forget_pushes();
    let Answer::Sent(one) = room.ask(1, message("BOB", None)).unwrap() else { panic!() };
    assert_eq!((one.delivered, one.receivers[0].nick.as_str()), (1, "bob"));
    let Answer::Sent(all) = room.ask(1, message("*", None)).unwrap() else { panic!() };
    assert_eq!((all.delivered, all.receivers.len()), (2, 0));
    assert!(all.message > one.message);
    assert_eq!((room.texts(1).len(), room.texts(2).len(), room.texts(3).len()), (0, 2, 1));
    // To oneself, if one likes.
    room.ask(1, message("ana", None)).unwrap();
    assert_eq!(room.texts(1), [("ana".to_owned(), "hola".to_owned())]);
    let nobody = room.ask(1, message("bbo", None)).unwrap_err();
    assert_eq!((nobody.code, nobody.near), (Code::NoSuchUser, vec!["bob".to_owned()]));
    assert_eq!(nobody.text, "no one is called \"bbo\"");
    // The same mark again is the same message, and is delivered once.
    room.forget_pushes();
    let Answer::Sent(first) = room.ask(1, message("bob", Some("n1"))).unwrap() else { panic!() };
    let Answer::Sent(again) = room.ask(1, message("bob", Some("n1"))).unwrap() else { panic!() };
    assert_eq!(first, again);
    assert_eq!(room.texts(2).len(), 1);
    // History tells each what it may know.
    let history = |room: &mut Room, number, with: Option<&str>| {
        let ask = History { with: with.map(str::to_owned), ..History::default() };
        let Answer::Messages(messages) = room.ask(number, ask).unwrap() else { panic!() };
        messages.messages.len()
    };
    assert_eq!(
        (history(&mut room, 1, None), history(&mut room, 2, None), history(&mut room, 3, None)),
        (4, 3, 1)
    );
    assert_eq!((history(&mut room, 2, Some("ana")), history(&mut room, 2, Some("*"))), (2, 1));
}

#[test]
fn too_fast_is_refused_with_a_time_and_nothing_is_lost() {
    let mut room = Room::with(|config| {
        config.messages = registry::Rate { burst: 10, per_second: 2 };
    });
    room.join(1, "ana");
    room.join(2, "bob");
    let message = || Message { to: "bob".to_owned(), text: "hola".to_owned(), nonce: None };
    let mut sent = 0;
    for _ in 0..11 {
        match room.ask(1, message()) {
            Ok(_) => sent += 1,
            Err(refusal) => {
                assert_eq!((refusal.code, refusal.retry_after_ms), (Code::RateLimited, Some(500)));
                room.wait(std::time::Duration::from_millis(500));
                room.ask(1, message()).unwrap();
                sent += 1;
            }
        }
    }
    assert_eq!((sent, room.texts(2).len()), (11, 11));
    // A flood of long messages to all is held below what a reader's outbox takes.
    let mut room = Room::new();
    for number in 1..=20 {
        room.join(number, &format!("peer{number}"));
    }
    room.forget_pushes();
    let (mut sent, mut refused) = (0, 0);
    for number in 1..=20 {
        for _ in 0..100 {
            let message = Message { to: "*".to_owned(), text: "x".repeat(4096), nonce: None };
            match room.ask(number, message) {
                Ok(_) => sent += 1,
                Err(refusal) => {
                    assert!(refusal.retry_after_ms.is_some());
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(sent + refused, 2_000);
    assert!(sent * 4096 < 512 * 1024, "{sent}");
    let heard = room.texts(1).len();
    assert!(heard <= sent && sent - heard <= 100, "all but its own: {heard} of {sent}");
}

#[test]
fn the_silent_are_lost_after_three_heartbeats() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    room.wait(std::time::Duration::from_secs(60));
    room.ask(2, Who::default()).unwrap();
    room.wait(std::time::Duration::from_secs(30));
    assert_eq!(room.expire(), [1]);
    assert_eq!(room.online(), 1);
    assert!(
        room.pushes(2).iter().any(|push| {
            matches!(push, Push::PeerLeft { nick, reason: Departure::Lost } if nick == "ana")
        })
    );
    assert_eq!(room.ask(1, Who::default()).unwrap_err().code, Code::NotRegistered);
}

#[test]
fn someone_who_cannot_be_dialled_is_asked_to_dial() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    room.forget_pushes();
    let back = |number| shared::control::ConnectBack { peer_id: peer_id(number), entry: entry.clone() };
    room.ask(2, back(1)).unwrap();
    let pushes = room.pushes(1);
    let [Push::Dial { nick, addresses, .. }] = pushes.as_slice() else { panic!("{pushes:?}") };
    assert_eq!((nick.as_str(), addresses[0].to_string().as_str()), ("bob", "192.168.1.2:6881"));
    assert_eq!(room.ask(2, back(9)).unwrap_err().code, Code::NoSuchUser);
    assert_eq!(room.ask(2, back(2)).unwrap_err().code, Code::BadField);
}

#[test]
fn limits_are_refusals() {
    let mut room = Room::with(|config| {
        config.max_members = 2;
        config.max_shares = 2;
        config.max_entries = 3;
        config.max_subscriptions = 1;
    });
    room.join(1, "ana");
    room.join(2, "bob");
    assert_eq!(room.try_join(3, 3, "eva", None).unwrap_err().code, Code::TooManySessions);
    let first = room.share(1, "a", 1);
    let second = room.share(1, "b", 2);
    assert_eq!(room.ask(1, room::share("c", 3, None)).unwrap_err().code, Code::TooMany);
    room.ask(2, SourcesOf { entry: first, want: 1, subscribe: true }).unwrap();
    let more = SourcesOf { entry: second, want: 1, subscribe: true };
    assert_eq!(room.ask(2, more).unwrap_err().code, Code::TooMany);
    room.share(2, "d", 4);
    assert_eq!(room.ask(2, room::share("e", 5, None)).unwrap_err().code, Code::TooMany);
    // What nobody has makes room.
    room.gone(1, Departure::Left);
    room.share(2, "e", 5);
    assert_eq!(room.ask(2, Find::Name { name: "a".to_owned() }).unwrap_err().code, Code::NoSuchEntry);
}
