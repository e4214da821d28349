//! The tracker's settings as a person writes them: flags, environment, tracker.toml.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::ParseIntError;
use std::time::Duration;

use registry::Rate;
use runtime::telemetry::Rotation;
use serde::{Deserialize, Serialize};
use shared::control::{DEFAULT_PORT, MessageLog};

use crate::config::{DEFAULT_HTTP_PORT, TrackerConfig};
use crate::store::Sync;
use crate::web::PageNames;

/// Bytes of a megabyte of log.
const MEGABYTE: u64 = 1_000_000;
/// Bytes of a kilobyte of messages.
const KILOBYTE: u64 = 1_024;
/// Seconds whose requests may come at once.
const REQUESTS_AT_ONCE: u64 = 4;
/// Seconds whose messages may come at once.
const MESSAGES_AT_ONCE: u64 = 10;

/// The settings with their defaults; each can stand in `tracker.toml`, in the environment as
/// `TRACKER_` and its name in capitals, or (some of them) on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where peers connect: `ADDR:PORT`, `ADDR` or `:PORT`.
    pub listen: String,
    /// Where BitTorrent clients announce, over HTTP and UDP: `ADDR:PORT`, `ADDR`, `:PORT`, or `off`.
    /// Empty means the address of `listen` with port 6969, or the next one that is free.
    pub http: String,
    /// Whose announces of torrents are taken that nobody shared: `accept` (everybody's), `local` (those
    /// of this machine, a LAN or a VPN) or `refuse`.
    pub unknown_torrents: registry::Unknown,
    /// Whether peers on the local networks can find this tracker by themselves.
    pub lan: bool,
    /// Whether the page tells nicknames, names of files and what is said: `full` or `hidden`.
    pub page_names: PageNames,
    /// How much of a message the log keeps: `full`, `meta` or `off`.
    pub log_messages: MessageLog,
    /// What is logged, such as `info`, or `debug` when something is wrong.
    pub log: String,
    /// Megabytes from which on the log file is put aside; 0 for never.
    pub log_megabytes: u64,
    /// Whether each day has a log file of its own.
    pub log_daily: bool,
    /// Log files that are kept beside the one that is written.
    pub log_files: usize,
    /// Seconds between the heartbeats of a peer; three of them in silence and it is lost.
    pub heartbeat_seconds: u64,
    /// Connections from one public address.
    pub sessions_per_address: usize,
    /// Connections from one address of this machine, a LAN or a VPN.
    pub sessions_per_local_address: usize,
    /// Peers that may be here at once.
    pub max_peers: usize,
    /// BitTorrent clients at once that are no peers of ours, each counted in each of its torrents.
    pub max_clients: usize,
    /// Torrents that are known only because clients announce them.
    pub max_torrents: usize,
    /// Such clients of one address; 0 for no limit. Counted as long as clients have names.
    pub clients_per_address: usize,
    /// Torrents of such clients of one address, each client counted; 0 for no limit.
    pub torrents_per_address: usize,
    /// Requests of one address over HTTP each second, and five times as many at once; 0 for no limit.
    pub http_requests_per_second: u32,
    /// Requests of one address over UDP each second, and twice as many at once; 0 for no limit.
    pub udp_requests_per_second: u32,
    /// Requests of one peer in a second; those of four seconds may come at once.
    pub requests_per_second: u64,
    /// Messages of one peer in a second; those of ten seconds may come at once.
    pub messages_per_second: u64,
    /// Kilobytes of messages in a second to one person, to one room, and to all.
    pub message_kilobytes_per_second: u64,
    /// What an `ok` survives: `full` also a loss of power, `normal` only the end of the program.
    pub sync: Sync,
}

impl Default for Settings {
    fn default() -> Self {
        let (config, rotation) = (TrackerConfig::default(), Rotation::default());
        Self {
            listen: config.listen.to_string(),
            http: String::new(),
            unknown_torrents: config.registry.unknown,
            lan: true,
            page_names: config.page_names,
            log_messages: config.registry.message_log,
            log: "info".to_owned(),
            log_megabytes: rotation.bytes / MEGABYTE,
            log_daily: rotation.daily,
            log_files: rotation.keep,
            heartbeat_seconds: config.registry.heartbeat.as_secs(),
            sessions_per_address: config.sessions_per_address,
            sessions_per_local_address: config.sessions_per_local_address,
            max_peers: config.registry.max_members,
            max_clients: config.registry.max_announcers,
            max_torrents: config.registry.max_unlisted,
            clients_per_address: config.registry.max_announcers_per_address,
            torrents_per_address: config.registry.max_announced_per_address,
            http_requests_per_second: config.http_requests_per_second,
            udp_requests_per_second: config.udp_requests_per_second,
            requests_per_second: config.registry.requests.per_second,
            messages_per_second: config.registry.messages.per_second,
            message_kilobytes_per_second: config.registry.message_bytes.per_second / KILOBYTE,
            sync: Sync::default(),
        }
    }
}

/// Why settings make no sense.
#[derive(Debug, thiserror::Error)]
pub enum UnfitSetting {
    /// The address cannot be read.
    #[error("{written:?} is not an address to listen on; write 0.0.0.0:5000, 192.168.1.10 or :5001")]
    Listen {
        /// What was written.
        written: String,
    },
    /// The port is no port.
    #[error("{written:?} has no port between 0 and 65535")]
    Port {
        /// What was written.
        written: String,
        /// Why.
        source: ParseIntError,
    },
    /// A number is out of range.
    #[error("{name} must be between {least} and {most}")]
    Range {
        /// The setting.
        name: &'static str,
        /// The least it can be.
        least: u64,
        /// The most it can be.
        most: u64,
    },
}

impl Settings {
    /// The names of all settings.
    pub const KEYS: [&'static str; 24] = [
        "listen",
        "http",
        "unknown_torrents",
        "lan",
        "page_names",
        "log_messages",
        "log",
        "log_megabytes",
        "log_daily",
        "log_files",
        "heartbeat_seconds",
        "sessions_per_address",
        "sessions_per_local_address",
        "max_peers",
        "max_clients",
        "max_torrents",
        "clients_per_address",
        "torrents_per_address",
        "http_requests_per_second",
        "udp_requests_per_second",
        "requests_per_second",
        "messages_per_second",
        "message_kilobytes_per_second",
        "sync",
    ];

    /// Those that a running tracker takes over when the file is read again.
    pub(crate) const RELOADED: [&'static str; 14] = [
        "unknown_torrents",
        "log_messages",
        "log",
        "log_megabytes",
        "log_daily",
        "log_files",
        "max_peers",
        "max_clients",
        "max_torrents",
        "clients_per_address",
        "torrents_per_address",
        "requests_per_second",
        "messages_per_second",
        "message_kilobytes_per_second",
    ];

    /// A `tracker.toml` in which every setting stands as a comment, with what it means.
    pub const EXAMPLE: &'static str = include_str!("../tracker.example.toml");

    /// When the log file is put aside.
    pub(crate) fn rotation(&self) -> Rotation {
        let bytes = self.log_megabytes.saturating_mul(MEGABYTE);
        Rotation { bytes, daily: self.log_daily, keep: self.log_files }
    }

    /// What a tracker is started with.
    pub fn config(&self) -> Result<TrackerConfig, UnfitSetting> {
        if !(1..=3_600).contains(&self.heartbeat_seconds) {
            return Err(UnfitSetting::Range { name: "heartbeat_seconds", least: 1, most: 3_600 });
        }
        for (name, value) in [
            ("sessions_per_address", self.sessions_per_address),
            ("sessions_per_local_address", self.sessions_per_local_address),
            ("max_peers", self.max_peers),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return Err(UnfitSetting::Range { name, least: 1, most: 1_000_000 });
            }
        }
        for (name, value) in [("max_clients", self.max_clients), ("max_torrents", self.max_torrents)] {
            if !(1..=100_000_000).contains(&value) {
                return Err(UnfitSetting::Range { name, least: 1, most: 100_000_000 });
            }
        }
        for (name, value) in [
            ("requests_per_second", self.requests_per_second),
            ("messages_per_second", self.messages_per_second),
            ("message_kilobytes_per_second", self.message_kilobytes_per_second),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return Err(UnfitSetting::Range { name, least: 1, most: 1_000_000 });
            }
        }
        if !(1..=1_000).contains(&self.log_files) {
            return Err(UnfitSetting::Range { name: "log_files", least: 1, most: 1_000 });
        }
        let defaults = TrackerConfig::default();
        let listen = listen_address(&self.listen, DEFAULT_PORT)?;
        let http = match self.http.as_str() {
            "off" => None,
            "" => Some(SocketAddr::new(listen.ip(), DEFAULT_HTTP_PORT)),
            written => Some(listen_address(written, DEFAULT_HTTP_PORT)?),
        };
        Ok(TrackerConfig {
            listen,
            http,
            http_port_may_move: self.http.is_empty(),
            // Nobody elsewhere could come to an address that is only this machine's.
            lan: self.lan && !listen.ip().is_loopback(),
            page_names: self.page_names,
            sessions_per_address: self.sessions_per_address,
            sessions_per_local_address: self.sessions_per_local_address,
            http_requests_per_second: self.http_requests_per_second,
            udp_requests_per_second: self.udp_requests_per_second,
            registry: registry::Config {
                heartbeat: Duration::from_secs(self.heartbeat_seconds),
                message_log: self.log_messages,
                unknown: self.unknown_torrents,
                max_members: self.max_peers,
                max_announcers: self.max_clients,
                max_unlisted: self.max_torrents,
                max_announcers_per_address: or_any(self.clients_per_address),
                max_announced_per_address: or_any(self.torrents_per_address),
                requests: Rate {
                    burst: REQUESTS_AT_ONCE * self.requests_per_second,
                    per_second: self.requests_per_second,
                },
                messages: Rate {
                    burst: MESSAGES_AT_ONCE * self.messages_per_second,
                    per_second: self.messages_per_second,
                },
                // What may come at once stays below what an outbox holds, whatever may come in a second.
                message_bytes: Rate {
                    per_second: KILOBYTE * self.message_kilobytes_per_second,
                    ..defaults.registry.message_bytes
                },
                ..defaults.registry
            },
            ..defaults
        })
    }
}

/// A limit; 0 is none.
fn or_any(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

/// `ADDR:PORT`, `ADDR` alone or `:PORT` alone.
fn listen_address(written: &str, default_port: u16) -> Result<SocketAddr, UnfitSetting> {
    if let Ok(address) = written.parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(ip) = written.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default_port));
    }
    let Some((host, port)) = written.rsplit_once(':') else {
        return Err(UnfitSetting::Listen { written: written.to_owned() });
    };
    let ip = match host.trim_matches(['[', ']']) {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().map_err(|_| UnfitSetting::Listen { written: written.to_owned() })?,
    };
    let port = port.parse().map_err(|source| UnfitSetting::Port { written: written.to_owned(), source })?;
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_written_in_short() {
        for (written, meant) in [
            ("0.0.0.0:5000", "0.0.0.0:5000"),
            ("192.168.1.10", "192.168.1.10:5000"),
            (":5001", "0.0.0.0:5001"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::]:5000", "[::]:5000"),
            ("::1", "[::1]:5000"),
        ] {
            assert_eq!(listen_address(written, 5000).unwrap().to_string(), meant);
        }
        assert!(matches!(listen_address("here", 1), Err(UnfitSetting::Listen { .. })));
        assert!(matches!(listen_address("0.0.0.0:99999", 1), Err(UnfitSetting::Port { .. })));
        assert!(matches!(listen_address("here:5000", 1), Err(UnfitSetting::Listen { .. })));
    }

    #[test]
    fn each_setting_has_its_name_in_the_list() {
        let table = toml::Table::try_from(Settings::default()).unwrap();
        let names: Vec<&String> = table.keys().collect();
        let mut keys = Settings::KEYS;
        keys.sort_unstable();
        assert_eq!(names, keys);
        let config = Settings::default().config().unwrap();
        assert_eq!(config.listen.port(), 5000);
        let defaults = TrackerConfig::default().registry;
        assert_eq!(
            config.registry,
            registry::Config { version: config.registry.version.clone(), ..defaults }
        );
    }

    #[test]
    fn the_example_has_every_setting_with_its_default_and_says_what_can_be_reloaded() {
        let uncommented: String = Settings::EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(
            uncommented.parse::<toml::Table>().unwrap(),
            toml::Table::try_from(Settings::default()).unwrap()
        );
        assert_eq!(Settings::EXAMPLE.parse::<toml::Table>().unwrap(), toml::Table::new());
        let mut marked: Vec<&str> = Vec::new();
        for setting in Settings::EXAMPLE.split("\n\n").skip(1) {
            let name = setting.lines().find_map(|line| line.split_once(" = ")?.0.strip_prefix('#')).unwrap();
            assert!(setting.lines().count() > 1, "{name} is explained");
            marked.extend(setting.contains("[reload]").then_some(name));
        }
        assert_eq!(marked, Settings::RELOADED);
    }

    #[test]
    fn clients_have_port_6969_beside_the_peers_unless_told_otherwise() {
        let config = |listen: &str, http: &str| {
            let settings =
                Settings { listen: listen.to_owned(), http: http.to_owned(), ..Settings::default() };
            let config = settings.config().unwrap();
            (config.http.map(|http| http.to_string()), config.http_port_may_move, config.lan)
        };
        let at = |address: &str| Some(address.to_owned());
        assert_eq!(config("0.0.0.0:5000", ""), (at("0.0.0.0:6969"), true, true));
        assert_eq!(config("127.0.0.1:0", ""), (at("127.0.0.1:6969"), true, false));
        assert_eq!(config("0.0.0.0:5000", "off"), (None, false, true));
        assert_eq!(config("0.0.0.0:5000", ":7000"), (at("0.0.0.0:7000"), false, true));
        assert_eq!(config("0.0.0.0:5000", "10.0.0.1"), (at("10.0.0.1:6969"), false, true));
    }
}
