//! Every knob of the tracker, as the program needs it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shared::control::DEFAULT_PORT;

use crate::store::StoreConfig;
use crate::web::PageNames;

/// The port of announces unless told otherwise.
pub const DEFAULT_HTTP_PORT: u16 = 6969;

/// What a tracker is started with.
#[derive(Debug, Clone)]
pub struct TrackerConfig {
    /// Where peers connect. Port 0 takes any.
    pub listen: SocketAddr,
    /// Where BitTorrent clients announce over HTTP and, on the same number, over UDP; `None` for not at
    /// all. `0.0.0.0` means IPv6 too. Port 0 takes any.
    pub http: Option<SocketAddr>,
    /// Whether another port is as good when that of [`Self::http`] is taken.
    pub http_port_may_move: bool,
    /// Whether peers on the local networks can find the tracker without being told its address, and the
    /// DHT through the node that it runs for them, on the UDP port with the number of [`Self::listen`].
    pub lan: bool,
    /// Connections from one public address.
    pub sessions_per_address: usize,
    /// Connections from one address of this machine, a LAN or a VPN, behind which a whole class may be.
    pub sessions_per_local_address: usize,
    /// From accepting a connection to a good `hello`.
    pub login_deadline: Duration,
    /// From the first byte of a line to its end.
    pub line_deadline: Duration,
    /// How long a reader may take nothing before it is cut.
    pub write_deadline: Duration,
    /// Bytes that may wait for one reader before it is cut.
    pub outbox_bytes: usize,
    /// Lines that could not be understood, within [`Self::error_window`], after which a connection is closed.
    pub errors: usize,
    /// See [`Self::errors`].
    pub error_window: Duration,
    /// Requests of one address over HTTP each second, and five times as many at once; 0 for no limit.
    pub http_requests_per_second: u32,
    /// Requests of one address over UDP each second, and twice as many at once; 0 for no limit.
    pub udp_requests_per_second: u32,
    /// Names by which browsers may come to the page, beside addresses and names of local networks: any
    /// other could be a stranger's.
    pub web_names: Vec<String>,
    /// Whether the page tells names of people and files.
    pub page_names: PageNames,
    /// Where what lasts is kept; nothing outlives a tracker without it.
    pub store: Option<StoreConfig>,
    /// The registry's own knobs.
    pub registry: registry::Config,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT),
            http: None,
            http_port_may_move: false,
            lan: false,
            sessions_per_address: 64,
            sessions_per_local_address: 4_096,
            login_deadline: Duration::from_secs(10),
            line_deadline: Duration::from_secs(30),
            write_deadline: Duration::from_secs(30),
            outbox_bytes: 1024 * 1024,
            errors: 20,
            error_window: Duration::from_secs(10),
            http_requests_per_second: 100,
            udp_requests_per_second: 1_000,
            web_names: Vec::new(),
            page_names: PageNames::default(),
            store: None,
            registry: registry::Config {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..registry::Config::default()
            },
        }
    }
}
