//! What a session tells without being asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shared::{InfoHash, PeerId};

use crate::error::TorrentError;

/// Something the person, or the program on top, should know.
#[derive(Debug, Clone, PartialEq)]
pub enum Alert {
    /// A download began.
    Started {
        /// Which torrent.
        id: InfoHash,
    },
    /// A download of an earlier run goes on.
    Resumed {
        /// Which torrent.
        id: InfoHash,
        /// Bytes that are verified already.
        verified: u64,
    },
    /// Bytes on disk are being hashed; told at the beginning, a few times a second, and at the end.
    Checking {
        /// Which torrent.
        id: InfoHash,
        /// Bytes hashed.
        done: u64,
        /// Bytes to hash.
        total: u64,
    },
    /// Every byte is verified and the file has its final name.
    Completed {
        /// Which torrent.
        id: InfoHash,
        /// Since it was added, in this run.
        elapsed: Duration,
        /// Its size in bytes.
        bytes: u64,
        /// Where it is now.
        path: PathBuf,
    },
    /// What was to be downloaded lies there already: every byte is verified and none is fetched.
    Found {
        /// Which torrent.
        id: InfoHash,
        /// Its size in bytes.
        bytes: u64,
        /// Where it is.
        path: PathBuf,
    },
    /// A peer sent a provably false block and is not spoken to any more.
    Banned {
        /// Which torrent.
        id: InfoHash,
        /// Who, by its own word.
        peer_id: PeerId,
        /// From where.
        address: SocketAddr,
        /// Number of the piece.
        piece: u32,
        /// The block inside the piece.
        block: u32,
    },
    /// The disk is full: this download waits. Told once until there is room again.
    DiskFull {
        /// Which torrent.
        id: InfoHash,
        /// Bytes it still needs.
        need: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// There is room again: the download goes on.
    DiskRoom {
        /// Which torrent.
        id: InfoHash,
    },
    /// An address could not be reached several times in a row.
    Unreachable {
        /// Which torrent.
        id: InfoHash,
        /// Which address.
        address: SocketAddr,
    },
    /// A file changed while it was shared: what does not fit its hash is not given any more.
    ShareChanged {
        /// Which torrent.
        id: InfoHash,
        /// The first piece found wrong.
        piece: u32,
        /// Which file.
        path: PathBuf,
    },
    /// Another tracker speaks for a private torrent: the peers that the former one named are let go.
    TrackerChanged {
        /// Which torrent.
        id: InfoHash,
    },
    /// A torrent cannot go on.
    Failed {
        /// Which torrent.
        id: InfoHash,
        /// Why.
        error: TorrentError,
    },
    /// The state of an earlier run could not be read as it should; what is done instead.
    StatusTrouble {
        /// What was wrong, and with which copy.
        trouble: StatusTrouble,
    },
}

/// What was wrong with the written state of an earlier run. Data on disk is never thrown away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusTrouble {
    /// The newer copy was unreadable, so the previous one is used.
    #[error("{path} is unreadable ({reason}); the previous copy is used")]
    PreviousUsed {
        /// The unreadable copy.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Both copies were unreadable: everything found on disk is hashed.
    #[error("{path} and its previous copy are unreadable ({reason}); what is on disk is hashed again")]
    Rebuilt {
        /// The unreadable copy.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// One entry could not be used.
    #[error("the entry of {name} is unusable: {reason}")]
    EntrySkipped {
        /// The entry's name, from outside.
        name: String,
        /// Why.
        reason: String,
    },
    /// The state could not be written; tried again later.
    #[error("{path} could not be written: {reason}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
