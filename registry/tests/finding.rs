//! Searching with an index beside the registry, and the shares of one person.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::{self, Room};
use registry::{Candidate, Candidates, Command, Cursor, SessionKey};
use shared::InfoHash;
use shared::control::{Answer, Browse, Code, Departure, Matches, Refusal, Search, Shelf, Unshare};

fn key(number: u8) -> InfoHash {
    InfoHash([number; 20])
}

fn search(room: &mut Room, search: Search, found: Option<Candidates>) -> Result<Matches, Refusal> {
    match room
        .execute(Command::Search { session: SessionKey(1), search: Box::new(search), found })
        .unwrap()?
    {
        Answer::Matches(matches) => Ok(matches),
        other => panic!("{other:?}"),
    }
}

fn found(numbers: &[u8], total: usize) -> Candidates {
    let page = numbers.iter().map(|number| Candidate { key: key(*number), path: None }).collect();
    Candidates { page, at: Cursor { order: 7, place: 0 }, total, near: Vec::new() }
}

fn names(matches: &Matches) -> Vec<&str> {
    matches.entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn browse(room: &mut Room, nick: &str, after: Option<u64>, limit: Option<u64>) -> Result<Shelf, Refusal> {
    match room.ask(1, Browse { nick: nick.to_owned(), after, limit })? {
        Answer::Shelf(shelf) => Ok(shelf),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_index_names_and_the_registry_says_what_may_be_seen() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "bob");
    room.share(1, "one", 1);
    room.share(2, "two", 2);
    let gone = room.share(2, "three", 3);
    room.ask(2, Unshare { entry: gone }).unwrap();
    let mut answer = found(&[2, 3, 9, 1], 4);
    answer.page[0].path = Some("a/two.pdf".to_owned());
    let matches = search(&mut room, Search::default(), Some(answer.clone())).unwrap();
    assert_eq!(names(&matches), ["two", "one"], "what is gone, and what never was, is left out");
    assert_eq!(matches.paths.values().collect::<Vec<_>>(), ["a/two.pdf"]);
    assert_eq!((matches.total, matches.after), (4, None));
    let of_bob = Search { by: Some("bob".to_owned()), ..Search::default() };
    assert_eq!(names(&search(&mut room, of_bob, Some(answer)).unwrap()), ["two"]);
    let of_nobody = Search { by: Some("eva".to_owned()), ..Search::default() };
    assert_eq!(search(&mut room, of_nobody, None).unwrap_err().code, Code::NoSuchUser);
    let near = Candidates { near: vec![key(2), key(3)], ..Candidates::default() };
    assert_eq!(search(&mut room, Search::default(), Some(near)).unwrap().near, ["two"]);
}

#[test]
fn a_page_ends_where_the_next_begins() {
    let mut room = Room::new();
    room.join(1, "ana");
    for number in 1..=5 {
        room.share(1, &format!("n{number}"), number);
    }
    let limit = Search { limit: Some(2), ..Search::default() };
    let first = search(&mut room, limit.clone(), Some(found(&[1, 2], 5))).unwrap();
    let next = Cursor::from_number(first.after.unwrap());
    assert_eq!((names(&first), next), (vec!["n1", "n2"], Cursor { order: 7, place: 2 }));
    // One of the page is gone: the place in the order counts it.
    let mut page = found(&[9, 3], 5);
    page.at.place = 2;
    let second = search(&mut room, limit.clone(), Some(page)).unwrap();
    assert_eq!((names(&second), second.after.map(Cursor::from_number).unwrap().place), (vec!["n3"], 4));
    let mut page = found(&[4], 5);
    page.at.place = 4;
    assert_eq!(search(&mut room, limit.clone(), Some(page)).unwrap().after, None);
    // Without an index the catalog is looked through, and its pages have places too.
    let first = search(&mut room, limit.clone(), None).unwrap();
    let second = search(&mut room, Search { after: first.after, ..limit }, None).unwrap();
    assert_eq!((names(&first), names(&second)), (vec!["n1", "n2"], vec!["n3", "n4"]));
}

#[test]
fn an_index_is_told_what_changes() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.share(1, "one", 1);
    assert_eq!(room.registry.follow(), [key(1)]);
    assert!(room.registry.touched().is_empty());
    room.join(2, "bob");
    let two = room.share(2, "two", 2);
    room.share(2, "other name", 1);
    assert_eq!(room.registry.touched(), [(key(1), true), (key(2), true)].into());
    let listing = room.registry.listing(key(1), true).unwrap();
    assert_eq!((listing.names, listing.sources), (vec!["one".to_owned(), "other name".to_owned()], 2));
    room.gone(2, Departure::Lost);
    assert_eq!(room.registry.touched(), [(key(1), false), (key(2), false)].into());
    assert_eq!(room.registry.listing(key(2), false).unwrap().sources, 0);
    room.join_as(3, 2, "bob", None);
    room.share(3, "two", 2);
    room.registry.touched();
    room.ask(3, Unshare { entry: two }).unwrap();
    assert_eq!(room.registry.touched(), [(key(2), false)].into());
    assert_eq!(room.registry.listing(key(2), true), None);
}

#[test]
fn a_search_counts_as_a_request_and_needs_a_name() {
    let mut room = Room::with(|config| {
        config.requests = registry::Rate { burst: 2, per_second: 1 };
    });
    let admit = |room: &mut Room, session: u64, by: Option<&str>| {
        let search = Search { by: by.map(str::to_owned), ..Search::default() };
        let now = room.time();
        room.registry.admit_search(SessionKey(session), &search, now)
    };
    assert_eq!(admit(&mut room, 1, None).unwrap_err().code, Code::NotRegistered);
    room.join(1, "ana");
    assert_eq!(admit(&mut room, 1, None).unwrap(), None);
    assert_eq!(admit(&mut room, 1, Some("ana")).unwrap(), Some([].into()));
    assert_eq!(admit(&mut room, 1, None).unwrap_err().code, Code::RateLimited);
}

#[test]
fn the_shares_of_a_person_are_told_by_name_also_when_it_is_away() {
    let mut room = Room::new();
    room.join(1, "ana");
    room.join(2, "eva");
    for (number, name) in [(1, "Zeta"), (2, "alfa"), (3, "Éxito"), (4, "beta")] {
        room.share(2, name, number);
    }
    room.share(1, "mine", 9);
    let names = |shelf: &Shelf| shelf.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
    let here = browse(&mut room, "EVA", None, None).unwrap();
    assert_eq!((here.nick.as_str(), here.here, here.total, here.bytes), ("eva", true, 4, 4 * room::SIZE));
    assert_eq!(names(&here), ["alfa", "beta", "Éxito", "Zeta"]);
    room.wait(std::time::Duration::from_secs(60));
    room.gone(2, Departure::Left);
    room.restart();
    room.join(1, "ana");
    let away = browse(&mut room, "eva", None, Some(3)).unwrap();
    assert_eq!((away.here, away.total, names(&away).len()), (false, 4, 3));
    assert_eq!(away.seen, here.seen + 60_000, "when it left");
    let rest = browse(&mut room, "eva", away.after, Some(3)).unwrap();
    assert_eq!((names(&rest), rest.after), (vec!["Zeta".to_owned()], None));
    assert_eq!(browse(&mut room, "eva", Some(1 << 50), None).unwrap().entries, []);
    let refusal = browse(&mut room, "evva", None, None).unwrap_err();
    assert_eq!((refusal.code, refusal.near), (Code::NoSuchUser, vec!["eva".to_owned()]));
}
