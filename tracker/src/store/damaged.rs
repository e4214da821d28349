//! A database is damaged in every way that disks know: what can be had of it is had, the rest comes from
//! the newest backup, and nothing is thrown away.

use std::cell::Cell;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use registry::{Config, Event, Lasting, Registry};
use shared::control::MessageLog;
use shared::{InfoHash, InfoHashes, PeerId};
use tempfile::TempDir;

use super::sqlite::{self, Sqlite};
use super::{FILE, Store as _, StoreConfig, StoreError, Sync, open, reopen, wal};

const AT: u64 = 1_700_000_000_000;
/// Enough that the database has many pages.
const MESSAGES: u64 = 600;

fn message(number: u64) -> Lasting {
    let event = Event::Messaged {
        message: number,
        peer: PeerId([1; 20]),
        from: "ana".to_owned(),
        to: "*".to_owned(),
        receiver: None,
        text: format!("message {number} {}", "x".repeat(200)),
        nonce: None,
        delivered: 1,
        stored: 0,
        refused: 0,
        log: MessageLog::Full,
        closed: false,
        at: AT + number,
    };
    Lasting { event, info: None, promised: true }
}

fn messages(numbers: std::ops::Range<u64>) -> Vec<Lasting> {
    numbers.map(message).collect()
}

fn config(dir: &TempDir) -> StoreConfig {
    StoreConfig { dir: dir.path().to_owned(), sync: Sync::Normal }
}

/// A database with these messages, whole in one file.
fn written(dir: &TempDir, numbers: std::ops::Range<u64>) -> PathBuf {
    let path = dir.path().join(FILE);
    for number in numbers.clone().step_by(50) {
        let end = numbers.end.min(number + 50);
        Sqlite::open(&path, Sync::Normal).unwrap().append(&messages(number..end)).unwrap();
    }
    path
}

/// The numbers of messages that a tracker knows which starts in this folder, and its last event.
fn remembered(dir: &TempDir) -> (Vec<u64>, u64) {
    let mut registry = Registry::new(Config::default());
    let opened = open(&config(dir), &mut registry).unwrap();
    let loaded = opened.loaded;
    // What happens next is kept.
    opened.result().unwrap().append(&messages(MESSAGES + 1_000..MESSAGES + 1_001)).unwrap();
    let known = registry.checkpoint(false).into_iter().filter_map(|lasting| match lasting.event {
        Event::Messaged { message, .. } => Some(message),
        _ => None,
    });
    (known.collect(), loaded.last)
}

fn beginning_with(dir: &TempDir, beginning: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let is_so = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().starts_with(beginning);
    files.filter(is_so).collect()
}

fn write_at(path: &Path, bytes: &[u8], place: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, place).unwrap();
}

#[test]
fn garbage_in_the_middle_costs_what_stood_there_and_a_backup_fills_it() {
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..MESSAGES);
    // The newest 500 messages to all are kept; the damage is among them.
    let backup = dir.path().join("monday.db");
    sqlite::backup(&path, &backup).unwrap();
    Sqlite::open(&path, Sync::Normal).unwrap().append(&messages(MESSAGES..MESSAGES + 10)).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    write_at(&path, &[0xa5; 8_192], size / 2 / 4_096 * 4_096);
    let damaged = std::fs::read(&path).unwrap();

    let (known, last) = remembered(&dir);
    assert_eq!(known, (MESSAGES - 490..MESSAGES + 10).collect::<Vec<_>>());
    assert_eq!(last, AT + MESSAGES + 9);
    let kept = beginning_with(&dir, "tracker.db.damaged-");
    assert_eq!((kept.len(), std::fs::read(&kept[0]).unwrap()), (1, damaged.clone()));

    // Without a backup, what stood before and behind it is there.
    let alone = TempDir::new().unwrap();
    std::fs::write(alone.path().join(FILE), damaged).unwrap();
    let (known, last) = remembered(&alone);
    assert!(known.windows(2).any(|pair| pair[0] + 1 < pair[1]), "{known:?}");
    assert!(known.contains(&(MESSAGES - 1)) && last == AT + MESSAGES + 9, "{known:?}");
}

#[test]
fn an_older_backup_is_not_put_behind_a_journal_that_began_later() {
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..MESSAGES);
    sqlite::backup(&path, &dir.path().join("monday.db")).unwrap();
    write_at(&path, &[0x55; 4_096], 0);
    // A new file is begun of what the backup knew; what happens then is newer than all of that.
    let (known, last) = remembered(&dir);
    assert_eq!((known.last(), last), (Some(&(MESSAGES - 1)), AT + MESSAGES - 1));
    let newer = MESSAGES + 2_000..MESSAGES + 2_010;
    Sqlite::open(&path, Sync::Normal).unwrap().append(&messages(newer.clone())).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    write_at(&path, &[0xa5; 8_192], size / 2 / 4_096 * 4_096);
    let mut registry = Registry::new(Config::default());
    let salvaged = super::salvage::salvage(&path, &mut registry);
    assert_eq!(salvaged.backup.map(|(_, events)| events), Some(0), "none of them comes after what is newer");
    assert_eq!(salvaged.loaded.last, AT + newer.end - 1);
}

#[test]
fn killed_while_a_damaged_file_is_replaced_nothing_is_lost() {
    // Before the damaged one is put aside: half a new one lies beside it.
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..100);
    sqlite::backup(&path, &dir.path().join("copy.db")).unwrap();
    write_at(&path, &[0x55; 4_096], 0);
    let half = dir.path().join("tracker.db.rebuilt");
    Sqlite::open(&half, Sync::Normal).unwrap().append(&messages(1..3)).unwrap();
    assert_eq!(remembered(&dir).0, (1..100).collect::<Vec<_>>());
    assert_eq!(beginning_with(&dir, "tracker.db.rebuilt").len(), 0);

    // Between the two renames: there is none of the right name, but the log of the one that was damaged.
    let dir = TempDir::new().unwrap();
    let path = killed(&dir);
    let whole = TempDir::new().unwrap();
    written(&whole, 1..50);
    std::fs::copy(whole.path().join(FILE), dir.path().join("tracker.db.rebuilt")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(remembered(&dir).0, (1..50).collect::<Vec<_>>());
    assert_eq!(beginning_with(&dir, "tracker.db-wal.damaged-").len(), 1);

    // Where nothing can be written, it stays as it is and is read again by the next.
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..100);
    sqlite::backup(&path, &dir.path().join("copy.db")).unwrap();
    write_at(&path, &[0x55; 4_096], 0);
    std::fs::create_dir(dir.path().join("tracker.db.rebuilt")).unwrap();
    let mut registry = Registry::new(Config::default());
    let opened = open(&config(&dir), &mut registry).unwrap();
    assert!(opened.store.is_none() && opened.failure.is_some() && opened.loaded.events == 99);
    drop(opened);
    std::fs::remove_dir(dir.path().join("tracker.db.rebuilt")).unwrap();
    assert_eq!(remembered(&dir).0, (1..100).collect::<Vec<_>>());
}

#[test]
fn a_file_without_a_beginning_comes_back_from_the_newest_backup() {
    for damage in [&[0x55; 4_096][..], b"not a database", b""] {
        let dir = TempDir::new().unwrap();
        let path = written(&dir, 1..100);
        sqlite::backup(&path, &dir.path().join("older.db")).unwrap();
        Sqlite::open(&path, Sync::Normal).unwrap().append(&messages(100..200)).unwrap();
        sqlite::backup(&path, &dir.path().join("newer.copy")).unwrap();
        // What is no database of ours is not taken for one.
        std::fs::write(dir.path().join("notes.db"), vec![b'x'; 5_000]).unwrap();
        let foreign = rusqlite::Connection::open(dir.path().join("songs.db")).unwrap();
        foreign.execute_batch("CREATE TABLE event (seq INTEGER, body TEXT)").unwrap();
        if damage.is_empty() {
            // Cut in the middle of its first page.
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1_000).unwrap();
        } else {
            write_at(&path, damage, 0);
        }
        let (known, last) = remembered(&dir);
        assert_eq!((known, last), ((1..200).collect(), AT + 199), "{}", damage.len());
    }
}

#[test]
fn a_file_that_was_cut_off_gives_what_is_left_of_it() {
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..400);
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(size / 2).unwrap();
    let (known, _) = remembered(&dir);
    assert!(known.len() > 50 && known.len() < 399, "{}", known.len());
    assert!(known.windows(2).all(|pair| pair[0] < pair[1]), "in order: {known:?}");
    // The second start finds nothing wrong.
    let (again, _) = remembered(&dir);
    assert!(again.starts_with(&known) && beginning_with(&dir, "tracker.db.damaged-").len() == 1);
}

/// The files of a tracker that was killed: the database, and a log that was not yet taken over.
fn killed(dir: &TempDir) -> PathBuf {
    let path = dir.path().join(FILE);
    let mut store = Sqlite::open(&path, Sync::Normal).unwrap();
    for number in 1..20 {
        store.append(&messages(number..number + 1)).unwrap();
    }
    let copies = ["", "-wal"].map(|ending| std::fs::read(format!("{}{ending}", path.display())).unwrap());
    drop(store);
    for (ending, copy) in ["", "-wal"].iter().zip(copies) {
        std::fs::write(format!("{}{ending}", path.display()), copy).unwrap();
    }
    path
}

#[test]
fn a_damaged_log_is_read_as_far_as_it_can_be_and_is_kept() {
    let dir = TempDir::new().unwrap();
    let path = killed(&dir);
    assert_eq!(wal::damage(&wal::beside(&path)), None);
    let (known, _) = remembered(&dir);
    assert_eq!(known, (1..20).collect::<Vec<_>>());

    // What was being written when the power went is no damage: nobody was told that it is kept.
    let dir = TempDir::new().unwrap();
    let log = wal::beside(&killed(&dir));
    let size = std::fs::metadata(&log).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(size - 2_000).unwrap();
    assert_eq!(wal::damage(&log), None);
    assert_eq!(remembered(&dir).0, (1..19).collect::<Vec<_>>());

    for (place, frame) in [(0, 0), (30, 0)] {
        let dir = TempDir::new().unwrap();
        let log = wal::beside(&killed(&dir));
        write_at(&log, &[0x77; 8], place);
        assert_eq!(wal::damage(&log), Some(frame));
    }
    let dir = TempDir::new().unwrap();
    let log = wal::beside(&killed(&dir));
    let before = std::fs::read(&log).unwrap();
    write_at(&log, &[0x77; 100], u64::try_from(before.len() / 2).unwrap());
    let frame = wal::damage(&log).unwrap();
    assert!(frame > 1, "{frame}");
    let (known, _) = remembered(&dir);
    assert!(!known.is_empty() && known.len() < 19, "{known:?}");
    let kept = beginning_with(&dir, "tracker.db-wal.damaged-");
    let mut damaged = before.clone();
    damaged[before.len() / 2..][..100].fill(0x77);
    assert_eq!((kept.len(), std::fs::read(&kept[0]).unwrap()), (1, damaged));
}

#[test]
fn a_file_that_could_not_be_read_is_not_written_over() {
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..50);
    let whole = std::fs::read(&path).unwrap();
    // As where the file belongs to somebody else when the tracker starts, and later does not.
    let unread = Cell::new(true);
    let store = reopen(&config(&dir), &unread).unwrap();
    assert_eq!((store.len(), unread.get()), (0, false));
    let kept = beginning_with(&dir, "tracker.db.unread-");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), whole);
    drop(store);
    reopen(&config(&dir), &unread).unwrap().append(&messages(1..2)).unwrap();
    assert_eq!(reopen(&config(&dir), &unread).unwrap().len(), 1);
    assert_eq!(beginning_with(&dir, "tracker.db.").len(), 1);
}

#[test]
fn a_database_that_another_program_holds_is_read_and_nothing_of_it_is_lost() {
    let dir = TempDir::new().unwrap();
    let path = written(&dir, 1..50);
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").unwrap();
    let mut registry = Registry::new(Config::default());
    let opened = open(&config(&dir), &mut registry).unwrap();
    assert_eq!((opened.loaded.events, opened.unread), (49, false));
    let mut store = opened.result().unwrap();
    assert!(matches!(store.append(&messages(50..51)), Err(StoreError::Locked)));
    holder.execute_batch("ROLLBACK").unwrap();
    store.append(&messages(50..51)).unwrap();
    assert_eq!(store.len(), 50);
}

#[test]
fn every_failure_says_what_to_do() {
    let path = PathBuf::from("tracker.db");
    for error in [
        StoreError::InUse { dir: path.clone() },
        StoreError::Newer { path: path.clone(), found: 2, known: 1 },
        StoreError::Foreign { path: path.clone() },
        StoreError::Damaged { path, detail: String::new() },
        StoreError::Full,
        StoreError::Locked,
        StoreError::ReadOnly,
        StoreError::Sqlite(rusqlite::Error::InvalidQuery),
    ] {
        assert!(error.advice().starts_with("try: "), "{error}");
    }
}

#[test]
fn hashes_of_a_backup_are_given_too() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    let mut registry = Registry::new(Config::default());
    let new = registry::NewEntry {
        entry: shared::control::EntryId("070707".to_owned()),
        name: "a.iso".to_owned(),
        size: 10,
        files: 1,
        piece_length: 16_384,
        kind: shared::control::Kind::Other,
        v1: Some(InfoHash([7; 20])),
        v2: None,
        root: None,
        info: Some(b"d4:name5:a.isoe".to_vec()),
        layers: None,
        comment: None,
        private: false,
        listed: true,
    };
    assert_eq!(new.hashes(), Some(InfoHashes::v1(InfoHash([7; 20]))));
    let known =
        Event::Known { peer: PeerId([1; 20]), nick: "ana".to_owned(), first: AT, seen: AT, is_named: true };
    let catalogued =
        Event::Catalogued { new: Box::new(new), names: Vec::new(), holders: vec![PeerId([1; 20])], seen: AT };
    let events: Vec<Lasting> = [known, catalogued].iter().filter_map(Event::lasting).collect();
    Sqlite::open(&path, Sync::Normal).unwrap().append(&events).unwrap();
    sqlite::backup(&path, &dir.path().join("copy.db")).unwrap();
    write_at(&path, &[9; 200], 0);
    let opened = open(&config(&dir), &mut registry).unwrap();
    assert_eq!(opened.loaded.events, 2);
    let torrent = registry.locate("a.iso").unwrap();
    assert_eq!(torrent.info.as_deref(), Some(&b"d4:name5:a.isoe"[..]));
}
