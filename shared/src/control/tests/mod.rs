//! Every request, answer and push goes out and comes back as the same value.

mod bad_lines;

use super::*;
use crate::id::{InfoHash, InfoHashV2, InfoHashes, PeerId};

fn entry_id() -> EntryId {
    EntryId("9c1e47".to_owned())
}

fn hashes() -> InfoHashes {
    InfoHashes::hybrid(InfoHash([0x9c; 20]), InfoHashV2([7; 32]))
}

fn source() -> Source {
    Source {
        nick: "ana".to_owned(),
        peer_id: PeerId([1; 20]),
        addresses: vec!["192.168.1.20:6881".parse().unwrap(), "[fe80::1]:6881".parse().unwrap()],
        have: Have::Pieces(3),
        agent: "peer/0.1.0".to_owned(),
    }
}

fn entry() -> Entry {
    Entry {
        entry: entry_id(),
        name: "apuntes de cálculo.pdf".to_owned(),
        size: 4_700_372_992,
        files: 1,
        piece_length: 262_144,
        kind: Kind::Doc,
        sources: 3,
        full: 1,
        by: vec!["ana".to_owned()],
        seen: None,
        hashes: hashes(),
        comment: Some("tema 3".to_owned()),
        private: true,
    }
}

fn requests() -> Vec<Request> {
    vec![
        Hello {
            version: VERSION,
            nick: "ana".to_owned(),
            peer_id: PeerId([1; 20]),
            ports: vec![6881],
            addresses: vec!["10.8.0.7:6881".parse().unwrap()],
            agent: "peer/0.1.0".to_owned(),
            token: Some("tango".to_owned()),
            session: Some("s1".to_owned()),
            guest: false,
        }
        .into(),
        Share {
            name: "linux.iso".to_owned(),
            size: 10,
            files: 1,
            piece_length: 16_384,
            hashes: hashes(),
            root: Some(InfoHashV2([5; 32])),
            kind: Kind::Archive,
            info: Some(b"d4:name9:linux.isoe".to_vec()),
            layers: Some(b"de".to_vec()),
            have: Have::Full,
            comment: None,
            private: false,
        }
        .into(),
        Unshare { entry: entry_id() }.into(),
        Search { query: "tema 3".to_owned(), kind: Some(Kind::Doc), limit: Some(5), ..Search::default() }
            .into(),
        Browse { nick: "eva".to_owned(), after: Some(200), limit: Some(5) }.into(),
        Find::Entry { entry: entry_id() }.into(),
        Find::Name { name: "linux.iso".to_owned() }.into(),
        Find::Hash { info_hash: InfoHash([9; 20]) }.into(),
        SourcesOf { entry: entry_id(), want: 50, subscribe: true }.into(),
        Progress {
            entry: entry_id(),
            have: Have::Pieces(4),
            left: 5,
            downloaded: 6,
            uploaded: 7,
            event: Some(ProgressEvent::Started),
            pieces: Some(vec![0, 128, 255]),
            flows: vec![Flow { peer_id: PeerId([3; 20]), down: 5_000_000, up: 0 }],
        }
        .into(),
        Message { to: "*".to_owned(), text: "hola\n\"señor\"".to_owned(), nonce: Some("n1".to_owned()) }
            .into(),
        History { with: Some("bob".to_owned()), before: Some(9), limit: Some(5) }.into(),
        Who::default().into(),
        Who { room: Some("@aula1".to_owned()) }.into(),
        Join { room: "@aula1".to_owned(), key: None }.into(),
        Join { room: "@notas".to_owned(), key: RoomKey::new("tango lima").ok() }.into(),
        Leave { room: "@Ñandú".to_owned() }.into(),
        Rooms {}.into(),
        Ignore { nick: Some("mikel".to_owned()) }.into(),
        Ignore::default().into(),
        Unignore { nick: "mikel".to_owned() }.into(),
        Away { text: Some("comiendo".to_owned()) }.into(),
        Away::default().into(),
        Back {}.into(),
        ConnectBack { peer_id: PeerId([2; 20]), entry: entry_id() }.into(),
        StatsOf { entry: Some(entry_id()) }.into(),
        Ping {}.into(),
        Bye { reason: Some("quit".to_owned()) }.into(),
    ]
}

#[test]
fn every_request_comes_back_as_it_was() {
    let mut words = std::collections::BTreeSet::new();
    for request in requests() {
        let line = write_request(Some(7), &request);
        let (line, end) = line.split_at(line.len() - 1);
        assert_eq!(end, b"\n");
        assert!(!line.contains(&b'\n'));
        assert_eq!(parse_request(line), Ok((Some(7), request.clone())), "{}", String::from_utf8_lossy(line));
        words.insert(request.word());
    }
    assert_eq!(words, Request::WORDS.iter().copied().collect(), "each request is in this test");
}

fn answer<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(sent: &T, answer: &Answer) {
    let line = write_answer(Some(3), answer);
    let FromTracker::Ok(ok) = parse_from_tracker(line.trim_ascii_end()).unwrap() else { panic!("an answer") };
    assert_eq!(ok.id, Some(3));
    assert_eq!(&ok.read::<T>().unwrap(), sent, "{}", String::from_utf8_lossy(&line));
}

#[test]
fn every_answer_comes_back_as_it_was() {
    let welcome = Welcome {
        nick: "ana2".to_owned(),
        address: "192.168.1.20:40112".parse().unwrap(),
        session: "s1".to_owned(),
        interval: 30,
        tracker: TrackerDescription {
            name: "tracker".to_owned(),
            version: "0.1.0".to_owned(),
            announce: vec![],
            time: 1_700_000_000_000,
        },
        policy: Policy { message_log: MessageLog::Meta },
        online: 3,
        missed: 0,
        note: Some("\"ana\" is taken".to_owned()),
        motd: None,
    };
    answer(&welcome, &Answer::Welcome(Box::new(welcome.clone())));
    let shared = Shared {
        entry: entry_id(),
        name: "a".to_owned(),
        joined: true,
        hashes: hashes(),
        sources: vec![source()],
    };
    answer(&shared, &Answer::Shared(shared.clone()));
    let matches = Matches {
        entries: vec![entry()],
        total: 9,
        after: Some(1),
        near: vec!["x".to_owned()],
        paths: [(EntryId("9c1e47".to_owned()), "tema 3/a.pdf".to_owned())].into(),
    };
    answer(&matches, &Answer::Matches(matches.clone()));
    let found = Found { entry: entry(), root: Some(InfoHashV2([5; 32])), info: Some(vec![0, 255]) };
    answer(&found, &Answer::Found(Box::new(found.clone())));
    let sources = Sources { entry: entry_id(), sources: vec![source()], total: 1, full: 0, subscribed: true };
    answer(&sources, &Answer::Sources(sources.clone()));
    let receipt = Receipt { nick: "bob".to_owned(), state: ReceiptState::Refused, away: None };
    let sent = Sent { message: 1, delivered: 2, stored: 3, refused: 1, receivers: vec![receipt] };
    answer(&sent, &Answer::Sent(sent.clone()));
    let past = Past { message: 1, from: "a".to_owned(), to: "*".to_owned(), text: "hi".to_owned(), at: 5 };
    let messages = Messages { messages: vec![past] };
    answer(&messages, &Answer::Messages(messages.clone()));
    let person = Person {
        nick: "ana".to_owned(),
        peer_id: PeerId([1; 20]),
        address: "10.0.0.1:5".parse().unwrap(),
        addresses: vec![],
        agent: String::new(),
        shares: 1,
        bytes: 2,
        since: 3,
        chat: false,
        away: None,
    };
    let who = WhoIsHere { peers: vec![person], total: 1, absent: Vec::new() };
    answer(&who, &Answer::WhoIsHere(who.clone()));
    let joined = Joined { room: "@a".to_owned(), members: 2, here: 1, created: true };
    answer(&joined, &Answer::Joined(joined.clone()));
    let room =
        RoomEntry { room: "@a".to_owned(), members: 2, here: 1, joined: true, kept: true, closed: false };
    let rooms = RoomList { rooms: vec![room], total: 1 };
    answer(&rooms, &Answer::Rooms(rooms.clone()));
    let ignored = Ignored { ignored: vec!["mikel".to_owned()] };
    answer(&ignored, &Answer::Ignored(ignored.clone()));
    let stats = Stats::Tracker { tracker: Counters { uptime: 1, online: 2, ..Counters::default() } };
    answer(&stats, &Answer::Stats(stats.clone()));
    answer(&Pong { time: 5 }, &Answer::Pong(Pong { time: 5 }));
    answer(&Done {}, &Answer::Done(Done {}));
}

#[test]
fn every_push_and_refusal_comes_back_as_it_was() {
    let nick = || "ana".to_owned();
    let pushes = [
        Push::PeerJoined { nick: nick(), peer_id: PeerId([1; 20]) },
        Push::PeerLeft { nick: nick(), reason: Departure::Lost },
        Push::Shared { nick: nick(), entry: entry() },
        Push::Unshared { nick: nick(), entry: entry_id(), name: "x".to_owned() },
        Push::Source { entry: entry_id(), peer: source(), change: Change::Completed },
        Push::Message {
            message: 4,
            from: nick(),
            to: "*".to_owned(),
            text: "hi".to_owned(),
            at: 1,
            late: false,
        },
        Push::Room { room: "@aula1".to_owned(), nick: Some(nick()), change: RoomChange::Joined },
        Push::Room { room: "@aula1".to_owned(), nick: None, change: RoomChange::Closed },
        Push::Dial { nick: nick(), peer_id: PeerId([1; 20]), addresses: vec![], entry: entry_id() },
        Push::Notice { text: "hi".to_owned() },
        Push::Kick { reason: "noise".to_owned() },
        Push::Bye { reason: "the tracker stops".to_owned() },
    ];
    for push in pushes {
        let line = write_push(&push);
        assert_eq!(parse_from_tracker(line.trim_ascii_end()), Ok(FromTracker::Push(Box::new(push))));
    }
    let future = parse_from_tracker(br#"{"type":"aurora","colour":"green"}"#);
    assert_eq!(future, Ok(FromTracker::Push(Box::new(Push::Unknown))));

    let mut refusal = Refusal::new(Code::NoSuchUser, "no one is called \"bbo\"").advise("who");
    refusal.near = vec!["bob".to_owned()];
    refusal.candidates = vec![entry()];
    let line = write_refusal(Some(7), &refusal);
    let back = parse_from_tracker(line.trim_ascii_end());
    assert_eq!(back, Ok(FromTracker::Refused { id: Some(7), refusal }));
    for code in Code::ALL {
        let line = write_refusal(None, &Refusal::new(*code, "x"));
        assert!(String::from_utf8(line).unwrap().contains(&format!("\"code\":\"{}\"", code.word())));
    }
}
