//! The face of the engine: one session, many torrents. Cheap to clone; every clone is the same session.

use std::net::SocketAddr;

use shared::{InfoHash, PeerId};
use tokio::sync::mpsc;

use crate::alert::Alert;
use crate::config::SessionConfig;
use crate::error::{CommandError, StartError};
use crate::status::{Limits, PeerStatus, TorrentStatus};

/// A running session.
#[derive(Debug, Clone)]
pub struct Session {
    peer_id: PeerId,
    listen_address: SocketAddr,
}

impl Session {
    /// Takes the folder, listens, and goes on with everything that an earlier run left unfinished.
    pub async fn start(config: SessionConfig) -> Result<(Self, mpsc::Receiver<Alert>), StartError> {
        Err(StartError::Locked { dir: config.dir, pid: None })
    }

    /// Who we are to other peers; the same after every restart.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Where we listen.
    pub fn listen_address(&self) -> SocketAddr {
        self.listen_address
    }

    /// Stops sharing; the files stay where they are.
    pub async fn unshare(&self, id: InfoHash) -> Result<(), CommandError> {
        Err(CommandError::Unknown { id })
    }

    /// Tells a torrent where peers listen.
    pub async fn add_peers(&self, id: InfoHash, addresses: Vec<SocketAddr>) -> Result<(), CommandError> {
        drop(addresses);
        Err(CommandError::Unknown { id })
    }

    /// Dials one address for a torrent, at the wish of the far side.
    pub async fn dial(&self, id: InfoHash, address: SocketAddr) -> Result<(), CommandError> {
        self.add_peers(id, vec![address]).await
    }

    /// Neither download nor upload until [`Session::resume`], also after a restart.
    pub async fn pause(&self, id: InfoHash) -> Result<(), CommandError> {
        Err(CommandError::Unknown { id })
    }

    /// Goes on.
    pub async fn resume(&self, id: InfoHash) -> Result<(), CommandError> {
        Err(CommandError::Unknown { id })
    }

    /// Forgets a torrent; with `delete` the bytes of an unfinished download go too. A finished file
    /// and a shared one are never deleted.
    pub async fn cancel(&self, id: InfoHash, delete: bool) -> Result<(), CommandError> {
        let _ = delete;
        Err(CommandError::Unknown { id })
    }

    /// Every torrent, by id.
    pub fn list(&self) -> Vec<TorrentStatus> {
        Vec::new()
    }

    /// One torrent.
    pub fn status(&self, id: InfoHash) -> Option<TorrentStatus> {
        let _ = id;
        None
    }

    /// The connections of one torrent.
    pub async fn peers(&self, id: InfoHash) -> Result<Vec<PeerStatus>, CommandError> {
        Err(CommandError::Unknown { id })
    }

    /// Bytes per second for the whole session from now on.
    pub fn set_limits(&self, limits: Limits) {
        let _ = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Waits until every byte is verified and has its final name.
    pub async fn wait_complete(&self, id: InfoHash) -> Result<TorrentStatus, CommandError> {
        Err(CommandError::Unknown { id })
    }

    /// Saves the state and ends every task; nothing is checked again after a clean stop.
    pub async fn stop(&self) {}
}
