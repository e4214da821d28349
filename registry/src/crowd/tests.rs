//! The crowd against a simple model of it, and rule by rule.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use shared::announce::{Announce, Event as Why};

use super::places::Place;
use super::swarm::{V4, V6};
use super::*;
use crate::command::Door;

fn said(peer: u64, from: &str, torrent: u8) -> Announcement {
    let mut id = *b"-qB5030-000000000000";
    id[12..].copy_from_slice(&peer.to_be_bytes());
    let announce = Announce {
        hash: InfoHash([torrent; 20]),
        peer_id: PeerId(id),
        port: 1_000 + u16::try_from(peer % 60_000).unwrap(),
        uploaded: 0,
        downloaded: 0,
        left: Some(peer % 2),
        event: Why::Interval,
        wanted: 50,
        key: None,
    };
    let from: SocketAddr = from.parse().unwrap();
    Announcement { from, via: "192.168.1.10".parse().unwrap(), door: Door::Http, told: Vec::new(), announce }
}

fn told(crowd: &Crowd, asker: &Announcement, want: usize, rng: &mut SmallRng) -> Vec<SocketAddr> {
    let mut compact = Told::default();
    let mut told = Told { wants_ids: true, ..Told::default() };
    // The same draw for both forms.
    crowd.tell(asker.announce.hash, asker, want, &mut rng.clone(), &mut compact);
    crowd.tell(asker.announce.hash, asker, want, rng, &mut told);
    let mut again = Told::default();
    told.pairs.iter().for_each(|(address, id)| again.add(*address, *id));
    assert_eq!((&compact.v4, &compact.v6), (&again.v4, &again.v6));
    told.pairs.into_iter().map(|(address, _)| address).collect()
}

fn take(crowd: &mut Crowd, said: &Announcement, least: u64, now: Moment, rng: &mut SmallRng) -> u8 {
    let (key, arrival) = (said.announce.hash, Arrival::of(said, least, now));
    crowd.renew(key, &arrival).unwrap_or_else(|| {
        crowd.enter(key, &arrival, rng);
        0
    })
}

fn at(seconds: u64) -> Moment {
    Moment::START + Duration::from_secs(seconds)
}

#[test]
fn records_are_small() {
    assert_eq!((size_of::<Place<V4>>(), size_of::<Place<V6>>()), (34, 46));
    assert!(size_of::<Swarm>() <= 72);
}

/// By which kinds of addresses each client is here, and whether it has everything.
type Torrent = BTreeMap<(PeerId, Option<u32>), (BTreeSet<bool>, bool)>;

/// The same announces at the crowd and at a set of who is where: they agree all the time.
#[test]
fn counts_are_those_of_a_simple_model() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut crowd = Crowd::default();
    let mut model: BTreeMap<InfoHash, Torrent> = BTreeMap::new();
    for round in 0..60_000_u64 {
        let peer = rng.random_range(0..300);
        let keyed = peer % 3 == 0;
        let is_v4 = !keyed || rng.random_bool(0.5);
        let from =
            if is_v4 { format!("10.0.{}.1:9", peer % 7) } else { format!("[fd00:0:0:{}::1]:9", peer % 5) };
        let mut said = said(peer, &from, u8::try_from(peer % 4).unwrap());
        said.announce.key = keyed.then_some(5);
        said.announce.left = Some(u64::from(rng.random_bool(0.5)));
        let key = said.announce.hash;
        let who = (said.announce.peer_id, said.announce.key);
        let torrent = model.entry(key).or_default();
        if rng.random_bool(0.4) {
            assert_eq!(crowd.remove(key, &said), torrent.remove(&who).is_some(), "{round}");
        } else {
            take(&mut crowd, &said, 0, at(0), &mut rng);
            let (families, is_full) = torrent.entry(who).or_default();
            families.insert(is_v4);
            *is_full = said.announce.left == Some(0);
        }
        let full = torrent.values().filter(|(_, is_full)| *is_full).count();
        let others = torrent.len() - full;
        let (seeds, leechers, _) = crowd.counts(key);
        assert_eq!(
            (seeds, leechers),
            (u32::try_from(full).unwrap(), u32::try_from(others).unwrap()),
            "{round}"
        );
        let places =
            model.values().flat_map(BTreeMap::values).map(|(families, _)| families.len()).sum::<usize>();
        assert_eq!(crowd.places(), places, "{round}");
        let networks = crowd.networks.values().map(|count| usize::try_from(*count).unwrap()).sum::<usize>();
        assert_eq!(networks, places);
    }
    crowd.expire(at(1_000), Duration::from_secs(300));
    assert_eq!((crowd.places(), crowd.torrents(), crowd.networks.len()), (0, 0, 0));
}

#[test]
fn everybody_else_is_told_and_everybody_equally_often() {
    let mut rng = SmallRng::seed_from_u64(1);
    for size in [1_u64, 2, 6, 24, 25, 63, 104, 300] {
        let mut crowd = Crowd::default();
        for peer in 0..size {
            take(&mut crowd, &said(peer, "10.0.0.1:9", 1), 0, at(0), &mut rng);
        }
        let asker = said(0, "10.0.0.1:9", 1);
        let all: BTreeSet<SocketAddr> = told(&crowd, &asker, 1_000, &mut rng).into_iter().collect();
        assert_eq!(all.len() as u64, size - 1, "{size}");
        let mut seen: BTreeMap<SocketAddr, u32> = BTreeMap::new();
        for _ in 0..2_000 {
            let some = told(&crowd, &asker, 5, &mut rng);
            assert_eq!(some.len() as u64, (size - 1).min(5));
            assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), some.len(), "nobody twice");
            for address in some {
                *seen.entry(address).or_default() += 1;
            }
        }
        let expected = 2_000 * 5.min(size - 1) / (size - 1).max(1);
        // Six standard deviations.
        let off = 6 * expected.isqrt() + 6;
        assert!(
            seen.values().all(|count| u64::from(*count).abs_diff(expected) <= off),
            "{size} {expected} {seen:?}"
        );
    }
}

#[test]
fn the_silent_go_and_the_others_stay() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut crowd = Crowd::default();
    let patience = Duration::from_secs(300);
    for peer in 0..1_000 {
        let torrent = u8::try_from(peer % 100).unwrap();
        take(&mut crowd, &said(peer, "10.0.0.1:9", torrent), 0, at(0), &mut rng);
    }
    for second in 1..=400 {
        crowd.expire(at(second), patience);
        if second == 200 {
            // Some say something, also across the place where seconds begin anew.
            for peer in 0..10 {
                let torrent = u8::try_from(peer).unwrap();
                take(&mut crowd, &said(peer, "10.0.0.1:9", torrent), 0, at(200), &mut rng);
            }
        }
        assert!(second > 300 || crowd.places() == 1_000);
    }
    assert_eq!((crowd.places(), crowd.torrents()), (10, 10));
    let mut late = Crowd::default();
    take(&mut late, &said(1, "10.0.0.1:9", 1), 0, at(65_530), &mut rng);
    late.expire(at(65_560), patience);
    assert_eq!(late.places(), 1);
    late.expire(at(65_900), patience);
    assert_eq!(late.places(), 0);
}

#[test]
fn a_hasty_one_is_counted_and_two_hashes_become_one_torrent() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut crowd = Crowd::default();
    let (one, two) = (InfoHash([1; 20]), InfoHash([2; 20]));
    let early: Vec<u8> =
        (0..4).map(|second| take(&mut crowd, &said(1, "10.0.0.1:9", 1), 30, at(second), &mut rng)).collect();
    assert_eq!(early, [0, 1, 2, 3]);
    assert_eq!(take(&mut crowd, &said(1, "10.0.0.1:9", 1), 30, at(40), &mut rng), 0);
    take(&mut crowd, &said(1, "10.0.0.1:9", 2), 30, at(40), &mut rng);
    take(&mut crowd, &said(2, "10.0.0.2:9", 2), 30, at(40), &mut rng);
    crowd.merge(two, one);
    assert_eq!((crowd.places(), crowd.torrents(), crowd.counts(one).0 + crowd.counts(one).1), (2, 1, 2));
    assert_eq!(crowd.places_of("10.0.0.1".parse().unwrap()), 1);
    crowd.drop_all(|_, ip| ip == "10.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(crowd.places(), 1);
    crowd.forget(one);
    assert_eq!((crowd.places(), crowd.torrents(), crowd.networks.len()), (0, 0, 0));
}

#[test]
fn one_beside_the_tracker_is_told_by_the_trackers_address() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut crowd = Crowd::default();
    take(&mut crowd, &said(1, "127.0.0.1:9", 1), 0, at(0), &mut rng);
    take(&mut crowd, &said(2, "[fd00::2]:9", 1), 0, at(0), &mut rng);
    let mut port_0 = said(3, "10.0.0.3:9", 1);
    port_0.announce.port = 0;
    take(&mut crowd, &port_0, 0, at(0), &mut rng);
    let all = told(&crowd, &said(9, "10.0.0.9:9", 1), 50, &mut rng);
    assert_eq!(all, ["192.168.1.10:1001".parse().unwrap(), "[fd00::2]:1002".parse().unwrap()]);
    let by_udp = Announcement { door: Door::Udp, ..said(9, "127.0.0.1:8", 1) };
    assert_eq!(told(&crowd, &by_udp, 50, &mut rng), ["127.0.0.1:1001".parse().unwrap()]);
}
