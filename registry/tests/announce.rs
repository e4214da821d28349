//! Clients that only announce are in the same swarms as everybody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::room::{Client, PIECE_LENGTH, Room, SIZE, peer_id, share};
use registry::{Door, Event, Mark, Unannounced, Unknown};
use shared::announce::Event as Why;
use shared::control::{
    Answer, Change, Code, ConnectBack, Departure, Find, Have, Message, Push, Search, SourcesOf, Who,
};
use shared::{InfoHash, InfoHashV2, InfoHashes, PeerId};

const QB: &[u8; 20] = b"-qB5030-abcdefghijkl";
const TR: &[u8; 20] = b"-TR4060-abcdefghijkl";

fn addresses(answer: &registry::Announced) -> Vec<String> {
    answer.reply.peers.iter().map(ToString::to_string).collect()
}

fn counts(answer: &registry::Announced) -> (u32, u32, Option<u32>) {
    (answer.reply.seeds, answer.reply.leechers, answer.reply.completed)
}

#[test]
fn d53_d54_one_swarm_behind_all_doors() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    let entry = room.share(1, "linux.iso", 7);
    assert_eq!(room.sources(2, &entry), ["ana"]);
    room.forget_pushes();

    // A seed comes by HTTP: whoever waits for sources is told at once, and it is told of ana.
    let answer = room.announce(&Client::new(QB, "192.168.1.50:40000", 7)).unwrap();
    assert_eq!(addresses(&answer), ["192.168.1.1:6881"]);
    assert_eq!(answer.ids, [peer_id(1)]);
    assert_eq!(counts(&answer), (2, 0, Some(0)));
    let told = room.pushes(2).into_iter().find_map(|push| match push {
        Push::Source { peer, change: Change::Joined, .. } => Some(peer),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!((told.nick.as_str(), told.agent.as_str()), ("qBittorrent", "qBittorrent 5.0.3"));
    assert_eq!(told.addresses, ["192.168.1.50:51413".parse().unwrap()]);
    assert_eq!((told.peer_id, told.have), (PeerId(*QB), Have::Full));
    assert!(
        room.pushes(1)
            .iter()
            .any(|push| matches!(push, Push::PeerJoined { nick, .. } if nick == "qBittorrent"))
    );
    assert_eq!(room.sources(2, &entry), ["ana", "qBittorrent"]);

    // One that comes by UDP is told of both, and both are sources for it.
    let leech = Client { left: Some(SIZE), door: Door::Udp, ..Client::new(TR, "192.168.1.51:40000", 7) };
    let answer = room.announce(&leech).unwrap();
    let mut found = addresses(&answer);
    found.sort();
    assert_eq!(found, ["192.168.1.1:6881", "192.168.1.50:51413"]);
    assert_eq!(counts(&answer), (2, 1, Some(0)));

    // When it has everything, and when it goes, others hear of it.
    room.forget_pushes();
    room.wait(Duration::from_secs(60));
    let done = Client { left: Some(0), downloaded: SIZE, event: Why::Completed, ..leech.clone() };
    assert_eq!(counts(&room.announce(&done).unwrap()), (3, 0, Some(1)));
    let answer = room.announce(&Client { event: Why::Stopped, wanted: 0, ..done }).unwrap();
    assert_eq!((counts(&answer), addresses(&answer)), ((2, 0, Some(1)), vec![]));
    let changes: Vec<Change> = room
        .pushes(2)
        .into_iter()
        .filter_map(|push| if let Push::Source { change, .. } = push { Some(change) } else { None })
        .collect();
    assert_eq!(changes, [Change::Completed, Change::Left]);
    assert_eq!(
        room.milestones(),
        ["start from [\"ana\", \"qBittorrent\"]", "done in Some(60000) ms, 100000000 bytes"]
    );
    assert_eq!(
        room.registry.scrape(InfoHash([7; 20])).map(|scrape| (
            scrape.seeds,
            scrape.leechers,
            scrape.completed
        )),
        Some((2, 0, 1))
    );
}

#[test]
fn a_client_is_in_who_and_cannot_chat() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.share(1, "linux.iso", 7);
    room.announce(&Client::new(QB, "192.168.1.50:40000", 7)).unwrap();
    room.announce(&Client::new(b"-qB5030-lkjihgfedcba", "192.168.1.51:40000", 7)).unwrap();
    let Ok(Answer::WhoIsHere(who)) = room.ask(1, Who::default()) else { panic!("who") };
    let rows: Vec<_> =
        who.peers.iter().map(|p| (p.nick.as_str(), p.agent.as_str(), p.chat, p.shares)).collect();
    assert_eq!(
        rows,
        [
            ("ana", "test/1", true, 1),
            ("qBittorrent", "qBittorrent 5.0.3", false, 1),
            ("qBittorrent2", "qBittorrent 5.0.3", false, 1)
        ]
    );
    let message = |to: &str| Message { to: to.to_owned(), text: "hola".to_owned(), nonce: None };
    let refusal = room.ask(1, message("qbittorrent")).unwrap_err();
    assert_eq!(refusal.code, Code::CannotChat);
    assert_eq!(
        refusal.text,
        "\"qBittorrent\" cannot chat: it is qBittorrent 5.0.3, which only exchanges files"
    );
    // What is said to all is for all who can read it.
    let Ok(Answer::Sent(sent)) = room.ask(1, message("*")) else { panic!("sent") };
    assert_eq!(sent.delivered, 0);
    let back = ConnectBack { peer_id: PeerId(*QB), entry: shared::control::EntryId("070707".to_owned()) };
    assert_eq!(room.ask(1, back).unwrap_err().code, Code::NoSuchUser);
}

#[test]
fn d61_an_address_is_taken_when_it_is_near_or_the_senders_own() {
    let mut room = Room::new();
    let told = |room: &mut Room, from, told: &[&'static str]| {
        let client = Client { told: told.to_vec(), ..Client::new(QB, from, 7) };
        room.announce(&client).unwrap();
        let asker = Client::new(TR, "192.168.1.9:1", 7);
        addresses(&room.announce(&Client { event: Why::Interval, ..asker }).unwrap())
    };
    assert_eq!(told(&mut room, "192.168.1.50:9", &["192.168.1.50"]), ["192.168.1.50:51413"]);
    // A13: nobody makes a swarm dial a stranger.
    assert_eq!(
        told(&mut room, "192.168.1.50:9", &["8.8.8.8", "224.0.0.1", "127.0.0.1"]),
        ["192.168.1.50:51413"]
    );
    let person = room.registry.people().into_iter().find(|person| person.agent.starts_with("qB")).unwrap();
    assert_eq!(person.addresses.len(), 1);
    assert_eq!(
        told(&mut room, "192.168.1.50:9", &["10.8.0.7", "fd00::7"]),
        ["192.168.1.50:51413", "[fd00::7]:51413"]
    );
}

#[test]
fn d58_d77_the_one_who_asks_is_never_among_the_peers_and_the_others_are_equally_likely() {
    let mut room = Room::with(|config| config.max_early = u8::MAX);
    let id = |number: u8| {
        let mut id = *QB;
        id[19] = number;
        id
    };
    for number in 0..20 {
        room.announce(&Client {
            port: 1000 + u16::from(number),
            ..Client::new(&id(number), "192.168.1.50:9", 7)
        })
        .unwrap();
    }
    let asker =
        Client { port: 1003, wanted: 5, event: Why::Completed, ..Client::new(&id(3), "192.168.1.50:9", 7) };
    let mut seen = BTreeMap::new();
    for _ in 0..3_800 {
        let answer = room.announce(&asker).unwrap();
        assert_eq!(answer.reply.peers.len(), 5);
        for peer in addresses(&answer) {
            *seen.entry(peer).or_insert(0_u32) += 1;
        }
    }
    assert!(seen.len() == 19 && !seen.contains_key("192.168.1.50:1003"), "{seen:?}");
    // 1,000 each is expected; six standard deviations are about 160.
    assert!(seen.values().all(|count| (820..1_180).contains(count)), "{seen:?}");
}

#[test]
fn d72_d73_a_silent_client_expires_and_a_hasty_one_gets_no_peers() {
    let mut room = Room::new();
    room.join(1, "ana");
    let entry = room.share(1, "linux.iso", 7);
    let client = Client { event: Why::Interval, ..Client::new(QB, "192.168.1.50:9", 7) };
    room.announce(&client).unwrap();
    for count in 1..=5 {
        room.wait(Duration::from_secs(1));
        let answer = room.announce(&client).unwrap();
        assert_eq!((answer.reply.peers.len(), answer.reply.warning), (1, None), "{count}");
    }
    let answer = room.announce(&client).unwrap();
    assert!(answer.reply.peers.is_empty() && answer.reply.seeds == 2);
    assert_eq!((answer.reply.interval, answer.reply.min_interval), (120, Some(30)));
    assert!(answer.reply.warning.unwrap().contains("30 s"));
    room.wait(Duration::from_secs(30));
    assert_eq!(room.announce(&client).unwrap().reply.peers.len(), 1, "the next one in time is answered");

    // It misses two announces; the peer with a connection says something now and then.
    for _ in 0..9 {
        room.wait(Duration::from_secs(33));
        assert!(room.sources(1, &entry).contains(&"qBittorrent".to_owned()));
        assert!(room.expire().is_empty());
    }
    room.wait(Duration::from_secs(4));
    room.expire();
    assert!(room.sources(1, &entry).is_empty());
    let left = room.events().iter().rev().find_map(|event| match event {
        Event::Left { nick, how, detail, online, .. } => {
            Some((nick.as_str(), *how, detail.as_str(), *online))
        }
        _ => None,
    });
    assert_eq!(left, Some(("qBittorrent", Departure::Lost, "silent 300 s", 1)));
}

#[test]
fn a24_d60_nobody_pushes_out_whoever_has_the_same_id() {
    let mut room = Room::new();
    let seeds = |room: &Room| room.registry.scrape(InfoHash([7; 20])).unwrap().seeds;
    // The same client from another port: the last word counts, once.
    room.announce(&Client::new(QB, "192.168.1.50:9", 7)).unwrap();
    room.announce(&Client { port: 6000, ..Client::new(QB, "192.168.1.50:9", 7) }).unwrap();
    assert_eq!((seeds(&room), room.online()), (1, 1));
    assert_eq!(room.registry.people()[0].addresses, ["192.168.1.50:6000".parse().unwrap()]);
    // The same id from elsewhere is somebody else, who cannot speak for the first.
    let other = Client::new(QB, "192.168.1.66:9", 7);
    room.announce(&other).unwrap();
    assert_eq!(seeds(&room), 2);
    room.announce(&Client { event: Why::Stopped, ..other }).unwrap();
    assert_eq!((seeds(&room), room.online()), (1, 1));
    // With a key it is itself from any address, and its addresses of both kinds count as one client.
    let keyed = Client { key: Some(5), ..Client::new(TR, "192.168.1.70:9", 7) };
    room.announce(&keyed).unwrap();
    room.announce(&Client { from: "[fd00::70]:9", ..keyed.clone() }).unwrap();
    assert_eq!((seeds(&room), room.online()), (2, 2));
    let person = room.registry.people().into_iter().find(|person| person.agent.starts_with("Tr")).unwrap();
    assert_eq!(person.addresses.len(), 2);
    room.announce(&Client { key: Some(6), event: Why::Stopped, ..keyed.clone() }).unwrap();
    assert_eq!(seeds(&room), 2, "a wrong key ends nothing");
    room.announce(&Client { event: Why::Stopped, ..keyed }).unwrap();
    assert_eq!(seeds(&room), 1);
    assert!(
        room.events()
            .iter()
            .any(|event| matches!(event, Event::Left { peer, .. } if peer.mark == Mark::Key(5)))
    );
}

#[test]
fn a_peer_that_also_announces_is_one_member() {
    let mut room = Room::new();
    room.join(1, "ana");
    let entry = room.share(1, "linux.iso", 7);
    let own = Client { port: 6881, ..Client::new(&peer_id(1).0, "192.168.1.1:9", 7) };
    let answer = room.announce(&own).unwrap();
    assert_eq!((counts(&answer), addresses(&answer), room.online()), ((1, 0, Some(0)), vec![], 1));
    // What it shares by its connection ends there, not here.
    room.announce(&Client { event: Why::Stopped, ..own.clone() }).unwrap();
    room.join(2, "bob");
    assert_eq!(room.sources(2, &entry), ["ana"]);
    // Somebody else who says its id is somebody else.
    room.announce(&Client { from: "192.168.1.66:9", ..own.clone() }).unwrap();
    assert_eq!(room.online(), 3);
    // It announces something that it does not share: it is a source of that, as itself.
    room.announce(&Client { hash: InfoHash([8; 20]), ..own }).unwrap();
    assert_eq!(room.online(), 3);
    // One that announced before it said hello is one member too.
    let early = Client { port: 6881, ..Client::new(&peer_id(5).0, "192.168.1.5:9", 7) };
    room.announce(&early).unwrap();
    assert_eq!(room.online(), 4);
    room.join(5, "eva");
    assert_eq!(room.online(), 4);
}

#[test]
fn d59_both_hashes_of_a_hybrid_torrent_lead_to_one_swarm() {
    let mut room = Room::new();
    let v2 = InfoHashV2([9; 32]);
    // Clients came by each hash before anybody shared it.
    room.announce(&Client::new(QB, "192.168.1.50:9", 7)).unwrap();
    room.announce(&Client::new(TR, "192.168.1.51:9", 9)).unwrap();
    let Ok(both) = room.announce(&Client { key: Some(1), ..Client::new(QB, "192.168.1.52:9", 9) }) else {
        panic!()
    };
    assert_eq!(addresses(&both), ["192.168.1.51:51413"]);
    room.join(1, "ana");
    assert!(room.registry.entries().is_empty(), "what has no name stands on no list");
    let mut hybrid = share("linux.iso", 7, None);
    hybrid.hashes = InfoHashes::hybrid(InfoHash([7; 20]), v2);
    let Ok(Answer::Shared(shared)) = room.ask(1, hybrid) else { panic!("shared") };
    assert!(!shared.joined);
    assert_eq!(shared.sources.len(), 3, "who announced it is a source at once");
    assert_eq!(room.sources(1, &shared.entry).len(), 3);
    for hash in [InfoHash([7; 20]), v2.truncated()] {
        let answer =
            room.announce(&Client { hash, ..Client::new(b"-LT2110-abcdefghijkl", "192.168.1.53:9", 7) });
        assert_eq!(counts(&answer.unwrap()).0, 5);
        assert_eq!(room.registry.scrape(hash).unwrap().seeds, 5);
    }
    // One hash fell silent, the other is still said: the client stays.
    for _ in 0..20 {
        room.wait(Duration::from_secs(60));
        room.expire();
        room.ask(1, Who::default()).unwrap();
        let client =
            Client { event: Why::Interval, ..Client::new(b"-LT2110-abcdefghijkl", "192.168.1.53:9", 9) };
        assert!(room.announce(&client).unwrap().reply.seeds >= 2);
    }
    assert_eq!(room.registry.scrape(InfoHash([7; 20])).unwrap().seeds, 2);
}

#[test]
fn a17_unknown_torrents_are_taken_by_setting_bounded_and_forgotten() {
    for (unknown, near, far) in
        [(Unknown::Accept, true, true), (Unknown::Local, true, false), (Unknown::Refuse, false, false)]
    {
        let mut room = Room::with(|config| config.unknown = unknown);
        for (from, taken) in [("192.168.1.50:9", near), ("203.0.113.9:9", far)] {
            let answer = room.announce(&Client::new(QB, from, 7));
            assert_eq!(answer.is_ok(), taken, "{unknown:?} {from}");
            if let Err(refusal) = answer {
                assert_eq!(refusal, Unannounced::NotRegistered);
                assert_eq!(refusal.to_string(), "this torrent is not registered here");
            }
        }
        // What is shared is for all.
        room.join(1, "ana");
        room.share(1, "linux.iso", 8);
        room.announce(&Client::new(QB, "203.0.113.9:9", 8)).unwrap();
    }
    let mut room = Room::with(|config| config.max_unlisted = 2);
    for number in 1..=2 {
        room.announce(&Client::new(QB, "192.168.1.50:9", number)).unwrap();
    }
    let full = room.announce(&Client::new(QB, "192.168.1.50:9", 3)).unwrap_err();
    assert!(matches!(full, Unannounced::Full { limit: 2, .. }));
    room.announce(&Client { event: Why::Stopped, ..Client::new(QB, "192.168.1.50:9", 1) }).unwrap();
    room.announce(&Client::new(QB, "192.168.1.50:9", 3)).unwrap();
    room.wait(Duration::from_secs(301));
    room.expire();
    assert_eq!((room.registry.scrape(InfoHash([2; 20])), room.online()), (None, 0));
    // What has no name is found by nobody who looks for names.
    room.announce(&Client::new(QB, "192.168.1.50:9", 3)).unwrap();
    room.join(1, "ana");
    let Ok(Answer::Matches(found)) = room.ask(1, Search::default()) else { panic!() };
    assert_eq!((found.entries.len(), found.total), (0, 0));
    for find in [
        Find::Name { name: "0303".to_owned() },
        Find::Hash { info_hash: InfoHash([3; 20]) },
        Find::Name { name: InfoHash([3; 20]).to_string() },
    ] {
        assert_eq!(room.ask(1, find).unwrap_err().code, Code::NoSuchEntry);
    }
    // But whoever has the hash can ask who else has it.
    let entry = shared::control::EntryId(InfoHash([3; 20]).to_string());
    let ask = SourcesOf { entry, want: 5, subscribe: true };
    let Ok(Answer::Sources(sources)) = room.ask(1, ask) else { panic!() };
    assert_eq!(sources.sources.len(), 1);
}

#[test]
fn one_address_takes_no_more_than_its_places() {
    let mut room = Room::with(|config| {
        config.max_announcers_per_address = 3;
        config.max_announced_per_address = 5;
    });
    let client = |number: u8, from, torrent| {
        let mut id = *QB;
        id[19] = number;
        Client { port: 1000 + u16::from(number), ..Client::new(&id, from, torrent) }
    };
    for number in 0..3 {
        room.announce(&client(number, "192.168.1.50:9", 7)).unwrap();
    }
    assert!(matches!(
        room.announce(&client(3, "192.168.1.50:9", 7)),
        Err(Unannounced::Full { limit: 3, .. })
    ));
    room.announce(&client(3, "192.168.1.51:9", 7)).unwrap();
    for torrent in [8, 9] {
        room.announce(&client(0, "192.168.1.50:9", torrent)).unwrap();
    }
    assert!(matches!(
        room.announce(&client(0, "192.168.1.50:9", 10)),
        Err(Unannounced::Full { limit: 5, .. })
    ));
    room.announce(&client(0, "192.168.1.50:9", 9)).unwrap();
    // An IPv6 network of 64 bits is one address; it cannot fill the tracker with its 2^64.
    for (number, from) in ["[fd00::1]:9", "[fd00::2]:9", "[fd00::3]:9"].into_iter().enumerate() {
        room.announce(&client(10 + u8::try_from(number).unwrap(), from, 7)).unwrap();
    }
    assert!(room.announce(&client(20, "[fd00::4]:9", 7)).is_err());
    room.announce(&client(20, "[fd00:0:0:1::4]:9", 7)).unwrap();
    // Peers of the control protocol have their own places.
    let mut room = Room::with(|config| {
        config.max_members = 1;
        config.max_announcers = 1;
    });
    room.announce(&client(1, "192.168.1.50:9", 7)).unwrap();
    assert!(room.announce(&client(2, "192.168.1.51:9", 7)).is_err());
    room.join(1, "ana");
}

#[test]
fn d63_d64_d67_d75_d76_progress_is_counted_from_bytes() {
    let mut room = Room::new();
    room.join(1, "ana");
    let entry = room.share(1, "linux.iso", 7);
    let at = |left: u64, event| Client {
        left: Some(left),
        downloaded: SIZE - left,
        event,
        ..Client::new(TR, "192.168.1.51:9", 7)
    };
    room.announce(&at(SIZE, Why::Started)).unwrap();
    room.wait(Duration::from_secs(100));
    let answer = room.announce(&at(SIZE - 10 * PIECE_LENGTH, Why::Interval)).unwrap();
    assert_eq!(counts(&answer), (1, 1, Some(0)));
    let ask = SourcesOf { entry: entry.clone(), want: 5, subscribe: false };
    let Ok(Answer::Sources(found)) = room.ask(1, ask) else { panic!() };
    assert_eq!(found.sources[0].have, Have::Pieces(10));
    room.announce(&at(SIZE / 4, Why::Interval)).unwrap();
    // `completed` counts once, however often it is said.
    for _ in 0..3 {
        assert_eq!(counts(&room.announce(&at(0, Why::Completed)).unwrap()), (2, 0, Some(1)));
    }
    room.announce(&at(0, Why::Stopped)).unwrap();
    assert_eq!(
        room.milestones(),
        ["start from [\"ana\"]", "75 %", "done in Some(100000) ms, 100000000 bytes"]
    );
    // Given up half way.
    room.announce(&at(SIZE / 2, Why::Started)).unwrap();
    room.announce(&at(SIZE / 2, Why::Stopped)).unwrap();
    assert_eq!(room.milestones().last().unwrap(), "stop at 50 %");
    // One that does not know the size yet, and one that says impossible numbers.
    let magnet = Client { left: None, ..Client::new(QB, "192.168.1.52:9", 7) };
    assert_eq!(counts(&room.announce(&magnet).unwrap()), (1, 1, Some(1)));
    let odd = Client { left: Some(u64::MAX), downloaded: u64::MAX, ..Client::new(TR, "192.168.1.53:9", 7) };
    room.announce(&odd).unwrap();
}

#[test]
fn d62_one_that_takes_no_connections_is_counted_and_told_to_nobody() {
    let mut room = Room::new();
    room.announce(&Client { port: 0, ..Client::new(QB, "192.168.1.50:9", 7) }).unwrap();
    let answer = room.announce(&Client::new(TR, "192.168.1.51:9", 7)).unwrap();
    assert_eq!((counts(&answer).0, addresses(&answer)), (2, vec![]), "A06");
}

#[test]
fn d78_udp_tells_only_what_fits_and_http_both_kinds() {
    let mut room = Room::new();
    room.announce(&Client::new(QB, "192.168.1.50:9", 7)).unwrap();
    room.announce(&Client::new(TR, "[fd00::51]:9", 7)).unwrap();
    let third = b"-LT2110-abcdefghijkl";
    let ask = |room: &mut Room, from, door| {
        let answer = room.announce(&Client { door, ..Client::new(third, from, 7) }).unwrap();
        addresses(&answer)
    };
    assert_eq!(ask(&mut room, "192.168.1.9:9", Door::Udp), ["192.168.1.50:51413"]);
    assert_eq!(ask(&mut room, "[fd00::9]:9", Door::Udp), ["[fd00::51]:51413"]);
    assert_eq!(ask(&mut room, "192.168.1.9:9", Door::Http).len(), 2);
}
