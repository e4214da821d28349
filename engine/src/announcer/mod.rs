//! Our announces to trackers over HTTP, HTTPS and UDP: the body of [`swarm::announce`].
//!
//! One task asks for all torrents of a session. It reads what torrents show of themselves and hands them
//! the addresses that come; no torrent ever waits for it.

mod ask;
mod http;
mod once;
pub(crate) mod task;
mod udp;

use std::time::Duration;

pub use swarm::announce::TrackerState;

pub use ask::AnnounceError;
pub use once::{AnnounceReport, once};
pub use udp::UdpError;

/// One tracker of a torrent, as the person may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerStatus {
    /// Its address, as it was given. From outside: to be escaped before it is shown.
    pub url: String,
    /// Number of its tier, from 0 (BEP 12).
    pub tier: usize,
    /// How it stands; a failure is one sentence, escaped already.
    pub state: TrackerState,
    /// Peers that have everything, by its last word.
    pub seeds: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// Addresses that it gave last time.
    pub peers: usize,
    /// A word of its own for the person, escaped already.
    pub warning: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// Time since it last answered or failed.
    pub ago: Option<Duration>,
    /// Time until it is asked again, if that is known.
    pub next_in: Option<Duration>,
}
