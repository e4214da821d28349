//! The store on disk: one `SQLite` file in WAL mode.

use std::path::{Path, PathBuf};
use std::time::Duration;

use registry::{Dictionary, Event, Lasting};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};
use shared::InfoHash;

use super::{Loaded, Store, StoreError, Sync, schema};

/// How long another program may hold the file before that counts as a failure.
const PATIENCE: Duration = Duration::from_secs(2);

/// The open file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// The number of the newest event.
    last: i64,
    /// Events in the file.
    count: u64,
}

/// What an error of `SQLite` means.
pub(crate) fn explain(error: rusqlite::Error, path: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path: path.to_owned(), detail: error.to_string() }
        }
        _ => StoreError::Sqlite(error),
    }
}

/// A copy of the whole database as it is at this moment, in one new file.
pub(crate) fn copy(connection: &Connection, to: &Path) -> Result<(), rusqlite::Error> {
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(|_| ())
}

/// Opens the database at `path`, which a tracker may be using, to read it. Where a tracker was killed,
/// its write-ahead log is read too, for which `SQLite` must be able to write.
pub(crate) fn open_beside(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| explain(error, path);
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    schema::check_owner(&connection, path)?;
    schema::check_version(&connection, path)?;
    Ok(connection)
}

/// Copies the database at `from`, which a tracker may be using, into the new file `to`.
pub(crate) fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    copy(&open_beside(from)?, to).map_err(|error| {
        // Half a copy is none. What cannot be removed was not made.
        let _ = std::fs::remove_file(to);
        explain(error, to)
    })
}

impl Sqlite {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path, sync: Sync) -> Result<Self, StoreError> {
        let failed = |error| explain(error, path);
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        schema::check_owner(&connection, path)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        let synchronous = match sync {
            Sync::Full => "FULL",
            Sync::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        // What is deleted, such as a message that was kept for somebody, is not left in the file.
        connection.pragma_update(None, "secure_delete", true).map_err(failed)?;
        schema::migrate(&mut connection, path)?;
        Self::of(connection, path)
    }

    /// A connection that is set up.
    pub(crate) fn of(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        let failed = |error| explain(error, path);
        // The numbers have no gaps; to count the events would be to read all of them.
        let ends = "SELECT (SELECT max(seq) FROM event), (SELECT min(seq) FROM event)";
        let (last, first): (Option<i64>, Option<i64>) =
            connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        let count = last.zip(first).map_or(0, |(last, first)| last.abs_diff(first) + 1);
        // A new journal begins behind any other of this folder: salvage puts them together by number.
        let last = last.unwrap_or_else(micros);
        Ok(Self { connection, path: path.to_owned(), last, count })
    }

    /// Whether it writes a log ahead, and how much `SQLite` forces to the disk: 2 is `FULL`, 1 `NORMAL`.
    #[cfg(test)]
    pub(crate) fn durability(&self) -> (String, u32) {
        let ask = |name: &str| format!("SELECT * FROM pragma_{name}");
        let mode = self.connection.query_row(&ask("journal_mode"), [], |row| row.get(0)).unwrap_or_default();
        let level = self.connection.query_row(&ask("synchronous"), [], |row| row.get(0)).unwrap_or_default();
        (mode, level)
    }

    /// Closes the file so that nothing of it is left in a write-ahead log.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let failed = |error| explain(error, &self.path);
        let whole = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = self.connection.query_row(whole, [], |row| row.get(0)).map_err(failed)?;
        if is_busy {
            return Err(StoreError::Locked);
        }
        self.connection.close().map_err(|(_, error)| failed(error))
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + Copy {
        |error| explain(error, &self.path)
    }
}

/// Microseconds since 1970: no tracker has written so many events.
fn micros() -> i64 {
    i64::try_from(runtime::clock::wall_millis()).unwrap_or(0).saturating_mul(1_000)
}

fn insert(
    transaction: &Transaction<'_>,
    seq: i64,
    Lasting { event, info, .. }: &Lasting,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |error| explain(error, path);
    let body = serde_json::to_string(event)?;
    // `{"Messaged":{...}}`: the name is the first thing between quotes.
    let kind = body.split('"').nth(1).unwrap_or_default();
    let at = i64::try_from(event.at()).unwrap_or(i64::MAX);
    let sql = "INSERT INTO event (seq, at, kind, body) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
    statement.execute(params![seq, at, kind, body]).map_err(failed)?;
    if let Some(Dictionary { key, info, layers }) = info {
        let sql = "INSERT OR REPLACE INTO info (hash, bytes, layers) VALUES (?1, ?2, ?3)";
        let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(params![key.0.as_slice(), info, layers]).map_err(failed)?;
    }
    Ok(())
}

impl Store for Sqlite {
    fn events(&mut self, take: &mut dyn FnMut(Event)) -> Result<Loaded, StoreError> {
        let failed = self.failed();
        let mut loaded = Loaded::default();
        let mut unknown = 0_u64;
        let mut statement = self.connection.prepare("SELECT body FROM event ORDER BY seq").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            // As text: it is looked through once for letters that are none, and not word by word.
            let body = row.get_ref(0).map_err(failed)?.as_str().unwrap_or_default();
            match serde_json::from_str::<Event>(body) {
                Ok(event) => {
                    loaded = Loaded { events: loaded.events + 1, last: loaded.last.max(event.at()) };
                    take(event);
                }
                Err(_) => unknown += 1,
            }
        }
        if unknown > 0 {
            tracing::warn!(unknown, "events in the database are not understood and were left out");
        }
        Ok(loaded)
    }

    fn infos(&mut self, take: &mut dyn FnMut(&Dictionary) -> bool) -> Result<(), StoreError> {
        let failed = self.failed();
        let mut orphans = Vec::new();
        {
            let mut statement =
                self.connection.prepare("SELECT hash, bytes, layers FROM info").map_err(failed)?;
            let mut rows = statement.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let hash: Vec<u8> = row.get(0).map_err(failed)?;
                let (info, layers) = (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
                let key = <[u8; 20]>::try_from(hash.as_slice()).ok().map(InfoHash);
                if !key.is_some_and(|key| take(&Dictionary { key, info, layers })) {
                    orphans.push(hash);
                }
            }
        }
        for hash in orphans {
            self.connection.execute("DELETE FROM info WHERE hash = ?1", [hash]).map_err(failed)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: &[Lasting], anew: bool) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |error| explain(error, &path);
        let (mut last, mut count) = (self.last, self.count);
        let transaction = self.connection.transaction().map_err(failed)?;
        if anew {
            transaction.execute("DELETE FROM event", []).map_err(failed)?;
            count = 0;
        }
        for lasting in batch {
            last += 1;
            count += 1;
            insert(&transaction, last, lasting, &path)?;
        }
        transaction.commit().map_err(failed)?;
        (self.last, self.count) = (last, count);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.count
    }
}
