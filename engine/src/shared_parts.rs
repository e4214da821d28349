//! What every torrent of a session uses: threads, memory, limits, the clock, the way to tell alerts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use runtime::Clock;
use runtime::unacknowledged::Unacknowledged;
use shared::{InfoHash, InfoHashes, PeerId};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::mse::Sought;

use crate::alert::Alert;
use crate::bandwidth::Bucket;
use crate::checkpoint::Recorder;
use crate::config::SessionConfig;
use crate::connection::Event;
use crate::connection::handshake::Own;
use crate::connection::handshake::{Offered, names};
use crate::connection::trace::Traces;
use crate::connection::utp::Utp;
use crate::dialer::Shy;
use crate::discovery::memory::Memory;
use crate::disk::block_disk::BlockDisk;
use crate::disk::open_files::OpenFiles;
use crate::error::StartError;
use crate::receive_memory::ReceiveMemory;
use crate::torrent::{Command, TorrentHandle, Torrents};
use crate::workers::Workers;

/// The parts of one session.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: SessionConfig,
    pub(crate) peer_id: PeerId,
    pub(crate) listen_port: u16,
    pub(crate) clock: Clock,
    pub(crate) disk: Arc<Workers>,
    pub(crate) hashers: Arc<Workers>,
    pub(crate) block_disk: Arc<dyn BlockDisk>,
    pub(crate) open_files: Arc<OpenFiles>,
    pub(crate) memory: Arc<ReceiveMemory>,
    pub(crate) up: Arc<Bucket>,
    pub(crate) down: Arc<Bucket>,
    /// Tells what has left; not there where the system does not tell.
    pub(crate) unacknowledged: Option<Arc<Unacknowledged>>,
    /// Who listens in.
    pub(crate) traces: Arc<Traces>,
    /// One permit for each connection.
    pub(crate) connections: Arc<Semaphore>,
    /// The uTP socket, when uTP is on and the port was free.
    pub(crate) utp: OnceLock<Utp>,
    /// Which addresses want Message Stream Encryption.
    pub(crate) shy: Shy,
    /// One permit for each dial under way.
    pub(crate) dials: Arc<Semaphore>,
    pub(crate) torrents: Mutex<Torrents>,
    /// The UDP port of our DHT node, once there is one.
    pub(crate) dht_port: OnceLock<u16>,
    /// Where the addresses of other nodes go that peers tell of, once there is one.
    pub(crate) dht_nodes: OnceLock<mpsc::Sender<SocketAddr>>,
    /// Whom unfinished torrents reached.
    memory_of_peers: Mutex<Memory>,
    /// What survives a restart.
    pub(crate) recorder: Arc<Recorder>,
    /// A torrent came.
    pub(crate) torrents_changed: watch::Sender<()>,
    /// The session stops.
    pub(crate) end: CancellationToken,
    alerts: mpsc::Sender<Alert>,
}

/// How many alerts may wait to be taken; those beyond are only logged.
const WAITING_ALERTS: usize = 1024;

impl Parts {
    /// Starts the threads of a session.
    pub(crate) fn start(
        config: SessionConfig,
        peer_id: PeerId,
        listen_port: u16,
        block_disk: Arc<dyn BlockDisk>,
        recorder: Arc<Recorder>,
        clock: Clock,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Alert>), StartError> {
        let (alerts, receiver) = mpsc::channel(WAITING_ALERTS);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let hash_threads = if config.hash_threads == 0 { cores } else { config.hash_threads };
        let parts = Self {
            peer_id,
            listen_port,
            clock,
            recorder,
            disk: Arc::new(Workers::start("disk", config.disk_threads)?),
            hashers: Arc::new(Workers::start("hash", hash_threads)?),
            block_disk,
            open_files: Arc::new(OpenFiles::new(config.max_open_files)),
            memory: ReceiveMemory::new(config.receive_memory),
            up: Bucket::new(config.limit_up, None),
            down: Bucket::new(config.limit_down, None),
            unacknowledged: Unacknowledged::open().map(Arc::new),
            traces: Arc::default(),
            connections: Arc::new(Semaphore::new(config.max_connections)),
            utp: OnceLock::new(),
            shy: Shy::default(),
            dials: Arc::new(Semaphore::new(config.max_dials)),
            torrents: Mutex::default(),
            torrents_changed: watch::Sender::new(()),
            dht_port: OnceLock::new(),
            dht_nodes: OnceLock::new(),
            memory_of_peers: Mutex::default(),
            end: CancellationToken::new(),
            alerts,
            config,
        };
        Ok((Arc::new(parts), receiver))
    }

    /// Tells the person. Never waits: with nobody listening, alerts are dropped.
    pub(crate) fn alert(&self, alert: Alert) {
        if let Err(mpsc::error::TrySendError::Full(alert)) = self.alerts.try_send(alert) {
            tracing::warn!(?alert, "an alert was dropped: nobody takes them");
        }
    }

    /// The torrents, locked for a moment.
    pub(crate) fn torrents(&self) -> std::sync::MutexGuard<'_, Torrents> {
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory of peers, locked for a moment.
    pub(crate) fn memory_of_peers(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory_of_peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another tracker speaks for this torrent: if it is private it begins anew with the peers that are
    /// named from now on (BEP 27). `false` when it is too busy to hear it now.
    pub(crate) fn tracker_changed(&self, torrent: &TorrentHandle) -> bool {
        if !torrent.is_private() {
            return true;
        }
        let told = torrent.inbox.try_send(Event::Command(Command::TrackerChanged)).is_ok();
        if told {
            self.private_begins_anew(torrent.id);
        }
        told
    }

    /// A private torrent has been told that another tracker speaks for it.
    pub(crate) fn private_begins_anew(&self, id: InfoHash) {
        self.memory_of_peers().forget(&id);
        self.alert(Alert::TrackerChanged { id });
    }

    /// The torrent that twenty bytes from outside mean.
    pub(crate) fn find(&self, hash: &InfoHash) -> Option<(InfoHashes, Arc<TorrentHandle>)> {
        self.torrents().find(hash).map(|torrent| (torrent.hashes, torrent))
    }

    /// What we say of ourselves to the peers of a torrent: nothing of the DHT if it is private (BEP 27).
    pub(crate) fn own(&self, hashes: &InfoHashes) -> Own {
        let torrent = self.torrents().find_any(hashes);
        Own { peer_id: self.peer_id, dht: torrent.is_some_and(|torrent| self.shows_dht(&torrent)) }
    }
}

impl Offered for Parts {
    type Torrent = Arc<TorrentHandle>;

    fn find(&self, hash: &InfoHash) -> Option<(InfoHashes, Arc<TorrentHandle>)> {
        self.find(hash)
    }

    fn seek(&self, sought: &Sought) -> Option<InfoHash> {
        self.torrents().iter().flat_map(|torrent| names(&torrent.hashes)).find(|hash| sought.is(hash))
    }

    fn shows_dht(&self, torrent: &Arc<TorrentHandle>) -> bool {
        self.dht_port.get().is_some() && !torrent.is_private()
    }
}
