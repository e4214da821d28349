//! The knobs of one torrent, with the values the field has settled on.

use std::time::Duration;

use shared::PeerId;

/// How one torrent behaves. Every limit has its unit in its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentConfig {
    /// Who we are; a connection to this id is a connection to ourselves.
    pub peer_id: PeerId,
    /// The port we listen on, told in the extension handshake (BEP 10).
    pub listen_port: Option<u16>,
    /// The UDP port of our DHT node, told to peers that run one too (BEP 5); `None` when there is none.
    pub dht_port: Option<u16>,
    /// Whether peers tell each other of peers (BEP 11); never in a private torrent.
    pub pex: bool,
    /// Whether the shell can dial and be dialled by uTP, so that we take part in hole punching (BEP 55).
    pub utp: bool,
    /// What we call ourselves in the extension handshake.
    pub client: String,
    /// Exactly four slots every 10 s and one optimistic every 30 s, however idle the link is.
    pub classic_choke: bool,
    /// Whether a seed reveals its pieces one by one (BEP 16).
    pub super_seed: SuperSeed,
    /// Slots for the peers that give us most.
    pub regular_slots: usize,
    /// How often those are chosen anew.
    pub choke_interval: Duration,
    /// How often the optimistic slot moves on.
    pub optimistic_interval: Duration,
    /// Most connections of this torrent.
    pub max_connections: usize,
    /// We stop dialling at this many connections, so that others can still reach us.
    pub max_outgoing: usize,
    /// Most dials under way at once.
    pub max_dialling: usize,
    /// Most addresses that are remembered.
    pub max_known_peers: usize,
    /// Most requests that one peer may have waiting with us; those above are rejected.
    pub max_queued_requests: usize,
    /// Most requests that we have waiting with one peer, unless it allows fewer.
    pub max_requests_in_flight: usize,
    /// Silence after which we send a keep-alive (BEP 3: two minutes).
    pub keep_alive: Duration,
    /// Silence of the far side after which we close.
    pub silence_limit: Duration,
    /// How long a peer may leave our requests without any block before it counts as snubbing us.
    pub snub_after: Duration,
    /// How long the address of a banned peer is not dialled; its id is refused from that IP for good.
    pub address_ban: Duration,
    /// How long two complete peers stay connected.
    pub complete_idle: Duration,
}

/// Whether a seed hides what it has and reveals it piece by piece, so that it sends each piece once
/// before any twice (BEP 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuperSeed {
    /// Never: libtorrent's downloaders are not done sooner by it.
    #[default]
    Off,
    /// To programs that pay no heed to suggestions, while nobody else has everything and there is a crowd.
    Auto,
    /// To everybody, while nobody else has everything.
    On,
}

impl std::str::FromStr for SuperSeed {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

impl Default for TorrentConfig {
    fn default() -> Self {
        Self {
            peer_id: PeerId([0; 20]),
            listen_port: None,
            dht_port: None,
            pex: true,
            utp: false,
            client: String::from("Enjambre"),
            classic_choke: false,
            super_seed: SuperSeed::default(),
            regular_slots: 4,
            choke_interval: Duration::from_secs(10),
            optimistic_interval: Duration::from_secs(30),
            max_connections: 200,
            max_outgoing: 50,
            max_dialling: 30,
            max_known_peers: 2000,
            max_queued_requests: 500,
            max_requests_in_flight: 500,
            keep_alive: Duration::from_secs(100),
            silence_limit: Duration::from_secs(180),
            snub_after: Duration::from_secs(20),
            address_ban: Duration::from_secs(600),
            complete_idle: Duration::from_secs(60),
        }
    }
}
