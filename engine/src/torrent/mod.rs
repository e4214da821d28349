//! Torrents as the session holds them: a handle for each, and its task behind it.

pub(crate) mod disk_full;
mod existing;
pub(crate) mod files;
pub(crate) mod finish;
pub(crate) mod known;
mod life;
pub(crate) mod lost;
mod metadata;
pub(crate) mod prepare;
mod progress;
pub(crate) mod task;
pub(crate) mod view;
pub(crate) mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::{Bitfield, InfoHash, InfoHashes};
use swarm::{KnownPeer, PeerSource};
use tokio::sync::{oneshot, watch};

use crate::connection::{Inbox, Place};
use crate::status::{PeerStatus, TorrentStatus};
use crate::torrent::known::KnownMetainfo;

/// What the session may want of a torrent.
#[derive(Debug)]
pub(crate) enum Command {
    /// Peers listen here.
    Peers(Vec<SocketAddr>, PeerSource),
    /// Neither download nor upload.
    Pause(oneshot::Sender<()>),
    /// Go on.
    Resume(oneshot::Sender<()>),
    /// Who is connected.
    ViewPeers(oneshot::Sender<Vec<PeerStatus>>),
    /// Which pieces are verified.
    ViewPieces(oneshot::Sender<Bitfield>),
    /// Where peers were reached.
    KnownPeers(oneshot::Sender<Vec<KnownPeer>>),
    /// Another tracker speaks for the torrent.
    TrackerChanged,
    /// End the task; the answer comes when nothing is written any more.
    Stop(oneshot::Sender<()>),
}

/// One torrent, from outside.
#[derive(Debug)]
pub(crate) struct TorrentHandle {
    pub(crate) id: InfoHash,
    pub(crate) hashes: InfoHashes,
    pub(crate) inbox: Inbox,
    pub(crate) status: watch::Receiver<TorrentStatus>,
    pub(crate) place: Arc<Place>,
    /// The torrent file; not there until it is known.
    pub(crate) metainfo: Arc<KnownMetainfo>,
}

impl TorrentHandle {
    /// Whether only its trackers may name peers (BEP 27); `false` while that is not known.
    pub(crate) fn is_private(&self) -> bool {
        self.metainfo.get().is_some_and(|metainfo| metainfo.info.is_private())
    }
}

/// All torrents of a session, found by any of their names.
#[derive(Debug, Default)]
pub(crate) struct Torrents {
    by_id: BTreeMap<InfoHash, Arc<TorrentHandle>>,
    /// The truncated v2 name of hybrids.
    aliases: BTreeMap<InfoHash, InfoHash>,
    /// Unfinished files and folders that belong to one of them.
    claimed: BTreeSet<PathBuf>,
}

impl Torrents {
    /// The torrent of this id or other name.
    pub(crate) fn find(&self, hash: &InfoHash) -> Option<Arc<TorrentHandle>> {
        let id = self.aliases.get(hash).unwrap_or(hash);
        self.by_id.get(id).map(Arc::clone)
    }

    /// Any torrent with one of these names.
    pub(crate) fn find_any(&self, hashes: &InfoHashes) -> Option<Arc<TorrentHandle>> {
        let v2 = hashes.get_v2().map(|v2| v2.truncated());
        [hashes.get_v1(), v2].into_iter().flatten().find_map(|hash| self.find(&hash))
    }

    /// Every torrent, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<TorrentHandle>> {
        self.by_id.values()
    }

    /// Takes an unfinished file or folder for the torrent of this place, which gives back what it had;
    /// `false` when another has it.
    pub(crate) fn claim(&mut self, place: &Place, path: &Path) -> bool {
        let mut claimed = place.claimed();
        if claimed.as_deref() == Some(path) {
            return true;
        }
        let is_free = self.claimed.insert(path.to_owned());
        if is_free && let Some(former) = claimed.replace(path.to_owned()) {
            self.claimed.remove(&former);
        }
        is_free
    }

    /// Whether the data of some torrent lies there.
    pub(crate) fn lies_at(&self, path: &Path) -> bool {
        self.claimed.contains(path)
            || self.by_id.values().filter_map(|one| one.place.storage()).any(|storage| storage.path() == path)
    }

    /// Gives back what is claimed for this place.
    pub(crate) fn release(&mut self, place: &Place) {
        if let Some(path) = place.claimed().take() {
            self.claimed.remove(&path);
        }
    }

    /// One more; `false` when one with the same name is there already.
    pub(crate) fn insert(&mut self, torrent: Arc<TorrentHandle>) -> bool {
        if self.find_any(&torrent.hashes).is_some() {
            return false;
        }
        if let Some(v2) = torrent.hashes.get_v2().map(|v2| v2.truncated()) {
            self.aliases.insert(v2, torrent.id);
        }
        self.by_id.insert(torrent.id, torrent);
        true
    }

    /// More names of a torrent are known now; those that it had are among them.
    pub(crate) fn rename(&mut self, id: InfoHash, hashes: InfoHashes) {
        let Some(known) = self.by_id.get_mut(&id) else { return };
        *known = Arc::new(TorrentHandle {
            id,
            hashes,
            inbox: known.inbox.clone(),
            status: known.status.clone(),
            place: Arc::clone(&known.place),
            metainfo: Arc::clone(&known.metainfo),
        });
        let names = [hashes.get_v1(), hashes.get_v2().map(|v2| v2.truncated())];
        self.aliases.extend(names.into_iter().flatten().filter(|name| *name != id).map(|name| (name, id)));
    }

    /// One less.
    pub(crate) fn remove(&mut self, id: &InfoHash) -> Option<Arc<TorrentHandle>> {
        let torrent = self.by_id.remove(id)?;
        self.aliases.retain(|_, primary| primary != id);
        Some(torrent)
    }
}
