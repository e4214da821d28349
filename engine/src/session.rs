//! The face of the engine: one session, many torrents. Cheap to clone; every clone is the same session.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use download_status::Checkpointer;
use runtime::Clock;
use shared::metainfo::Metainfo;
use shared::path::SafePath;
use shared::{Bitfield, InfoHash, InfoHashes, PeerId};
use swarm::PeerSource;
use tokio::sync::{mpsc, oneshot, watch};

use crate::alert::Alert;
use crate::announcer::task::{self, Word};
use crate::bandwidth::Bucket;
use crate::checkpoint::Recorder;
use crate::config::SessionConfig;
use crate::connection::trace::{TraceFilter, TraceLine};
use crate::connection::{Event, Place};
use crate::discovery::{dht, lsd, memory};
use crate::disk::block_disk::{BlockDisk, StdDisk};
use crate::error::{CommandError, StartError, TorrentError};
use crate::folder::Folder;
use crate::listener;
use crate::resume;
use crate::shared_parts::Parts;
use crate::status::{Limits, PeerStatus, State, TorrentStatus};
use crate::torrent::known::KnownMetainfo;
use crate::torrent::lost::Lost;
use crate::torrent::prepare::{Left, Prepared, Shape};
use crate::torrent::task::{Ears, Outgoing, Task};
use crate::torrent::view::View;
use crate::torrent::{Command, TorrentHandle};
use crate::workers::Workers;

/// How many batches may wait in front of a torrent.
const INBOX: usize = 1024;
/// How long torrents may take to stop, and how long the status may take to be written after that.
const STOP_PATIENCE: Duration = Duration::from_millis(900);
/// How long a pause may wait for the disk.
const PAUSE_PATIENCE: Duration = Duration::from_secs(2);

/// A running session.
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Arc<Parts>,
    folder: Folder,
    listen_address: SocketAddr,
    /// Whether the status is written for the last time.
    ended: watch::Receiver<bool>,
    writers: Arc<Workers>,
    announcer: Option<mpsc::Sender<Word>>,
}

impl Session {
    /// Takes the folder, listens, and goes on with everything that an earlier run left unfinished.
    /// To be called inside a tokio runtime.
    pub async fn start(config: SessionConfig) -> Result<(Self, mpsc::Receiver<Alert>), StartError> {
        Self::start_on(config, Arc::new(StdDisk)).await
    }

    /// As [`Session::start`], with another disk.
    pub async fn start_on(
        config: SessionConfig,
        disk: Arc<dyn BlockDisk>,
    ) -> Result<(Self, mpsc::Receiver<Alert>), StartError> {
        let writers = Arc::new(Workers::start("status", 2)?);
        let dir = config.dir.clone();
        let taken = writers.run(move || {
            let folder = Folder::take(&dir)?;
            let found = resume::load(folder.dir())?;
            Ok((folder, found))
        });
        let (folder, found) =
            taken.await.unwrap_or(Err(StartError::Locked { dir: config.dir.clone(), pid: None }))?;
        let listener = listener::listen(config.listen)?;
        let listen_address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: ([0, 0, 0, 0], 0).into(), source })?;
        let clock = Clock::start();
        let brain = Checkpointer::new(found.status.entries.clone(), resume::boot_id());
        let recorder = Arc::new(Recorder::new(brain, clock, folder.dir().join(resume::STATUS_FILE)));
        let port = listen_address.port();
        let (parts, alerts) =
            Parts::start(config, folder.peer_id(), port, disk, Arc::clone(&recorder), clock)?;
        let (ended_sender, ended) = watch::channel(false);
        let _detached = runtime::spawn(
            "checkpoint",
            recorder.run(Arc::clone(&parts), Arc::clone(&writers), ended_sender),
        );
        let greetings = listener::Greetings::default();
        if parts.config.utp {
            listener::start_utp(listen_address, greetings.clone(), &parts);
        }
        let _detached = runtime::spawn("listener", listener::accept(listener, greetings, Arc::clone(&parts)));
        if parts.config.lsd {
            let _detached = runtime::spawn("lsd", lsd::run(Arc::clone(&parts), listen_address));
        }
        dht::start(Arc::clone(&parts), listen_address, folder.dht_nodes());
        let announcer =
            parts.config.announce.then(|| task::start(Arc::clone(&parts), listen_address.is_ipv4()));
        let inner = Inner { parts, folder, listen_address, ended, writers, announcer };
        let session = Self { inner: Arc::new(inner) };
        let (going_on, runtime) = (session.clone(), tokio::runtime::Handle::current());
        let gone_on = session.writers().run(move || {
            let _entered = runtime.enter();
            going_on.go_on(found);
        });
        let _ = gone_on.await.is_some();
        memory::start(Arc::clone(session.parts()), session.folder().known_peers()).await;
        Ok((session, alerts))
    }

    /// Somebody runs a DHT node there, by the word of the person or of a tracker that is trusted.
    pub fn add_dht_node(&self, address: SocketAddr) {
        // Nobody waits for it: peers tell of others.
        let _ = self.parts().dht_nodes.get().map(|nodes| nodes.try_send(address));
    }

    /// The UDP port of our DHT node; `None` when there is none.
    pub fn dht_port(&self) -> Option<u16> {
        self.parts().dht_port.get().copied()
    }

    /// How to speak to the task that announces.
    pub(crate) fn announcer(&self) -> Option<&mpsc::Sender<Word>> {
        self.inner.announcer.as_ref()
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.inner.parts
    }

    /// Threads for small files that must survive.
    pub(crate) fn writers(&self) -> &Workers {
        &self.inner.writers
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.inner.folder
    }

    /// Who we are to other peers; the same after every restart.
    pub fn peer_id(&self) -> PeerId {
        self.inner.folder.peer_id()
    }

    /// Where we listen.
    pub fn listen_address(&self) -> SocketAddr {
        self.inner.listen_address
    }

    pub(crate) fn find(&self, id: InfoHash) -> Result<Arc<TorrentHandle>, CommandError> {
        self.parts().torrents().find(&id).ok_or(CommandError::Unknown { id })
    }

    async fn tell(&self, id: InfoHash, command: Command) -> Result<(), CommandError> {
        let torrent = self.find(id)?;
        torrent.inbox.send(Event::Command(command)).await.map_err(|_| CommandError::Stopping)
    }

    async fn ask<T>(
        &self,
        id: InfoHash,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (sender, receiver) = oneshot::channel();
        self.tell(id, command(sender)).await?;
        receiver.await.map_err(|_| CommandError::Stopping)
    }

    /// Tells a torrent where peers listen.
    pub async fn add_peers(&self, id: InfoHash, addresses: Vec<SocketAddr>) -> Result<(), CommandError> {
        self.tell(id, Command::Peers(addresses, PeerSource::Tracker)).await
    }

    /// Tells a torrent where peers listened once: a magnet link or an earlier run names them.
    pub async fn remember_peers(&self, id: InfoHash, addresses: Vec<SocketAddr>) -> Result<(), CommandError> {
        self.tell(id, Command::Peers(addresses, PeerSource::Remembered)).await
    }

    /// Dials one address for a torrent, at the wish of the far side.
    pub async fn dial(&self, id: InfoHash, address: SocketAddr) -> Result<(), CommandError> {
        self.tell(id, Command::Peers(vec![address], PeerSource::Asked)).await
    }

    /// Neither download nor upload until [`Session::resume`], also after a restart. Returns once the blocks
    /// that had come before are written, or after two seconds, when the disk takes longer.
    pub async fn pause(&self, id: InfoHash) -> Result<(), CommandError> {
        let asked = tokio::time::timeout(PAUSE_PATIENCE, self.ask(id, Command::Pause)).await;
        asked.unwrap_or(Ok(()))
    }

    /// Goes on.
    pub async fn resume(&self, id: InfoHash) -> Result<(), CommandError> {
        self.ask(id, Command::Resume).await
    }

    /// Every torrent, by id.
    pub fn list(&self) -> Vec<TorrentStatus> {
        self.parts().torrents().iter().map(|torrent| torrent.status.borrow().clone()).collect()
    }

    /// One torrent.
    pub fn status(&self, id: InfoHash) -> Option<TorrentStatus> {
        self.find(id).ok().map(|torrent| torrent.status.borrow().clone())
    }

    /// One torrent, and every change of it as it comes.
    pub fn watch(&self, id: InfoHash) -> Option<watch::Receiver<TorrentStatus>> {
        self.find(id).ok().map(|torrent| torrent.status.clone())
    }

    /// The connections of one torrent.
    pub async fn peers(&self, id: InfoHash) -> Result<Vec<PeerStatus>, CommandError> {
        self.ask(id, Command::ViewPeers).await
    }

    /// Which pieces of a torrent are verified; of length 0 while they are not known.
    pub async fn pieces(&self, id: InfoHash) -> Result<Bitfield, CommandError> {
        self.ask(id, Command::ViewPieces).await
    }

    /// Every message from and to peers from now on, as far as it fits the filter, until the receiver is
    /// dropped.
    pub fn trace(&self, filter: TraceFilter) -> mpsc::Receiver<TraceLine> {
        self.parts().traces.listen(filter)
    }

    /// Bytes per second for the whole session from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.parts().up.set_rate(limits.up);
        self.parts().down.set_rate(limits.down);
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        Limits { up: self.parts().up.rate(), down: self.parts().down.rate() }
    }

    /// Waits until every byte is verified and has its final name.
    pub async fn wait_complete(&self, id: InfoHash) -> Result<TorrentStatus, CommandError> {
        let mut status = self.find(id)?.status.clone();
        let ended = |status: &TorrentStatus| matches!(status.state, State::Seeding | State::Error);
        let status = status.wait_for(ended).await.map_err(|_| CommandError::Stopping)?.clone();
        match status.error.clone() {
            Some(error) => Err(CommandError::Failed { id, error }),
            None => Ok(status),
        }
    }

    /// Saves the state and ends every task; nothing is checked again after a clean stop.
    pub async fn stop(&self) {
        let torrents: Vec<_> = self.parts().torrents().iter().map(Arc::clone).collect();
        let mut ends = Vec::with_capacity(torrents.len());
        for torrent in torrents {
            let (done, ended) = oneshot::channel();
            if torrent.inbox.send(Event::Command(Command::Stop(done))).await.is_ok() {
                ends.push(ended);
            }
        }
        let all = async {
            for ended in ends {
                let _ = ended.await.is_ok();
            }
        };
        let (all, ()) = tokio::join!(tokio::time::timeout(STOP_PATIENCE, all), self.leave_trackers());
        if all.is_err() {
            tracing::warn!("some torrents did not stop in time");
        }
        self.parts().recorder.stop();
        let mut ended = self.inner.ended.clone();
        if tokio::time::timeout(STOP_PATIENCE, ended.wait_for(|ended| *ended)).await.is_err() {
            tracing::warn!("the status could not be written in time: some data is hashed at the next start");
        }
        self.parts().end.cancel();
    }

    /// Starts a torrent's task; `false` when the torrent is here already.
    pub(crate) fn begin(
        &self,
        hashes: InfoHashes,
        shape: Option<Shape>,
        metainfo: Option<Arc<Metainfo>>,
        begin: Begin,
        paused: bool,
    ) -> bool {
        let parts = self.parts();
        let (inbox, receiver) = mpsc::channel(INBOX);
        let (news_sender, news) = mpsc::channel(16);
        let (changes_sender, changes) = mpsc::channel(16);
        let (status_sender, status) = watch::channel(first_status(hashes, shape.as_ref(), &begin));
        let known = Arc::new(KnownMetainfo::new(metainfo));
        let place = Arc::new(Place {
            torrent: hashes.primary(),
            traces: Arc::clone(&parts.traces),
            memory: Arc::clone(&parts.memory),
            up: Bucket::new(None, Some(Arc::clone(&parts.up))),
            down: Bucket::new(None, Some(Arc::clone(&parts.down))),
            disk: Arc::clone(&parts.disk),
            unacknowledged: parts.unacknowledged.clone(),
            source: OnceLock::new(),
            storage: OnceLock::new(),
            claimed: Mutex::default(),
        });
        let mut task = Task {
            parts: Arc::clone(parts),
            hashes,
            place: Arc::clone(&place),
            own_inbox: inbox.clone(),
            brain: None,
            shape: shape.clone(),
            connections: BTreeMap::new(),
            next_key: 0,
            early: Vec::new(),
            paused,
            is_share: begin.is_share(),
            view: View::new(status_sender, parts.clock.now()),
            disk_full: None,
            lost: Lost::default(),
            on_disk: 0,
            final_name: PathBuf::new(),
            leaves: BTreeMap::new(),
            given_before: BTreeMap::new(),
            end: parts.end.child_token(),
            stopping: Vec::new(),
            pausing: Vec::new(),
            resuming: Vec::new(),
            failed: None,
            left: None,
            batch: Outgoing::default(),
            preparing: None,
            news: news_sender,
            changes: changes_sender,
            metainfo: Arc::clone(&known),
            into: PathBuf::new(),
            rename: None,
            kept: self.folder().torrents(),
        };
        let handle = TorrentHandle { id: hashes.primary(), hashes, inbox, status, place, metainfo: known };
        if !parts.torrents().insert(Arc::new(handle)) {
            return false;
        }
        match (begin, shape) {
            (Begin::Ready { prepared, .. }, _) => task.ready(*prepared),
            (Begin::Missing { path, .. }, _) => task.fail(TorrentError::Missing { path }),
            (Begin::Prepare { into, left }, Some(shape)) => {
                task.into = into;
                task.prepare(shape, left);
            }
            (Begin::Prepare { into, .. }, None) => task.await_metadata(into, None),
            (Begin::Metadata { into, rename, .. }, _) => task.await_metadata(into, rename),
        }
        task.publish();
        let ears = Ears { inbox: receiver, news, changes };
        let _detached = runtime::spawn("torrent", task.run(ears));
        parts.torrents_changed.send_replace(());
        true
    }
}

/// How a torrent's task begins.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Everything is there.
    Ready {
        /// Where.
        prepared: Box<Prepared>,
        /// It was shared here, as opposed to downloaded.
        is_share: bool,
    },
    /// It was complete, and is not there any more.
    Missing {
        /// Where it was.
        path: PathBuf,
        /// It was shared here, as opposed to downloaded.
        is_share: bool,
    },
    /// A place must be found beneath this folder, or what an earlier run left taken up.
    Prepare {
        /// The folder of downloads.
        into: PathBuf,
        /// What an earlier run left.
        left: Option<Left>,
    },
    /// Only its names are known.
    Metadata {
        /// The folder of downloads.
        into: PathBuf,
        /// What the person wants it to be called.
        rename: Option<SafePath>,
        /// What to call it meanwhile.
        name: String,
    },
}

impl Begin {
    fn is_share(&self) -> bool {
        matches!(self, Self::Ready { is_share: true, .. } | Self::Missing { is_share: true, .. })
    }
}

fn first_status(hashes: InfoHashes, shape: Option<&Shape>, begin: &Begin) -> TorrentStatus {
    let shape_name = shape.map(|shape| shape.name.clone()).unwrap_or_default();
    let (path, state, name) = match begin {
        Begin::Ready { prepared, .. } => (prepared.source.storage().path(), State::Seeding, shape_name),
        Begin::Missing { path, .. } => (path.clone(), State::Error, shape_name),
        Begin::Prepare { into, .. } => (into.join(&shape_name), State::Waiting, shape_name),
        Begin::Metadata { into, name, .. } => (into.clone(), State::Metadata, name.clone()),
    };
    TorrentStatus {
        id: hashes.primary(),
        hashes,
        name,
        size: shape.map_or(0, |shape| shape.content.layout.data_total()),
        state,
        verified_bytes: 0,
        pieces_verified: 0,
        pieces: shape.map_or(0, |shape| shape.content.layout.pieces()),
        private: shape.is_some_and(|shape| shape.content.private),
        downloaded: 0,
        uploaded: 0,
        wasted: 0,
        rate_down: 0.0,
        rate_up: 0.0,
        seeds: 0,
        peers: 0,
        eta: None,
        path,
        error: None,
        from: Vec::new(),
        is_share: begin.is_share(),
        checking: None,
    }
}
