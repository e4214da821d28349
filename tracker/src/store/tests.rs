//! The two stores keep the same; the journal promises only what is kept.

use std::time::Duration;

use bytes::Bytes;
use registry::{Command, Config, Dictionary, Event, Lasting, Registry, SessionKey};
use runtime::Outbox;
use shared::control::{Have, Hello, Kind, Message, Request, Share};
use shared::{InfoHash, InfoHashes, Moment, PeerId};
use tempfile::TempDir;

use super::journal::{Checkpoint, Journal, Kept};
use super::memory::Memory;
use super::sqlite::Sqlite;
use super::{FILE, Store, StoreConfig, StoreError, Sync, open};

/// Nothing that works takes this long.
const PATIENCE: Duration = Duration::from_secs(60);
const AT: u64 = 1_700_000_000_000;

fn hello(number: u8) -> Command {
    let hello = Hello {
        version: 1,
        nick: format!("nick{number}"),
        peer_id: PeerId([number; 20]),
        ports: vec![6881],
        addresses: Vec::new(),
        agent: "test/1".to_owned(),
        token: None,
        session: None,
        guest: false,
    };
    Command::Hello {
        session: SessionKey(u64::from(number)),
        address: "192.168.1.2:4000".parse().unwrap(),
        via: "192.168.1.1".parse().unwrap(),
        hello: Box::new(hello),
    }
}

fn ask(number: u8, request: impl Into<Request>) -> Command {
    Command::Request { session: SessionKey(u64::from(number)), request: Box::new(request.into()) }
}

fn share(number: u8) -> Share {
    Share {
        name: format!("file {number}"),
        size: 1_000,
        files: 1,
        piece_length: 16_384,
        hashes: InfoHashes::v1(InfoHash([number; 20])),
        root: None,
        kind: Kind::Doc,
        info: Some(vec![number; 100]),
        layers: None,
        have: Have::Full,
        comment: None,
        private: false,
    }
}

fn message(text: &str) -> Message {
    Message { to: "nick2".to_owned(), text: text.to_owned(), nonce: None }
}

/// A registry in which something happened, and what of it lasts.
fn lively() -> (Registry, Vec<Lasting>) {
    let mut registry = Registry::new(Config::default());
    let mut lasting = Vec::new();
    let mut rng: rand::rngs::StdRng = rand::make_rng();
    let commands = [hello(1), hello(2), ask(1, share(1)), ask(2, share(2)), ask(1, message("hola"))];
    for command in commands {
        let decision = registry.execute(command, Moment::START, AT, &mut rng);
        assert!(matches!(decision.reply, Some(Ok(_))), "{:?}", decision.reply);
        lasting.extend(decision.events.iter().filter_map(Event::lasting));
    }
    (registry, lasting)
}

fn read(store: &mut dyn Store) -> (Vec<Event>, Vec<Dictionary>) {
    let (mut events, mut infos) = (Vec::new(), Vec::new());
    let loaded = store.events(&mut |event| events.push(event)).unwrap();
    assert_eq!(loaded.events, u64::try_from(events.len()).unwrap());
    store
        .infos(&mut |kept| {
            infos.push(kept.clone());
            true
        })
        .unwrap();
    (events, infos)
}

fn both(dir: &TempDir) -> [Box<dyn Store>; 2] {
    let sqlite = Sqlite::open(&dir.path().join(FILE), Sync::Full).unwrap();
    [Box::new(Memory::default()), Box::new(sqlite)]
}

#[test]
fn both_stores_give_back_what_they_were_given() {
    let dir = TempDir::new().unwrap();
    let (registry, lasting) = lively();
    let mut found = Vec::new();
    for mut store in both(&dir) {
        store.append(&lasting[..3]).unwrap();
        store.append(&lasting[3..]).unwrap();
        let (events, infos) = read(&mut *store);
        let expected: Vec<Event> = lasting.iter().map(|lasting| lasting.event.clone()).collect();
        assert_eq!((events, infos.len(), store.len()), (expected, 2, 5));
        // What nobody wants is dropped.
        store.infos(&mut |kept| kept.key == InfoHash([1; 20])).unwrap();
        store.replace(&registry.checkpoint(false)).unwrap();
        found.push(read(&mut *store));
    }
    assert_eq!(found[0], found[1]);
    let expected = Dictionary { key: InfoHash([1; 20]), info: vec![1; 100], layers: None };
    assert_eq!(found[0].1, [expected]);
}

fn config(dir: &TempDir) -> StoreConfig {
    StoreConfig { dir: dir.path().to_owned(), sync: Sync::Full }
}

#[test]
fn a_database_is_opened_as_it_is_and_a_damaged_one_is_put_aside() {
    let dir = TempDir::new().unwrap();
    let (before, lasting) = lively();
    let path = dir.path().join(FILE);
    Sqlite::open(&path, Sync::Full).unwrap().append(&lasting).unwrap();
    let mut registry = Registry::new(Config::default());
    let opened = open(&config(&dir), &mut registry).unwrap();
    assert_eq!((opened.loaded.events, opened.loaded.last), (5, AT));
    assert_eq!(registry.state(), &before.state().at_rest(AT));
    // Two trackers in one folder would write over each other.
    let second = open(&config(&dir), &mut Registry::new(Config::default()));
    assert!(matches!(second.map(|_| ()), Err(StoreError::InUse { .. })));
    drop(opened);

    std::fs::write(&path, vec![7; 20_000]).unwrap();
    let opened = open(&config(&dir), &mut Registry::new(Config::default())).unwrap();
    assert_eq!(opened.loaded.events, 0);
    opened.result().unwrap().append(&lasting).unwrap();
    let names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("tracker.db.damaged-")), "{names:?}");
    let mut registry = Registry::new(Config::default());
    // The new file begins with the counters, and the number of the last message, as they were.
    assert_eq!(open(&config(&dir), &mut registry).unwrap().loaded.events, 7);
}

#[test]
fn each_transaction_is_forced_to_the_disk_where_that_was_asked_for() {
    let dir = TempDir::new().unwrap();
    let durability = |sync| Sqlite::open(&dir.path().join(FILE), sync).unwrap().durability();
    assert_eq!(durability(Sync::Full), ("wal".to_owned(), 2));
    assert_eq!(durability(Sync::Normal), ("wal".to_owned(), 1));
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    drop(Sqlite::open(&path, Sync::Normal).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let opened = open(&config(&dir), &mut Registry::new(Config::default()));
    assert!(matches!(opened.map(|_| ()), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn the_database_of_another_program_is_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE song (name TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let opened = open(&config(&dir), &mut Registry::new(Config::default()));
    assert!(matches!(opened.map(|_| ()), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn an_answer_waits_until_it_is_kept_and_says_when_it_is_not() {
    let (registry, lasting) = lively();
    let (memory, journal) = (Memory::default(), Journal::new());
    let checkpoint = registry.checkpoint(true);
    let (queue, again, length) = (journal.clone(), memory.clone(), checkpoint.len());
    let snapshot = Box::new(move |_| Some(Checkpoint { number: queue.cover(), events: checkpoint.clone() }));
    let reopen = Box::new(move || Ok(Box::new(again.clone()) as Box<dyn Store>));
    let writer = journal.start(Ok(Box::new(memory.clone())), (snapshot, reopen)).unwrap();

    let outbox = Outbox::new(1_000);
    let answer = async |promise: Kept| {
        let Kept::At(number) = promise else { return "refused at once".to_owned() };
        outbox.push_answer_after(Bytes::from("kept"), number, Bytes::from("not kept"));
        journal.hold(number, &outbox);
        let line = tokio::time::timeout(PATIENCE, outbox.take(100)).await.unwrap().unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    };
    assert_eq!(answer(journal.push(lasting.clone())).await, "kept");
    assert_eq!(memory.len(), 5);

    memory.set_full(true);
    assert_eq!(answer(journal.push(lasting.clone())).await, "not kept");
    assert_eq!(journal.failure().as_deref(), Some("the disk is full"));
    assert_eq!(memory.len(), 5);

    memory.set_full(false);
    tokio::time::timeout(PATIENCE, async {
        while journal.failure().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    // What happened meanwhile is in the checkpoint.
    assert_eq!(memory.len(), u64::try_from(length).unwrap());
    assert_eq!(answer(journal.push(lasting)).await, "kept");
    journal.stop();
    writer.join().unwrap();
}
