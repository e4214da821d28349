//! Announces and scrapes over HTTP, parameter by parameter and answer by answer.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use shared::announce::{Announce, AnnounceReply, Event, MAX_SCRAPE, Scrape};
use shared::bencode::{Dict, Limits, Value, decode};
use shared::{InfoHash, PeerId};

use super::*;

const HASH: &str = "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A";
const ID: &str = "peer_id=-qB5030-abcdefghijkl";

fn query(more: &str) -> Result<AnnounceQuery, QueryError> {
    AnnounceQuery::parse(format!("{HASH}&{ID}&port=6881{more}").as_bytes())
}

fn announce(more: &str) -> Announce {
    query(more).unwrap().announce
}

fn body(reply: &AnnounceReply, form: PeersForm) -> Vec<u8> {
    HttpReply { reply, ids: &[PeerId(*b"-TR4060-abcdefghijkl"), PeerId([0; 20])], form }.encode()
}

fn reply() -> AnnounceReply {
    AnnounceReply {
        interval: 120,
        min_interval: Some(30),
        seeds: 1,
        leechers: 2,
        completed: Some(3),
        peers: vec!["10.0.0.1:6881".parse().unwrap(), "[fd00::2]:6882".parse().unwrap()],
        warning: Some("the room closes at six".to_owned()),
        tracker_id: Some(b"\x00\xffroom".to_vec()),
        external_ip: Some(IpAddr::from([10, 0, 0, 9])),
    }
}

#[test]
fn d57_d59_d60_raw_bytes_in_any_order() {
    let real = "peer_id=-TR4060-%00%01%FE%ffabcdefgh&compact=1&foo=bar&port=51413&\
        info_hash=%124Vx%9a%bc%de%f1%23Eg%89%ab%cd%ef%124Vx%9a&left=5";
    let read = AnnounceQuery::parse(real.as_bytes()).unwrap().announce;
    assert_eq!(read.hash.to_string(), "123456789abcdef123456789abcdef123456789a");
    assert_eq!(read.peer_id.0, *b"-TR4060-\x00\x01\xfe\xffabcdefgh");
    assert_eq!((read.port, read.left, read.wanted, read.event), (51413, Some(5), 50, Event::Interval));
    // What needs no escape may stand raw, and a plus is a plus.
    let plus = format!("info_hash={}&{ID}&port=1", "+".repeat(20));
    assert_eq!(AnnounceQuery::parse(plus.as_bytes()).unwrap().announce.hash.0, [b'+'; 20]);
}

#[test]
fn d61_addresses_that_are_told() {
    let told = |more: &str| query(more).unwrap().told;
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(told("&ip=192.168.1.9"), [ip("192.168.1.9")]);
    assert_eq!(
        told("&ipv6=%5Bfd00%3A%3A1%5D%3A6881&ipv4=10.0.0.1&ip=::ffff:10.0.0.2"),
        [ip("10.0.0.2"), ip("10.0.0.1"), ip("fd00::1")]
    );
    assert_eq!(told("&ip=example.org&ipv4=&ipv6=0"), [] as [IpAddr; 0], "a name is never resolved");
    assert_eq!(told("&ip=0.0.0.0&ipv6=::"), [] as [IpAddr; 0]);
}

#[test]
fn d62_d63_d64_ports_and_counts_are_bytes() {
    let read = announce("&uploaded=1099511627776&downloaded=7&left=0");
    assert_eq!((read.port, read.uploaded, read.downloaded), (6881, 1 << 40, 7));
    assert!(read.is_seed());
    assert_eq!(announce("").left, None);
    assert_eq!(announce("&left=9223372036854775807").left, None, "what many clients say for unknown");
    assert_eq!(announce("&left=18446744073709551615").left, None);
    assert_eq!(announce("&left=-1").left, None, "A08");
}

#[test]
fn d65_d66_forms() {
    let form = |more: &str| query(more).unwrap().form;
    assert_eq!(form(""), PeersForm::Compact);
    assert_eq!(form("&compact=1&no_peer_id=1"), PeersForm::Compact);
    assert_eq!(form("&compact=0"), PeersForm::Dictionaries, "A12");
    assert_eq!(form("&compact=0&no_peer_id=1"), PeersForm::DictionariesWithoutIds);
}

#[test]
fn d67_d68_d69_event_numwant_key_trackerid() {
    for (word, event) in [
        ("started", Event::Started),
        ("completed", Event::Completed),
        ("stopped", Event::Stopped),
        ("empty", Event::Interval),
        ("", Event::Interval),
    ] {
        assert_eq!(announce(&format!("&event={word}")).event, event);
    }
    assert_eq!(announce("&numwant=7").wanted, 7);
    assert_eq!(
        (announce("&numwant=-1").wanted, announce("&numwant=1000000000").wanted),
        (50, 200),
        "A09 A10"
    );
    assert_eq!(announce("&event=stopped&numwant=50").wanted, 0);
    assert_eq!(announce("&key=DEADbeef").key, Some(0xdead_beef));
    assert_eq!(announce("&key=no-hex-at-all").key, announce("&key=no-hex-at-al%6C").key);
    assert_ne!(announce("&key=one-key-xx").key, announce("&key=other-key-").key);
    assert_eq!(announce("&key=").key, None);
    assert_eq!(query("&trackerid=%00ab").unwrap().tracker_id.as_deref(), Some(&b"\0ab"[..]));
    let long = format!("&trackerid={}", "x".repeat(MAX_TRACKER_ID + 1));
    assert_eq!(query(&long).unwrap().tracker_id, None);
}

#[test]
fn a01_to_a14_bad_announces_say_what_is_wrong() {
    let hash = |value: &str| format!("info_hash={value}&{ID}&port=6881");
    let id = |value: &str| format!("{HASH}&peer_id={value}&port=6881");
    let port = |value: &str| format!("{HASH}&{ID}&port={value}");
    let more = |more: &str| format!("{HASH}&{ID}&port=6881{more}");
    let number = |key| QueryError::Number { key };
    for (case, query, error) in [
        ("A01", format!("{ID}&port=6881"), QueryError::Missing { key: "info_hash" }),
        ("A02", hash(&"x".repeat(19)), QueryError::Length { key: "info_hash", bytes: 19 }),
        ("A03", hash("c12fe1c06bba254a9dc9f519b335aa7c1367a88a"), QueryError::Hex),
        ("A03 v2", hash(&"ab".repeat(32)), QueryError::Hex),
        ("A04", hash("%zz"), QueryError::Percent { key: "info_hash" }),
        ("A04 end", hash("%1"), QueryError::Percent { key: "info_hash" }),
        ("A05", id(&"x".repeat(19)), QueryError::Length { key: "peer_id", bytes: 19 }),
        ("empty", hash(""), QueryError::Length { key: "info_hash", bytes: 0 }),
        ("no port", format!("{HASH}&{ID}"), QueryError::Missing { key: "port" }),
        ("A07", port("65536"), number("port")),
        ("port -1", port("-1"), number("port")),
        ("port +1", port("%2B1"), number("port")),
        ("port word", port("http"), number("port")),
        ("left word", more("&left=much"), number("left")),
        ("uploaded -1", more("&uploaded=-1"), number("uploaded")),
        ("downloaded 2^64", more("&downloaded=18446744073709551616"), number("downloaded")),
        ("numwant word", more("&numwant=all"), number("numwant")),
        ("A11", more("&event=foo"), QueryError::Event),
        ("event bytes", more("&event=%ff"), QueryError::Event),
        ("twice", more(&format!("&{HASH}")), QueryError::Twice { key: "info_hash" }),
        ("port twice", more("&port=6881"), QueryError::Twice { key: "port" }),
        ("many", more(&"&x=1".repeat(MAX_PAIRS)), QueryError::TooMany),
    ] {
        assert_eq!(AnnounceQuery::parse(query.as_bytes()), Err(error), "{case}");
    }
    let long = more(&format!("&x={}", "y".repeat(MAX_QUERY)));
    assert_eq!(AnnounceQuery::parse(long.as_bytes()), Err(QueryError::TooLong { bytes: long.len() }), "A14");
    assert_eq!(announce_port_zero().port, 0, "A06: a peer that takes no connections");
}

fn announce_port_zero() -> Announce {
    AnnounceQuery::parse(format!("{HASH}&{ID}&port=0").as_bytes()).unwrap().announce
}

#[test]
fn d58_d72_to_d76_the_answer_as_it_travels() {
    let bytes = body(&reply(), PeersForm::Compact);
    let dict = decode(&bytes, Limits::MESSAGE).unwrap();
    let number = |key| dict.get(key).and_then(Value::as_int);
    assert_eq!((number("interval"), number("min interval")), (Some(120), Some(30)));
    assert_eq!((number("complete"), number("incomplete"), number("downloaded")), (Some(1), Some(2), Some(3)));
    let bytes_of = |key| dict.get(key).and_then(Value::as_bytes);
    assert_eq!(bytes_of("warning message"), Some(&b"the room closes at six"[..]), "D71");
    assert_eq!(bytes_of("tracker id"), Some(&b"\x00\xffroom"[..]), "D74");
    assert_eq!(bytes_of("external ip"), Some(&[10, 0, 0, 9][..]));
    assert_eq!(bytes_of("peers"), Some(&[10, 0, 0, 1, 0x1a, 0xe1][..]), "D78");
    assert_eq!(bytes_of("peers6").map(<[u8]>::len), Some(18));
    assert_eq!(HttpReply::decode(&bytes), Ok(reply()));
}

#[test]
fn d77_peers_as_dictionaries() {
    let bytes = body(&reply(), PeersForm::Dictionaries);
    let dict = decode(&bytes, Limits::MESSAGE).unwrap();
    let peers = dict.get("peers").and_then(Value::as_list).unwrap();
    assert_eq!(peers[0].raw(), b"d2:ip8:10.0.0.17:peer id20:-TR4060-abcdefghijkl4:porti6881ee");
    assert_eq!(peers[1].get("ip").and_then(Value::as_str), Some("fd00::2"));
    assert_eq!(HttpReply::decode(&bytes), Ok(reply()));
    let bare = body(&reply(), PeersForm::DictionariesWithoutIds);
    assert!(!bare.windows(7).any(|window| window == b"peer id"));
    assert_eq!(HttpReply::decode(&bare), Ok(reply()));
    // A name cannot be dialled without asking someone else, and odd peers cost only themselves.
    let odd = b"d8:intervali9e5:peersld2:ip11:example.org4:porti1eed2:ip9:127.0.0.14:porti0ee\
        d2:ip9:127.0.0.14:porti65536eei7ed2:ip3:::14:porti5eeee";
    assert_eq!(HttpReply::decode(odd).unwrap().peers, ["[::1]:5".parse::<SocketAddr>().unwrap()]);
}

#[test]
fn d70_a_refusal_is_a_sentence_and_says_when_to_come_again() {
    for (retry, written) in [
        (None, &b"d14:failure reason2:noe"[..]),
        (Some(Retry::Never), b"d14:failure reason2:no8:retry in5:nevere"),
        (Some(Retry::Minutes(5)), b"d14:failure reason2:no8:retry ini5ee"),
    ] {
        let failure = Failure { reason: "no".to_owned(), retry };
        assert_eq!(failure.encode(), written);
        assert_eq!(HttpReply::decode(written), Err(ReplyError::Failure(failure.clone())));
        assert_eq!(ScrapeReply::decode(written), Err(ReplyError::Failure(failure)));
    }
    let long = Dict::default().bytes("failure reason", [0xff; 5_000]).int("retry in", -1).encode();
    let Err(ReplyError::Failure(failure)) = HttpReply::decode(&long) else { panic!("a refusal") };
    assert!(failure.reason.len() <= MAX_TEXT && failure.retry.is_none());
}

#[test]
fn answers_that_are_none_are_named() {
    assert!(matches!(HttpReply::decode(b"<html>"), Err(ReplyError::Bencode(_))));
    assert!(matches!(HttpReply::decode(b""), Err(ReplyError::Bencode(_))));
    assert_eq!(HttpReply::decode(b"le"), Err(ReplyError::NotDictionary));
    assert_eq!(HttpReply::decode(b"de"), Err(ReplyError::Missing { key: "peers" }));
    assert_eq!(HttpReply::decode(b"d5:peersi1ee"), Err(ReplyError::Missing { key: "peers" }));
    let ragged = ReplyError::Ragged { key: "peers", bytes: 5, width: 6 };
    assert_eq!(HttpReply::decode(b"d5:peers5:abcdee"), Err(ragged));
    let odd = b"d10:incompletei-1e8:intervali0e12:min intervali99999999999e5:peers0:e";
    let read = HttpReply::decode(odd).unwrap();
    assert_eq!((read.interval, read.min_interval, read.leechers), (DEFAULT_INTERVAL, None, 0));
    assert!(matches!(HttpReply::decode(&[b"l".repeat(100_000)].concat()), Err(ReplyError::Bencode(_))));
}

#[test]
fn a15_a16_a_scrape_names_some_torrents() {
    assert_eq!(ScrapeQuery::parse(b""), Err(QueryError::Missing { key: "info_hash" }), "no full scrape");
    assert_eq!(ScrapeQuery::parse(b"info_hash=%zz"), Err(QueryError::Percent { key: "info_hash" }));
    let many = (0..75_u8).map(|n| format!("info_hash=%{n:02x}{}", "a".repeat(19))).collect::<Vec<_>>();
    let read = ScrapeQuery::parse(many.join("&").as_bytes()).unwrap();
    assert_eq!(read.hashes.len(), MAX_SCRAPE);
    assert_eq!(ScrapeQuery::parse(read.encode().as_bytes()), Ok(read.clone()));
    let twice = [many[0].as_str(), many[0].as_str()].join("&");
    assert_eq!(ScrapeQuery::parse(twice.as_bytes()).unwrap().hashes.len(), 1);
}

#[test]
fn the_answer_to_a_scrape() {
    let files = [(InfoHash(*b"\xffbcdefghijklmnopqrst"), Scrape { seeds: 1, leechers: 2, completed: 3 })];
    let reply = ScrapeReply { files: files.into(), min_interval: Some(30) };
    let bytes = reply.encode();
    let text = b"d5:filesd20:\xffbcdefghijklmnopqrstd8:completei1e10:downloadedi3e10:incompletei2eee\
        5:flagsd20:min_request_intervali30eee";
    assert_eq!(bytes, text);
    assert_eq!(ScrapeReply::decode(&bytes), Ok(reply));
    assert_eq!(ScrapeReply::decode(b"de"), Err(ReplyError::Missing { key: "files" }));
    assert_eq!(ScrapeReply::decode(b"d5:filesd3:abcdeee"), Ok(ScrapeReply::default()));
}

#[test]
fn a_scrape_has_the_announces_address_with_another_word() {
    for (announce, scrape) in [
        ("http://t:6969/announce", Some("http://t:6969/scrape")),
        ("http://t/x/announce", Some("http://t/x/scrape")),
        ("http://t/announce.php?pass=1", Some("http://t/scrape.php?pass=1")),
        ("http://t/announce?x=2%0644", Some("http://t/scrape?x=2%0644")),
        ("http://t/a", None),
        ("http://t/announce/x", None),
        ("http://t/x?y=/announce", None),
    ] {
        assert_eq!(scrape_url(announce).as_deref(), scrape, "{announce}");
    }
}

proptest! {
    #[test]
    fn a_query_reads_back(
        hash: [u8; 20], id: [u8; 20], port: u16, counts: (u64, u64),
        left in proptest::option::of(0..i64::MAX.unsigned_abs()), event in 0..3_u32, wanted in 0..=200_u16,
        key: Option<u32>, tracker_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        v6: Option<std::net::Ipv6Addr>, form in 0..3_usize,
    ) {
        let announce = Announce {
            hash: InfoHash(hash), peer_id: PeerId(id), port, uploaded: counts.0, downloaded: counts.1, left,
            event: Event::from_number(event).unwrap(), wanted, key,
        };
        let form =
            [PeersForm::Compact, PeersForm::Dictionaries, PeersForm::DictionariesWithoutIds][form];
        let told = v6.into_iter().filter(|ip| !ip.is_unspecified() && ip.to_ipv4_mapped().is_none());
        let said = AnnounceQuery { announce, told: told.map(IpAddr::from).collect(), form, tracker_id };
        prop_assert_eq!(AnnounceQuery::parse(said.encode().as_bytes()), Ok(said));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (AnnounceQuery::parse(&bytes), ScrapeQuery::parse(&bytes));
        let _ = (HttpReply::decode(&bytes), ScrapeReply::decode(&bytes));
    }
}
