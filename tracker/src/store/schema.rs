//! The tables of `tracker.db`, and how an older file becomes one of today.

use std::path::Path;

use rusqlite::Connection;

use super::{StoreError, sqlite};

/// The steps from an empty file to today's schema; `user_version` says how many were taken.
const STEPS: [&str; 1] = [
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
     CREATE TABLE info (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL, layers BLOB) WITHOUT ROWID;",
];

/// The newest schema that is known.
pub(crate) const VERSION: u32 = 1;
/// Whose file it is, as its header says: `ENJT`.
pub(super) const APPLICATION: u32 = 0x454e_4a54;

/// Whether the file is ours, or empty. Changes nothing in it.
pub(crate) fn check_owner(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let header = "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id";
    let (owner, tables): (u32, u32) = connection
        .query_row(header, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|error| sqlite::explain(error, path))?;
    if owner == APPLICATION || (owner, tables) == (0, 0) {
        return Ok(());
    }
    Err(StoreError::Foreign { path: path.to_owned() })
}

/// The schema of the file, which a newer program may have written.
pub(crate) fn check_version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let found: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| sqlite::explain(error, path))?;
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

/// Makes the tables what they are today. Before an older file is changed, a copy of it is made
/// beside it, named after its schema.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| sqlite::explain(error, path);
    let found = check_version(connection, path)?;
    if found == VERSION {
        return Ok(());
    }
    if found > 0 {
        let copy = path.with_extension(format!("db.schema-{found}"));
        if !copy.exists() {
            sqlite::copy(connection, &copy).map_err(failed)?;
            tracing::info!(
                "the database is brought up to date; a copy of it as it was is {}",
                copy.display()
            );
        }
    }
    let transaction = connection.transaction().map_err(failed)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    transaction.commit().map_err(failed)
}
