//! The knobs of the registry, with the limits that everything from outside meets.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::control::MessageLog;

/// So many at once, and so many more each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What a full bucket holds.
    pub burst: u64,
    /// What flows in each second.
    pub per_second: u64,
}

/// Whose announces of torrents are taken that nobody shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Everybody's.
    Accept,
    /// Those of this machine, a LAN or a VPN.
    #[default]
    Local,
    /// Nobody's.
    Refuse,
}

/// The knobs of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the tracker calls itself in `welcome`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The port of its HTTP and UDP announces, where it has these doors: every peer is told their URLs
    /// with the address by which it reaches the tracker.
    pub announce_port: Option<u16>,
    /// Time between the heartbeats of a peer; three of them in silence and it is lost.
    pub heartbeat: Duration,
    /// Time between the announces of a client; after two and a half of them in silence it is lost.
    pub announce_interval: Duration,
    /// The least time between two announces of a client for one torrent.
    pub min_interval: Duration,
    /// Announces in a row that may come earlier and still get peers.
    pub max_early: u8,
    /// Whose announces of torrents are taken that nobody shared.
    pub unknown: Unknown,
    /// How many such torrents are known at once.
    pub max_unlisted: usize,
    /// Clients that only announce and have a name, so that they are shown, logged and told of; further ones
    /// are counted and told to each other.
    pub named_announcers: usize,
    /// Clients that only announce, with a name or, each counted in each torrent, without.
    pub max_announcers: usize,
    /// The same from one IPv4 address or IPv6 network of 64 bits.
    pub max_announcers_per_address: usize,
    /// Torrents in which such clients of one address are, each client counted.
    pub max_announced_per_address: usize,
    /// How much of a message is logged.
    pub message_log: MessageLog,
    /// Peers that may be here at once.
    pub max_members: usize,
    /// Entries that the catalog holds; those without any source go first.
    pub max_entries: usize,
    /// Entries that one peer may be a source of.
    pub max_shares: usize,
    /// Entries that one peer may subscribe to.
    pub max_subscriptions: usize,
    /// Bytes of info dictionaries that are kept in all; beyond that peers give them to each other.
    pub max_info_bytes: usize,
    /// Requests of one peer.
    pub requests: Rate,
    /// Messages of one peer.
    pub messages: Rate,
    /// Bytes of messages to one receiver, and as much again to all: below what an outbox holds, so
    /// that a reader who keeps up is never cut because others talk.
    pub message_bytes: Rate,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "tracker".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            announce_port: None,
            heartbeat: Duration::from_secs(30),
            announce_interval: Duration::from_secs(120),
            min_interval: Duration::from_secs(30),
            max_early: 5,
            unknown: Unknown::default(),
            max_unlisted: 200_000,
            named_announcers: 500,
            max_announcers: 1_000_000,
            max_announcers_per_address: 256,
            max_announced_per_address: 4_000,
            message_log: MessageLog::Full,
            max_members: 10_000,
            max_entries: 200_000,
            max_shares: 10_000,
            max_subscriptions: 10_000,
            max_info_bytes: 256 * 1024 * 1024,
            requests: Rate { burst: 2_000, per_second: 500 },
            messages: Rate { burst: 100, per_second: 10 },
            message_bytes: Rate { burst: 384 * 1024, per_second: 256 * 1024 },
        }
    }
}
