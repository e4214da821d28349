//! The settings of a session: folders, port, limits. Plain values with defaults; who reads flags
//! and files for them is the program on top.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use swarm::SuperSeed;

/// The download folder's name inside a peer's folder, unless the person names another.
pub const DOWNLOAD_FOLDER: &str = "Archivos_a_b_c";

/// Everything private of a peer lies in this folder inside its own.
pub const PRIVATE_FOLDER: &str = ".enjambre";

/// What to do about Message Stream Encryption (MSE, also PE): the exchange in front of the handshake that
/// some clients demand. It hides the protocol from middle boxes; it protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MseMode {
    /// Both kinds are taken. Others are dialled plain first, and with MSE when they close on that.
    #[default]
    Accept,
    /// Only connections that are hidden to the end, in both directions. A part of the swarm is lost.
    Require,
    /// None: who begins with it is closed.
    Off,
}

/// With whom our DHT node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DhtMode {
    /// There is none.
    Off,
    /// With nodes of this machine, LAN or VPN, and those that were named by hand; never with public ones.
    #[default]
    Lan,
    /// With all, beginning at the well-known public ones.
    Public,
}

/// How one session behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// The peer's folder: holds `download_status.json`, the private folder and the downloads.
    pub dir: PathBuf,
    /// Where downloads go; inside `dir` as [`DOWNLOAD_FOLDER`] when `None`.
    pub into: Option<PathBuf>,
    /// Where to listen. `None`: 0.0.0.0, the first free port of 6881 to 6889, else any. Port 0: any.
    pub listen: Option<SocketAddr>,
    /// What we call ourselves to other peers.
    pub client: String,
    /// Most bytes per second sent, all torrents together.
    pub limit_up: Option<u64>,
    /// Most bytes per second received, all torrents together.
    pub limit_down: Option<u64>,
    /// Exactly four upload slots every 10 s and one optimistic every 30 s, however idle the link is.
    pub classic_choke: bool,
    /// Whether a seed reveals its pieces one by one (BEP 16).
    pub super_seed: SuperSeed,
    /// Peers tell us of peers, and we them (BEP 11); never about a private torrent.
    pub pex: bool,
    /// Most connections of the whole session.
    pub max_connections: usize,
    /// Most dials under way at once in the whole session.
    pub max_dials: usize,
    /// Most open files.
    pub max_open_files: usize,
    /// Bytes of received blocks that may wait for the disk; when they do, sockets are not read.
    pub receive_memory: usize,
    /// Threads that read and write files.
    pub disk_threads: usize,
    /// Threads that hash in `share` and when data is checked; 0: one for each core.
    pub hash_threads: usize,
    /// What to do about Message Stream Encryption, which some clients demand.
    pub mse: MseMode,
    /// Speak uTP (BEP 29) on the UDP port with the number of the TCP port: taken from others, tried where
    /// TCP does not get through, needed for meeting a peer behind another NAT (BEP 55). Off by default: on
    /// a local network TCP is faster. Its congestion control is CUBIC, as that of TCP often is; it does not
    /// yield to other traffic as LEDBAT would.
    pub utp: bool,
    /// How long a dial may take until TCP is connected.
    pub dial_timeout: Duration,
    /// How long the handshake may take after that, in all.
    pub handshake_timeout: Duration,
    /// How long a download that found the disk full waits before it tries again by itself.
    pub disk_full_retry: Duration,
    /// How often it looks whether there is room.
    pub disk_full_probe: Duration,
    /// Announce to the trackers that torrents name.
    pub announce: bool,
    /// With whom our DHT node speaks, if there is one (BEP 5).
    pub dht: DhtMode,
    /// DHT nodes to begin with, beside those of the last run and those that peers tell of.
    pub dht_bootstrap: Vec<SocketAddr>,
    /// Say on the local networks what we have, and hear what others have (BEP 14).
    pub lsd: bool,
    /// The port of the groups of local discovery.
    pub lsd_port: u16,
}

impl SessionConfig {
    /// The defaults, in this folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            into: None,
            listen: None,
            client: format!("Enjambre {}", env!("CARGO_PKG_VERSION")),
            limit_up: None,
            limit_down: None,
            classic_choke: false,
            super_seed: SuperSeed::default(),
            pex: true,
            max_connections: 200,
            max_dials: 30,
            max_open_files: 208,
            receive_memory: 16 * 1024 * 1024,
            disk_threads: 2,
            hash_threads: 0,
            mse: MseMode::Accept,
            utp: false,
            dial_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            disk_full_retry: Duration::from_secs(30),
            disk_full_probe: Duration::from_secs(5),
            announce: true,
            dht: DhtMode::Lan,
            dht_bootstrap: Vec::new(),
            lsd: true,
            lsd_port: shared::lsd::PORT,
        }
    }

    /// Where downloads go.
    pub fn download_folder(&self) -> PathBuf {
        self.into.clone().unwrap_or_else(|| self.dir.join(DOWNLOAD_FOLDER))
    }
}
