//! The tracker: the registry behind its doors.
//!
//! ```text
//! listener ─▶ session (one task each) ─▶ hub: one lock around the registry ─▶ outboxes ─▶ session
//!                                         │
//!                                         ├▶ audit: one line per event, console and tracker.log
//!                                         └▶ store: what lasts, in tracker.db
//! ```
//!
//! BitTorrent clients come by doors of their own (`standard`): announces over HTTP (`web`) and UDP
//! (`udp`) reach the same hub. It knows peers and entries, never bytes of files. The binary is [`cli::run`]; a peer that hosts
//! a tracker uses [`Tracker::start`].

mod admission;
mod archive;
mod audit;
pub mod cli;
mod config;
mod console;
mod doors;
mod feed;
mod hub;
mod listener;
mod occupant;
mod rate;
mod reload;
pub mod search;
mod session;
mod settings;
mod standard;
mod store;
mod udp;
mod web;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use runtime::dht::{Dht, DhtConfig, Scope};
use runtime::{Clock, Shutdown};
use tokio_util::task::TaskTracker;

pub use config::{DEFAULT_HTTP_PORT, TrackerConfig};
pub use settings::{Settings, UnfitSetting};
pub use store::{StoreConfig, StoreError, Sync};
pub use web::PageNames;

use crate::hub::Hub;
use crate::web::{Operator, WebConfig};

/// How long the last lines may take when the tracker stops.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// Why a tracker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address for BitTorrent clients cannot be listened on.
    #[error("cannot listen for BitTorrent clients on {address}")]
    Doors {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// What it kept cannot be opened.
    #[error("cannot open what the tracker kept: {0}")]
    Store(#[from] StoreError),
}

/// A node by which peers find their way into the DHT of the local networks (BEP 5). It seeks nothing.
fn start_dht(listen: SocketAddr, shutdown: &Shutdown) {
    let config = DhtConfig { listen, scope: Scope::Lan, bootstrap: Vec::new() };
    match Dht::start(config, shutdown.clone()) {
        Ok((node, mut found)) => {
            tracing::debug!(address = %node.local_addr(), "DHT node started");
            // The node lives as long as somebody holds it.
            runtime::spawn("dht node", async move {
                while found.recv().await.is_some() {}
                drop(node);
            });
        }
        Err(error) => tracing::warn!(%error, "no DHT node: its UDP port cannot be had"),
    }
}

/// A file that the tracker's page is made of, by its name: its media type and its bytes. A peer's own page
/// is made of the same.
pub fn page_asset(name: &str) -> Option<(&'static str, &'static [u8])> {
    web::asset(name)
}

/// The operator's word of a folder. The page serves on without it, but nothing can be done from there.
fn operator(dir: &Path) -> Option<Operator> {
    let operator = Operator::of_folder(dir);
    if let Err(error) = &operator {
        let file = Operator::place(dir);
        tracing::warn!(%error, file = %file.display(), "nothing can be done from the page: its token cannot be had");
    }
    operator.ok()
}

/// A running tracker. It runs on until [`Self::stop`], also when this is dropped.
pub struct Tracker {
    hub: Hub,
    address: SocketAddr,
    http: Option<SocketAddr>,
    dropped: Arc<AtomicU64>,
    sessions: TaskTracker,
    shutdown: Shutdown,
}

impl Tracker {
    /// Starts to listen; peers can connect when this returns. To be called inside a tokio runtime.
    #[expect(clippy::unused_async, reason = "starting will wait for a store to open")]
    pub async fn start(config: TrackerConfig) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = runtime::net::listen(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let doors = match config.http {
            None => None,
            Some(wanted) => {
                let failed = |source| StartError::Doors { address: wanted, source };
                Some(standard::bind(wanted, config.http_port_may_move).map_err(failed)?)
            }
        };
        let http = doors.as_ref().map(|doors| doors.address);
        let registry =
            registry::Config { announce_port: http.map(|http| http.port()), ..config.registry.clone() };
        let hub = Hub::open(registry, Clock::start(), config.store.as_ref())?;
        let (sessions, shutdown) = (TaskTracker::new(), Shutdown::new());
        let dropped = Arc::new(AtomicU64::new(0));
        if let Some(doors) = doors {
            let operator = config.store.as_ref().and_then(|store| operator(&store.dir));
            let web = WebConfig {
                operator,
                peers: address.port(),
                names: config.web_names.clone(),
                shown: config.page_names,
                dropped: Arc::clone(&dropped),
                requests_per_second: config.http_requests_per_second,
            };
            doors.open(&hub, &shutdown, &sessions, web, config.udp_requests_per_second);
        }
        if config.lan {
            let cookie = format!("{:016x}", rand::make_rng::<rand::rngs::StdRng>().random::<u64>());
            start_dht(address, &shutdown);
            let shutdown = shutdown.clone();
            runtime::spawn("lan", async move {
                if let Err(error) = runtime::lan::announce_tracker(address, cookie, shutdown).await {
                    tracing::warn!(%error, "peers on the LAN cannot find this tracker by themselves");
                }
            });
        }
        hub.start_couriers(&shutdown);
        runtime::spawn("silence", hub.clone().watch_silence(shutdown.clone()));
        runtime::spawn(
            "listener",
            listener::accept(listener, hub.clone(), Arc::new(config), sessions.clone(), shutdown.clone()),
        );
        Ok(Self { hub, address, http, dropped, sessions, shutdown })
    }

    /// Where it listens, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where BitTorrent clients announce, over HTTP and over UDP, with the port that was taken.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Datagrams of clients that were dropped because they came too fast.
    pub fn dropped_datagrams(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Peers that are here.
    pub fn online(&self) -> u64 {
        self.hub.counters().online
    }

    /// Tells every peer that it stops, closes all connections, and returns within two seconds.
    pub async fn stop(&self) {
        self.shutdown.request();
        self.hub.stop();
        self.sessions.close();
        // Whoever does not read its last line in time goes without it.
        if tokio::time::timeout(FAREWELL, self.sessions.wait()).await.is_err() {
            tracing::debug!(sessions = self.sessions.len(), "some peers did not read their last line");
        }
        self.hub.close().await;
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }
}
