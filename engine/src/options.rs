//! What the person may say when sharing and adding, and what comes back.

use std::path::PathBuf;

use shared::InfoHash;
use shared::metainfo::Version;

/// How to share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareOptions {
    /// The name others see; the file's own when `None`.
    pub name: Option<String>,
    /// Only the tracker may name peers (BEP 27).
    pub private: bool,
    /// A word about it, for the torrent file.
    pub comment: Option<String>,
    /// Which clients can read it.
    pub version: Version,
    /// Trackers for the torrent file, in tiers (BEP 12).
    pub announce: Vec<Vec<String>>,
    /// When it is made, for the torrent file: seconds since 1970. Never part of the info hashes.
    pub date: Option<i64>,
    /// Leave out of the torrent file what names a person, a program or a day.
    pub anonymous: bool,
}

/// How far hashing is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashProgress {
    /// Bytes hashed.
    pub bytes: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes per second so far.
    pub rate: f64,
}

/// Something in a shared folder that a torrent cannot tell, or that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareNote {
    /// A folder without files in it.
    EmptyFolder {
        /// Which.
        path: PathBuf,
    },
    /// A symbolic link inside the folder; links are never followed.
    Symlink {
        /// Which.
        path: PathBuf,
    },
    /// What this program or a tracker keeps for itself, such as what was typed, keys and unfinished state.
    Own {
        /// Which.
        path: PathBuf,
    },
    /// A pipe, socket or device.
    Special {
        /// Which.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// What was named was a symbolic link; its target is shared.
    Followed {
        /// The link.
        path: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// A name that had to be written another way.
    Renamed {
        /// As it is on disk.
        path: PathBuf,
        /// As others see it.
        name: String,
    },
}

/// How to add a torrent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// Put it into this folder instead of the session's.
    pub into: Option<PathBuf>,
    /// Call the file or folder this.
    pub rename: Option<String>,
    /// Do not start yet.
    pub paused: bool,
    /// Trackers to ask beside those of the torrent file, in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
}

/// What [`crate::Session::add`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// What the torrent is called in every call.
    pub id: InfoHash,
    /// Where the data goes: the final name, as far as known.
    pub path: PathBuf,
    /// How it begins.
    pub beginning: Beginning,
}

/// How an added torrent begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing of it was here.
    New,
    /// It was added before; nothing changed.
    Already {
        /// Whether it is complete.
        complete: bool,
    },
    /// Bytes of it are on disk and are being checked.
    Checking,
}
