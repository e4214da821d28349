//! The table of words: `SQLite`'s full-text index over trigrams, in memory, with one connection that
//! writes and others that read. It holds row numbers only, no text.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::question::{Question, Trigram, trigrams};

/// How long a reader waits for the end of a write, and the other way round.
const PATIENCE: Duration = Duration::from_secs(5);
/// Trigrams of a question that the table is asked for; the texts decide.
const MAX_ASKED: usize = 3;
/// Counters of trigrams, by a hash of them.
const BUCKETS: usize = 1 << 16;

/// Databases in memory have names, so that several connections see the same.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// A row with its text, and its paths as they are shown.
pub(super) type NewRow = (u32, String, String);

/// Where the connections of one index meet.
#[derive(Debug, Clone)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn new() -> Self {
        Self(format!("file:/words-{}?vfs=memdb", NAMES.fetch_add(1, Ordering::Relaxed)))
    }

    fn connect(&self, cache_kib: i64) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        Ok(connection)
    }
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
}

impl Writer {
    pub(super) fn open(place: &Place) -> rusqlite::Result<Self> {
        let connection = place.connect(8 * 1024)?;
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.execute_batch(
            "CREATE VIRTUAL TABLE words USING fts5(
                 text, content='', contentless_delete=1, detail=none, tokenize='trigram case_sensitive 1');
             CREATE TABLE shown (row INTEGER PRIMARY KEY, paths TEXT NOT NULL);
             INSERT INTO words (words, rank) VALUES ('automerge', 0);
             INSERT INTO words (words, rank) VALUES ('hashsize', 33554432);",
        )?;
        Ok(Self { connection })
    }

    /// Writes all or nothing: rows that go, and rows that come with their text and shown paths.
    pub(super) fn write(&mut self, gone: &[u32], new: &[NewRow]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut forget = transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
            let mut hide = transaction.prepare_cached("DELETE FROM shown WHERE row = ?1")?;
            for row in gone {
                forget.execute([row])?;
                hide.execute([row])?;
            }
            let mut add = transaction.prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?;
            let mut show = transaction.prepare_cached("INSERT INTO shown (row, paths) VALUES (?1, ?2)")?;
            for (row, text, paths) in new {
                add.execute(params![row, text])?;
                if !paths.is_empty() {
                    show.execute(params![row, paths])?;
                }
            }
        }
        transaction.commit()
    }

    /// What was there at the start is written: from now on little is written at once. After much the
    /// pieces of the table are made one.
    pub(super) fn loaded(&self, much: bool) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "INSERT INTO words (words, rank) VALUES ('automerge', 4);
             INSERT INTO words (words, rank) VALUES ('hashsize', 1048576);",
        )?;
        if much {
            self.connection.execute("INSERT INTO words (words) VALUES ('optimize')", [])?;
        }
        Ok(())
    }
}

/// A connection that reads.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn open(place: &Place) -> rusqlite::Result<Self> {
        Ok(Self { connection: place.connect(32 * 1024)? })
    }

    /// Rows that may have all of these trigrams.
    pub(super) fn rows(&self, asked: &[Trigram], limit: usize) -> rusqlite::Result<Vec<u32>> {
        let asked: Vec<String> = asked.iter().map(quote).collect();
        let sql = "SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement.query_map(params![asked.join(" AND "), limit], |row| row.get(0))?.collect()
    }

    /// Bytes of the database.
    pub(super) fn bytes(&self) -> rusqlite::Result<u64> {
        let count: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let size: i64 = self.connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(u64::try_from(count.saturating_mul(size)).unwrap_or(0))
    }

    /// A path of an entry as it is shown.
    pub(super) fn path(&self, row: u32, line: usize) -> rusqlite::Result<Option<String>> {
        let mut statement = self.connection.prepare_cached("SELECT paths FROM shown WHERE row = ?1")?;
        let mut rows = statement.query([row])?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let paths = found.get_ref(0)?.as_str().unwrap_or_default();
        Ok(paths.lines().nth(line).map(str::to_owned))
    }
}

/// A trigram as a string of the query language, in which nothing is an operator.
fn quote(trigram: &Trigram) -> String {
    let text: String = trigram.iter().collect();
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// How many entries have each trigram, nearly: two may share a counter, and then it tells their sum.
#[derive(Debug)]
pub(super) struct Frequencies(Vec<u32>);

impl Default for Frequencies {
    fn default() -> Self {
        Self(vec![0; BUCKETS])
    }
}

impl Frequencies {
    fn bucket(trigram: Trigram) -> usize {
        let mixed = trigram.iter().fold(0_u64, |mixed, letter| {
            (mixed ^ u64::from(u32::from(*letter))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        usize::try_from(mixed).unwrap_or(0) % BUCKETS
    }

    fn distinct(text: &str) -> Vec<usize> {
        let mut buckets: Vec<usize> = trigrams(text).map(Self::bucket).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    pub(super) fn add(&mut self, text: &str) {
        for bucket in Self::distinct(text) {
            if let Some(count) = self.0.get_mut(bucket) {
                *count = count.saturating_add(1);
            }
        }
    }

    pub(super) fn remove(&mut self, text: &str) {
        for bucket in Self::distinct(text) {
            if let Some(count) = self.0.get_mut(bucket) {
                *count = count.saturating_sub(1);
            }
        }
    }

    pub(super) fn of(&self, trigram: Trigram) -> u32 {
        self.0.get(Self::bucket(trigram)).copied().unwrap_or(0)
    }

    /// The rarest trigrams of a question; `None` when its words are too short to have any.
    pub(super) fn rarest(&self, question: &Question) -> Option<Vec<Trigram>> {
        let all = question.words.iter().flat_map(|word| trigrams(&word.text));
        let mut all: Vec<(u32, Trigram)> = all.map(|trigram| (self.of(trigram), trigram)).collect();
        all.sort_unstable();
        all.dedup();
        let rarest = all.first()?.0;
        // A common one costs more to read than the texts that it would spare.
        let worth = all.iter().take_while(|(count, _)| *count <= rarest.saturating_mul(4)).take(MAX_ASKED);
        Some(worth.map(|(_, trigram)| *trigram).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_what_has_the_letters_whatever_they_are() {
        let place = Place::new();
        let mut writer = Writer::open(&place).unwrap();
        let reader = Reader::open(&place).unwrap();
        let new =
            [(1, "say \"no\" or*".to_owned(), String::new()), (2, "日本語 no".to_owned(), "a\nb".to_owned())];
        writer.write(&[], &new).unwrap();
        for (trigram, rows) in [("\"no", [1].as_slice()), ("or*", &[1]), ("日本語", &[2]), ("xyz", &[])] {
            let letters: Vec<char> = trigram.chars().collect();
            let found = reader.rows(&[letters.try_into().unwrap()], 10).unwrap();
            assert_eq!(found, rows, "{trigram}");
        }
        assert_eq!(reader.path(2, 1).unwrap().as_deref(), Some("b"));
        assert_eq!(reader.path(1, 0).unwrap(), None);
        writer.write(&[2], &[(2, "xyz".to_owned(), String::new())]).unwrap();
        writer.loaded(true).unwrap();
        assert!(reader.rows(&[['日', '本', '語']], 10).unwrap().is_empty());
        assert_eq!(reader.rows(&[['x', 'y', 'z']], 10).unwrap(), [2]);
        assert_eq!(reader.path(2, 1).unwrap(), None);
    }

    #[test]
    fn another_index_is_another_table() {
        let mut writer = Writer::open(&Place::new()).unwrap();
        writer.write(&[], &[(1, "abc".to_owned(), String::new())]).unwrap();
        let place = Place::new();
        let _other = Writer::open(&place).unwrap();
        assert!(Reader::open(&place).unwrap().rows(&[['a', 'b', 'c']], 10).unwrap().is_empty());
    }
}
