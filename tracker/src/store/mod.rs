//! What the tracker must not forget: the lasting events of the registry, on disk before anyone is
//! told that they last.
//!
//! ```text
//! hub ─▶ Journal (queue) ─▶ writer thread ─▶ Store: SQLite, or memory in tests
//!  ▲                            │
//!  └── outboxes ◀── Gate ◀──────┘ what is on disk now: answers that waited for it may go
//! ```
//!
//! One thread writes; while it waits for the disk, what comes meanwhile makes up the next
//! transaction. It decides nothing: what lasts is said by the registry, and the state is made from
//! the events by the registry alone.

#[cfg(unix)]
#[cfg(test)]
mod damaged;
mod folder;
mod gate;
mod journal;
#[cfg(test)]
mod memory;
mod opening;
mod salvage;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;
mod wal;

use std::path::PathBuf;
use std::time::Duration;

use registry::{Dictionary, Event, Lasting};
use serde::{Deserialize, Serialize};

pub(crate) use folder::Folder;
pub(crate) use journal::{Checkpoint, Journal, Kept};
pub(crate) use opening::{Opened, open, read_beside, reopen};
pub(crate) use sqlite::backup;

/// The file's name inside the tracker's folder.
pub(crate) const FILE: &str = "tracker.db";

/// How long the last events may take when the tracker stops.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// What `ok` survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// SIGKILL and loss of power: each transaction is forced to the disk.
    #[default]
    Full,
    /// SIGKILL; a loss of power may cost the last moments.
    Normal,
}

/// Where and how a tracker keeps what lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder of `tracker.db`.
    pub dir: PathBuf,
    /// What `ok` survives.
    pub sync: Sync,
}

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder belongs to a tracker that runs.
    #[error("another tracker uses the folder {}", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The file was written by a newer program.
    #[error("{} has schema {found}, and this program knows {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that is known.
        known: u32,
    },
    /// The file belongs to another program.
    #[error("{} is the database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read as what it should be.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// An event cannot be written as text.
    #[error("an event cannot be written")]
    Unwritable(#[from] serde_json::Error),
    /// A file operation failed.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `cannot rename`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// Somebody else holds the file.
    #[error("tracker.db is locked by another program")]
    Locked,
    /// Nothing may be written there.
    #[error("the folder or the file cannot be written to")]
    ReadOnly,
    /// All else that `SQLite` says.
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// What the operator can do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::InUse { .. } | Self::Foreign { .. } => "try: tracker --dir ANOTHER_FOLDER",
            Self::Newer { .. } => "try: the newer tracker, or --dir ANOTHER_FOLDER",
            Self::Damaged { .. } => {
                "try: a disk that is well; tracker backup FILE makes a copy to go back to"
            }
            Self::Full => "try: make room on that disk; no restart is needed",
            Self::Locked => "try: end the program that has tracker.db open; no restart is needed",
            Self::ReadOnly => "try: let the tracker write there (mount, owner, mode); no restart is needed",
            Self::Unwritable(_) | Self::File { .. } | Self::Sqlite(_) => {
                "try: look at the disk, or tracker --dir ANOTHER_FOLDER"
            }
        }
    }
}

/// What a store gave when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Loaded {
    /// Events.
    pub(crate) events: u64,
    /// When the last of them happened: milliseconds since 1970.
    pub(crate) last: u64,
}

/// A place that keeps lasting events in their order, and info dictionaries beside them.
pub(crate) trait Store: Send {
    /// Gives every event in order. An event that this program does not know is left out.
    fn events(&mut self, take: &mut dyn FnMut(Event)) -> Result<Loaded, StoreError>;
    /// Gives every info dictionary; those that `take` refuses are dropped from the store.
    fn infos(&mut self, take: &mut dyn FnMut(&Dictionary) -> bool) -> Result<(), StoreError>;
    /// Adds events at the end, or with `anew` puts them in the place of all others; all or none. When this
    /// returns they are kept.
    fn write(&mut self, batch: &[Lasting], anew: bool) -> Result<(), StoreError>;
    /// Adds events at the end.
    fn append(&mut self, batch: &[Lasting]) -> Result<(), StoreError> {
        self.write(batch, false)
    }
    /// Puts these events in the place of all others.
    fn replace(&mut self, checkpoint: &[Lasting]) -> Result<(), StoreError> {
        self.write(checkpoint, true)
    }
    /// Events that it holds.
    fn len(&self) -> u64;
}
