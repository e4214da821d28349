//! What can go wrong, one enum for each operation. Every variant names what it happened to.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use shared::InfoHash;
use thiserror::Error;

/// A session could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another peer uses the folder.
    #[error("{dir} is in use by {}", holder(*pid))]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// The other process, when the lock says.
        pid: Option<u32>,
    },
    /// The folder, or something in it, cannot be made or read.
    #[error("{path}: {source}")]
    Folder {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No port to listen on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// `download_status.json` was written by a newer version, and is left as it is.
    #[error("{path} was written by a newer version: schema {found}, this one knows {known}")]
    NewerStatus {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// The system gives no threads.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| String::from("another peer"), |pid| format!("another peer, process {pid}"))
}

/// A file or folder could not be shared.
#[derive(Debug, Error)]
pub enum ShareError {
    /// It is not there, or cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither a file nor a folder.
    #[error("{path} is {kind}, not a file or folder")]
    Kind {
        /// What.
        path: PathBuf,
        /// What it is: "a socket", "a device" ...
        kind: &'static str,
    },
    /// The folder holds no file.
    #[error("{path} holds no file")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// More files than a torrent may have.
    #[error("{path} holds more than {limit} files")]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A name that other machines could not write.
    #[error("{path} has a name that cannot be shared: {reason}")]
    Name {
        /// What.
        path: PathBuf,
        /// What is wrong with its name.
        reason: String,
    },
    /// A file changed while it was hashed.
    #[error("{path} changed while it was hashed")]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The torrent cannot be made.
    #[error("{path} cannot become a torrent: {reason}")]
    Build {
        /// What.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The torrent is already here with its data elsewhere and incomplete.
    #[error("a download of the same content is under way at {path}")]
    Downloading {
        /// Where.
        path: PathBuf,
    },
    /// The torrent file could not be kept.
    #[error("{path} could not be written: {source}")]
    Keep {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The session is stopping.
    #[error("the session is stopping")]
    Stopping,
}

/// A torrent could not be added.
#[derive(Debug, Error)]
pub enum AddError {
    /// The folder for downloads cannot be made or written.
    #[error("{path}: {source}")]
    Folder {
        /// Which folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The torrent says things that this machine cannot store.
    #[error("{name} cannot be stored: {reason}")]
    Content {
        /// The torrent's name, from outside.
        name: String,
        /// Why.
        reason: String,
    },
    /// The torrent file could not be kept.
    #[error("{path} could not be written: {source}")]
    Keep {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The session is stopping.
    #[error("the session is stopping")]
    Stopping,
}

/// A call named a torrent that could not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No torrent of that id.
    #[error("no torrent {id}")]
    Unknown {
        /// The id.
        id: InfoHash,
    },
    /// The torrent failed, and why.
    #[error("torrent {id} failed: {error}")]
    Failed {
        /// The id.
        id: InfoHash,
        /// Why.
        error: TorrentError,
    },
    /// Files could not be deleted.
    #[error("{path} could not be deleted: {source}")]
    Delete {
        /// What is left.
        path: PathBuf,
        /// Why.
        source: Arc<OsError>,
    },
    /// The session is stopping.
    #[error("the session is stopping")]
    Stopping,
}

/// Why a torrent cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TorrentError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Arc<OsError>,
    },
    /// The info dictionary that peers gave cannot be used.
    #[error("the description that peers gave is unusable: {reason}")]
    Info {
        /// Why.
        reason: String,
    },
    /// What was shared is not there any more.
    #[error("{path} is not there any more")]
    Missing {
        /// What.
        path: PathBuf,
    },
    /// Its task ended in a fault of this program.
    #[error("internal fault")]
    Fault,
}

/// An error of the operating system that can be kept and compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct OsError {
    /// What kind.
    pub kind: io::ErrorKind,
    /// What the system says.
    pub text: String,
}

impl From<&io::Error> for OsError {
    fn from(error: &io::Error) -> Self {
        Self { kind: error.kind(), text: error.to_string() }
    }
}
