//! Clients that only announce, beyond those that have a name: the same answers, and nobody is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::room::{Client, Room, peer_id, share};
use registry::{Action, Command, Door, Unannounced, Unknown};
use shared::announce::Event as Why;
use shared::control::{Answer, Departure, Push, Search, SourcesOf, Stats, StatsOf, Who};
use shared::{InfoHash, InfoHashV2, InfoHashes};

/// Client `number` with a port of its own.
fn client(number: u8, from: &'static str, torrent: u8) -> Client {
    let mut id = *b"-qB5030-abcdefghijkl";
    id[19] = number;
    Client { port: 1_000 + u16::from(number), ..Client::new(&id, from, torrent) }
}

fn room(named: usize) -> Room {
    Room::with(|config| config.named_announcers = named)
}

fn ports(answer: &registry::Announced) -> BTreeSet<u16> {
    answer.reply.peers.iter().map(std::net::SocketAddr::port).collect()
}

#[test]
fn those_with_a_name_and_those_without_are_one_swarm() {
    let mut room = room(3);
    room.join(1, "ana");
    room.share(1, "linux.iso", 7);
    for number in 0..10 {
        room.announce(&client(number, "192.168.1.50:9", 7)).unwrap();
    }
    // Ana, three with a name, seven without.
    assert_eq!((room.online(), room.registry.crowd()), (4, (1, 7)));
    let scrape = room.registry.scrape(InfoHash([7; 20])).unwrap();
    assert_eq!((scrape.seeds, scrape.leechers), (11, 0));
    let all: BTreeSet<u16> = (1_000..1_010).chain([6_881]).collect();
    for asker in [0, 9] {
        let answer = room.announce(&client(asker, "192.168.1.50:9", 7)).unwrap();
        let others: BTreeSet<u16> =
            all.iter().copied().filter(|port| *port != 1_000 + u16::from(asker)).collect();
        assert_eq!((ports(&answer), answer.reply.seeds), (others, 11), "client {asker}");
        assert_eq!(answer.ids.len(), answer.reply.peers.len());
    }
    // Where not all are wanted, both kinds are told of.
    let few = Client { wanted: 5, ..client(9, "192.168.1.50:9", 7) };
    let (mut named, mut unnamed) = (0, 0);
    for _ in 0..4 {
        room.wait(Duration::from_secs(31));
        let told = ports(&room.announce(&few).unwrap());
        assert_eq!(told.len(), 5);
        named += told.iter().filter(|port| **port < 1_003 || **port == 6_881).count();
        unnamed += told.iter().filter(|port| (1_003..1_010).contains(*port)).count();
    }
    assert!(named >= 4 && unnamed >= 8, "{named} {unnamed}");
    // Nobody without a name is among those who are here.
    let Ok(Answer::WhoIsHere(who)) = room.ask(1, Who::default()) else { panic!("who") };
    assert_eq!(who.peers.len(), 4);
}

#[test]
fn they_leave_fall_silent_and_complete() {
    let mut room = room(0);
    let counts = |room: &Room| {
        let scrape = room.registry.scrape(InfoHash([7; 20]))?;
        Some((scrape.seeds, scrape.leechers, scrape.completed))
    };
    let leech = Client { left: Some(5), ..client(1, "192.168.1.50:9", 7) };
    room.announce(&leech).unwrap();
    room.announce(&client(2, "192.168.1.50:9", 7)).unwrap();
    assert_eq!(counts(&room), Some((1, 1, 0)));
    for _ in 0..3 {
        room.announce(&Client { left: Some(0), event: Why::Completed, ..leech.clone() }).unwrap();
        assert_eq!(counts(&room), Some((2, 0, 1)), "counted once");
    }
    let answer = room.announce(&Client { event: Why::Stopped, wanted: 0, ..leech.clone() }).unwrap();
    assert_eq!((answer.reply.seeds, answer.reply.peers.len()), (1, 0));
    // Who repeats an id from elsewhere is somebody else.
    room.announce(&Client { event: Why::Stopped, ..client(2, "192.168.1.66:9", 7) }).unwrap();
    assert_eq!(counts(&room), Some((1, 0, 1)));
    for _ in 0..350 {
        room.wait(Duration::from_secs(1));
        room.expire();
    }
    assert_eq!((counts(&room), room.registry.crowd()), (None, (0, 0)));
    // One who announces too often is told of nobody after the fifth time.
    room.announce(&client(2, "192.168.1.50:9", 7)).unwrap();
    let hasty = Client { event: Why::Interval, ..client(1, "192.168.1.50:9", 7) };
    let told: Vec<usize> = (0..8).map(|_| room.announce(&hasty).unwrap().reply.peers.len()).collect();
    assert_eq!(told, [1, 1, 1, 1, 1, 1, 0, 0]);
    assert!(room.announce(&hasty).unwrap().reply.warning.unwrap().contains("30 s"));
}

#[test]
fn their_limits_are_those_of_all() {
    let mut room = Room::with(|config| {
        config.named_announcers = 0;
        config.max_announced_per_address = 3;
        config.max_unlisted = 4;
        config.max_announcers = 6;
    });
    for torrent in 1..=3 {
        room.announce(&client(1, "192.168.1.50:9", torrent)).unwrap();
    }
    let full = |room: &mut Room, from, torrent| match room.announce(&client(9, from, torrent)) {
        Err(Unannounced::Full { what, limit }) => (what, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(full(&mut room, "192.168.1.50:9", 1), ("torrents at your address", 3));
    room.announce(&client(1, "192.168.1.50:9", 3)).unwrap();
    room.announce(&client(1, "[fd00::1]:9", 4)).unwrap();
    assert_eq!(full(&mut room, "192.168.1.52:9", 5), ("torrents that nobody shared", 4));
    room.announce(&client(2, "[fd00::2]:9", 4)).unwrap();
    room.announce(&client(3, "[fd00::3]:9", 4)).unwrap();
    assert_eq!(full(&mut room, "[fd00::4]:9", 4), ("torrents at your address", 3), "one network of IPv6");
    assert_eq!(full(&mut room, "192.168.1.52:9", 1), ("clients", 6));
    for (unknown, near, far) in
        [(Unknown::Accept, true, true), (Unknown::Local, true, false), (Unknown::Refuse, false, false)]
    {
        let mut room = Room::with(|config| (config.named_announcers, config.unknown) = (0, unknown));
        assert_eq!(room.announce(&client(1, "192.168.1.50:9", 7)).is_ok(), near);
        assert_eq!(room.announce(&client(1, "203.0.113.9:9", 7)).is_ok(), far);
        room.join(1, "ana");
        room.share(1, "linux.iso", 8);
        room.announce(&client(1, "203.0.113.9:9", 8)).unwrap();
    }
}

#[test]
fn who_is_banned_is_gone_and_who_says_hello_is_here_once() {
    let mut room = room(0);
    for (number, from) in [(1, "192.168.1.50:9"), (2, "192.168.1.51:9"), (3, "10.0.0.3:9")] {
        room.announce(&client(number, from, 7)).unwrap();
    }
    let action = Action::Ban { whom: "192.168.1.0/24".to_owned(), millis: None, reason: String::new() };
    room.execute(Command::Operate { by: "console".to_owned(), action });
    assert_eq!(room.registry.crowd(), (1, 1));
    assert!(matches!(room.announce(&client(1, "192.168.1.50:9", 7)), Err(Unannounced::Banned { .. })));
    // It announced before it said hello.
    let mut room = self::room(0);
    let own = Client { port: 6881, ..Client::new(&peer_id(1).0, "192.168.1.1:9", 7) };
    room.announce(&own).unwrap();
    room.join(1, "ana");
    room.announce(&own).unwrap();
    assert_eq!((room.registry.crowd(), room.registry.scrape(own.hash).unwrap().seeds), ((0, 0), 1));
}

#[test]
fn those_without_a_name_count_wherever_sources_do() {
    let mut room = room(0);
    room.join(1, "ana");
    room.join(2, "bob");
    room.share(1, "linux a", 7);
    room.share(1, "linux b", 8);
    room.registry.follow();
    let of_b = InfoHash([8; 20]);
    for number in 0..3 {
        room.announce(&client(number, "192.168.1.50:9", 8)).unwrap();
    }
    // An index is told, and orders by it; without one it is the same order.
    assert_eq!(room.registry.touched().into_iter().collect::<Vec<_>>(), [(of_b, false)]);
    assert_eq!(room.registry.listing(of_b, false).unwrap().sources, 4);
    let search = Search { query: "linux".to_owned(), ..Search::default() };
    let Ok(Answer::Matches(found)) = room.ask(2, search) else { panic!("search") };
    let found: Vec<_> = found.entries.iter().map(|entry| (entry.name.as_str(), entry.sources)).collect();
    assert_eq!(found, [("linux b", 4), ("linux a", 1)]);
    let stopped = Client { event: Why::Stopped, ..client(0, "192.168.1.50:9", 8) };
    room.announce(&stopped).unwrap();
    assert!(room.registry.touched().contains_key(&of_b));
    assert_eq!(room.registry.listing(of_b, false).unwrap().sources, 3);

    // What was announced before it was shared, and what comes back.
    room.announce(&client(5, "192.168.1.50:9", 9)).unwrap();
    room.forget_pushes();
    room.share(1, "linux c", 9);
    room.gone(1, Departure::Left);
    room.join(1, "ana");
    room.share(1, "linux a", 7);
    let shared = room.pushes(2).into_iter().filter_map(|push| match push {
        Push::Shared { entry, .. } => Some((entry.name, entry.sources, entry.full, entry.by)),
        _ => None,
    });
    let (ana, full) = (|| vec!["ana".to_owned()], |sources| (sources, sources));
    let expected = [("linux c", full(2)), ("linux a", full(1))];
    let expected = expected.map(|(name, (sources, full))| (name.to_owned(), sources, full, ana()));
    assert_eq!(shared.collect::<Vec<_>>(), expected);

    // They are silent for too long.
    room.registry.touched();
    for _ in 0..5 {
        room.wait(Duration::from_secs(3_600));
        room.expire();
    }
    assert_eq!(room.registry.crowd(), (0, 0));
    assert!(room.registry.touched().contains_key(&of_b));
}

#[test]
fn both_hashes_of_a_hybrid_torrent_lead_to_one_crowd() {
    let mut room = room(0);
    let v2 = InfoHashV2([9; 32]);
    room.announce(&client(1, "192.168.1.50:9", 7)).unwrap();
    room.announce(&client(1, "192.168.1.50:9", 9)).unwrap();
    room.announce(&client(2, "192.168.1.51:9", 9)).unwrap();
    assert_eq!(room.registry.crowd(), (2, 3));
    room.join(1, "ana");
    let mut hybrid = share("linux.iso", 7, None);
    hybrid.hashes = InfoHashes::hybrid(InfoHash([7; 20]), v2);
    room.ask(1, hybrid).unwrap();
    assert_eq!(room.registry.crowd(), (1, 2));
    for hash in [InfoHash([7; 20]), v2.truncated()] {
        assert_eq!(room.registry.scrape(hash).unwrap().seeds, 3);
    }
    let by_udp = Client { door: Door::Udp, hash: v2.truncated(), ..client(3, "192.168.1.52:9", 9) };
    assert_eq!(ports(&room.announce(&by_udp).unwrap()), BTreeSet::from([1_001, 1_002, 6_881]));
}

#[test]
fn those_without_a_name_are_counted_and_told_over_a_connection_too() {
    let mut room = room(0);
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    for number in 0..6 {
        let left = Some(if number < 4 { 5 } else { 0 });
        room.announce(&Client { left, ..client(number, "192.168.1.50:9", 7) }).unwrap();
    }
    room.announce(&Client { port: 0, ..client(9, "192.168.1.50:9", 7) }).unwrap();
    room.announce(&Client { left: Some(5), ..client(8, "[fe80::7]:9", 7) }).unwrap();
    let ask = |want| SourcesOf { entry: entry.clone(), want, subscribe: false };
    let Ok(Answer::Sources(told)) = room.ask(2, ask(200)) else { panic!("sources") };
    assert_eq!((told.total, told.full), (9, 4), "ana, six, one that cannot be dialled, and one by IPv6");
    let ports: BTreeSet<u16> = told.sources.iter().map(|source| source.addresses[0].port()).collect();
    assert_eq!(ports, (1_000..1_006).chain([1_008, 6_881]).collect());
    assert_eq!(told.sources.len(), 8);
    for source in told.sources.iter().filter(|source| source.nick.is_empty()) {
        let full = (1_004..1_006).contains(&source.addresses[0].port());
        assert_eq!((source.have.is_full(), source.agent.as_str()), (full, "qBittorrent 5.0.3"), "{source:?}");
    }
    let mut unnamed = 0;
    for _ in 0..20 {
        let Ok(Answer::Sources(few)) = room.ask(2, ask(3)) else { panic!("sources") };
        assert!(few.sources.len() <= 3);
        unnamed += few.sources.iter().filter(|source| source.nick.is_empty()).count();
    }
    assert!(unnamed >= 20, "{unnamed}");

    let Ok(Answer::Matches(found)) = room.ask(2, Search { query: "linux".to_owned(), ..Search::default() })
    else {
        panic!("search")
    };
    assert_eq!((found.entries[0].sources, found.entries[0].full), (9, 4));
    let ask = room.ask(2, StatsOf { entry: Some(entry.clone()) });
    let Ok(Answer::Stats(Stats::Swarm { swarm })) = ask else { panic!("stats") };
    assert_eq!((swarm.full, swarm.partial), (4, 5));
    let Ok(Answer::Stats(Stats::Tracker { tracker })) = room.ask(2, StatsOf { entry: None }) else {
        panic!("stats")
    };
    assert_eq!((tracker.online, tracker.unnamed), (2, 8));
    assert_eq!(room.registry.entries()[0].sources, 9);

    // Whoever shared it is gone; somebody has it still.
    room.gone(1, Departure::Left);
    let Ok(Answer::Matches(found)) = room.ask(2, Search { query: "linux".to_owned(), ..Search::default() })
    else {
        panic!("search")
    };
    let left = &found.entries[0];
    assert_eq!((left.sources, left.full, left.seen, left.by.len()), (8, 3, None, 0));
}
