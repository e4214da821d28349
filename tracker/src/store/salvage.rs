//! What can be had of a damaged database: its events before and behind the damage, and from the newest
//! backup beside it what is missing between them. Reads only. Called by opening.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use registry::{Dictionary, Event, Registry};
use rusqlite::{Connection, OpenFlags, Row};
use shared::InfoHash;

use super::{FILE, Loaded, schema};

/// Files of a folder that are looked at.
const MAX_FILES: usize = 1_000;
/// Where a file says that it is one of `SQLite`, and whose.
const HEADER: usize = 72;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What was had.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    /// All events that are known again.
    pub(super) loaded: Loaded,
    /// The backup, and how many of the events are from it.
    pub(super) backup: Option<(PathBuf, u64)>,
}

/// Replays into a registry that is new what can be had of the database at `path`.
pub(super) fn salvage(path: &Path, registry: &mut Registry) -> Salvaged {
    let own = connect(path).map_or_else(Rows::default, |file| Rows::of(&file));
    let backup = newest(path);
    let mut rows = own.events;
    let mut infos = own.infos;
    let mut from_backup = 0;
    if let Some((_, backup)) = &backup {
        // A journal that begins as it should has nothing older that still counts.
        let begin = own.begins.unwrap_or(i64::MIN);
        for (seq, body) in backup.events.range(begin..) {
            rows.entry(*seq).or_insert_with(|| {
                from_backup += 1;
                body.clone()
            });
        }
        for (hash, kept) in &backup.infos {
            infos.entry(hash.clone()).or_insert_with(|| kept.clone());
        }
    }
    let mut loaded = Loaded::default();
    for body in rows.values() {
        let Ok(event) = serde_json::from_slice::<Event>(body) else { continue };
        loaded = Loaded { events: loaded.events + 1, last: loaded.last.max(event.at()) };
        registry.replay(event);
    }
    registry.restart(loaded.last);
    for (hash, (info, layers)) in infos {
        if let Ok(key) = <[u8; 20]>::try_from(hash) {
            registry.give_info(&Dictionary { key: InfoHash(key), info, layers });
        }
    }
    Salvaged { loaded, backup: backup.map(|(path, _)| (path, from_backup)) }
}

/// An info dictionary, and its piece layers.
type Info = (Vec<u8>, Option<Vec<u8>>);

/// The rows of a file as far as they can be read.
#[derive(Debug, Default)]
struct Rows {
    /// The number of the first event, where the beginning can be read.
    begins: Option<i64>,
    events: BTreeMap<i64, Vec<u8>>,
    /// By hash.
    infos: BTreeMap<Vec<u8>, Info>,
}

impl Rows {
    fn of(file: &Connection) -> Self {
        let mut rows = Self::default();
        let event = |row: &Row<'_>| Ok((row.get(0)?, row.get_ref(1)?.as_bytes()?.to_vec()));
        let mut events = BTreeMap::new();
        each(file, "SELECT seq, body FROM event ORDER BY seq", event, |(seq, body)| {
            events.insert(seq, body).is_none()
        });
        rows.begins = events.keys().next().copied();
        // From the end back to the damage, or to what is known already.
        each(file, "SELECT seq, body FROM event ORDER BY seq DESC", event, |(seq, body)| {
            events.insert(seq, body).is_none()
        });
        rows.events = events;
        let info = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
        for order in ["", " DESC"] {
            let sql = format!("SELECT hash, bytes, layers FROM info ORDER BY hash{order}");
            each(file, &sql, info, |(hash, kept)| rows.infos.insert(hash, kept).is_none());
        }
        rows
    }

    /// When the last of it happened, and its number.
    fn age(&self) -> (u64, i64) {
        let at = |body: &Vec<u8>| serde_json::from_slice::<Event>(body).map_or(0, |event| event.at());
        let last = self.events.values().rev().take(100).map(at).max().unwrap_or(0);
        (last, self.events.keys().next_back().copied().unwrap_or(0))
    }
}

/// Gives rows until one cannot be read or `take` has enough.
fn each<T>(
    file: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    mut take: impl FnMut(T) -> bool,
) {
    let Ok(mut statement) = file.prepare(sql) else { return };
    let Ok(mut rows) = statement.query([]) else { return };
    while let Ok(Some(row)) = rows.next() {
        if !read(row).is_ok_and(&mut take) {
            return;
        }
    }
}

fn connect(path: &Path) -> Option<Connection> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    // Without this nothing is read of a file that has fewer pages than its header says.
    file.pragma_update(None, "writable_schema", true).ok()?;
    Some(file)
}

/// The backup in the folder that knows most, whatever it is called.
fn newest(path: &Path) -> Option<(PathBuf, Rows)> {
    let files = std::fs::read_dir(path.parent()?).ok()?;
    let backups = files.take(MAX_FILES).filter_map(|file| {
        let file = file.ok()?.path();
        let name = file.file_name()?.to_string_lossy().into_owned();
        let is_backup =
            name != FILE && ![".damaged-", ".unread-", ".rebuilt"].iter().any(|own| name.contains(own));
        if !is_backup || !is_ours(&file) {
            return None;
        }
        let rows = Rows::of(&connect(&file)?);
        (!rows.events.is_empty()).then_some((file, rows))
    });
    backups.max_by_key(|(_, rows)| rows.age())
}

/// Whether a file is a tracker's database, as its header says.
fn is_ours(path: &Path) -> bool {
    let mut header = [0; HEADER];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(MAGIC) && header.ends_with(&schema::APPLICATION.to_be_bytes())
}
