//! What the person set: flags over environment over `peer.toml` over defaults.
//!
//! Raw text is turned into meaning here, once; a value that cannot be read is refused by name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::{DhtMode, MseMode, SuperSeed};
use runtime::settings::{SettingsError, resolve};
use serde::{Deserialize, Serialize};

/// Keys that `peer.toml` and the environment (`PEER_NICK` ...) may set.
const KEYS: &[&str] = &[
    "tracker",
    "nick",
    "listen",
    "into",
    "limit_up",
    "limit_down",
    "connections",
    "classic_choke",
    "super_seed",
    "lsd",
    "dht",
    "dht_nodes",
    "pex",
    "utp",
    "mse",
];

/// The most DHT nodes that are named by hand.
const MOST_NODES: usize = 32;

/// The port of a tracker that is named without one.
pub const TRACKER_PORT: u16 = 5000;

/// Settings as written; every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    /// The tracker, as HOST or HOST:PORT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracker: Option<String>,
    /// What to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// Where to listen for peers, as ADDRESS:PORT; port 0 takes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Where downloads go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<PathBuf>,
    /// Most bytes sent per second, such as 8MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_up: Option<String>,
    /// Most bytes received per second, such as 8MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_down: Option<String>,
    /// Most connections to other peers at once, 8 to 700.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u16>,
    /// Exactly 4 upload slots every 10 s and an optimistic one every 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classic_choke: Option<bool>,
    /// Whether a seed reveals its pieces one by one (BEP 16): off, auto or on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub super_seed: Option<String>,
    /// Find peers and trackers on the local networks by multicast (BEP 14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsd: Option<bool>,
    /// The distributed hash table (BEP 5): off, lan or public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dht: Option<String>,
    /// Its nodes to begin with: ADDRESS:PORT, several with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dht_nodes: Option<String>,
    /// Hear of peers from other peers (BEP 11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pex: Option<bool>,
    /// Connections over uTP (BEP 29) beside TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utp: Option<bool>,
    /// Obfuscated connections: accept, require or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mse: Option<String>,
}

/// Settings as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The peer's folder.
    pub dir: PathBuf,
    /// HOST:PORT of the tracker, when one was named.
    pub tracker: Option<String>,
    /// What to be called.
    pub nick: String,
    /// Where to listen; `None` tries the usual ports.
    pub listen: Option<SocketAddr>,
    /// Where downloads go, when not to the usual folder.
    pub into: Option<PathBuf>,
    /// Most bytes sent per second.
    pub limit_up: Option<u64>,
    /// Most bytes received per second.
    pub limit_down: Option<u64>,
    /// Most connections to other peers at once, when not the usual number.
    pub connections: Option<u16>,
    /// Exactly 4 upload slots every 10 s and an optimistic one every 30 s.
    pub classic_choke: bool,
    /// Whether a seed reveals its pieces one by one (BEP 16).
    pub super_seed: SuperSeed,
    /// Find peers and trackers on the local networks by multicast (BEP 14).
    pub lsd: bool,
    /// With whom peers are looked for in the distributed hash table (BEP 5).
    pub dht: DhtMode,
    /// Nodes of it to begin with, beside the tracker's and those of the last run.
    pub dht_nodes: Vec<SocketAddr>,
    /// Hear of peers from other peers (BEP 11).
    pub pex: bool,
    /// Connections over uTP (BEP 29) beside TCP.
    pub utp: bool,
    /// Which connections are obfuscated. This hides the protocol from simple filters and nothing else.
    pub mse: MseMode,
}

impl Settings {
    /// The defaults, in this folder, under this nick.
    pub fn new(dir: impl Into<PathBuf>, nick: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            tracker: None,
            nick: nick.into(),
            listen: None,
            into: None,
            limit_up: None,
            limit_down: None,
            connections: None,
            classic_choke: false,
            super_seed: SuperSeed::default(),
            lsd: true,
            dht: DhtMode::Lan,
            dht_nodes: Vec::new(),
            pex: true,
            utp: false,
            mse: MseMode::default(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The file, the environment or a flag cannot be read.
    #[error(transparent)]
    Places(#[from] SettingsError),
    /// A value that means nothing.
    #[error("\"{value}\" is no {what}")]
    Value {
        /// What it should be, with an example.
        what: &'static str,
        /// What was written, escaped.
        value: String,
    },
}

/// Lays `flags` over the environment over `DIR/peer.toml`.
pub fn read(dir: &Path, flags: &Written) -> Result<Settings, BadSettings> {
    read_with(dir, flags, |name| std::env::var(name).ok())
}

fn read_with(
    dir: &Path,
    flags: &Written,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Settings, BadSettings> {
    let flags = toml::Table::try_from(flags).map_err(SettingsError::Defaults)?;
    let file = dir.join("peer.toml");
    let written: Written = resolve("PEER", KEYS, Some(&file), &environment, flags)?.settings;
    let seed = || {
        let set = |name| environment(name).filter(|text| !text.is_empty());
        let port = set("TRACKER_PORT").map_or_else(String::new, |port| format!(":{port}"));
        set("TRACKER_IP").map(|host| format!("{host}{port}"))
    };
    let tracker = written.tracker.or_else(seed).map(|text| host_and_port(&text)).transpose()?;
    Ok(Settings {
        dir: dir.to_owned(),
        tracker,
        nick: written.nick.unwrap_or_else(|| own_name(&environment)),
        listen: written.listen.as_deref().map(address).transpose()?,
        into: written.into,
        limit_up: written.limit_up.as_deref().map(rate).transpose()?.flatten(),
        limit_down: written.limit_down.as_deref().map(rate).transpose()?.flatten(),
        connections: written.connections.map(connections).transpose()?,
        classic_choke: written.classic_choke.unwrap_or(false),
        super_seed: written.super_seed.as_deref().map(super_seed).transpose()?.unwrap_or_default(),
        lsd: written.lsd.unwrap_or(true),
        dht: written.dht.as_deref().map(dht).transpose()?.unwrap_or(DhtMode::Lan),
        dht_nodes: written.dht_nodes.as_deref().map(nodes).transpose()?.unwrap_or_default(),
        pex: written.pex.unwrap_or(true),
        utp: written.utp.unwrap_or(false),
        mse: written.mse.as_deref().map(mse).transpose()?.unwrap_or_default(),
    })
}

/// How many connections: a few there must be, and with our files they must fit into the 1,024 handles that a
/// program usually has.
fn connections(count: u16) -> Result<u16, BadSettings> {
    if (8..=700).contains(&count) {
        return Ok(count);
    }
    Err(BadSettings::Value { what: "number of connections from 8 to 700", value: count.to_string() })
}

/// HOST or HOST:PORT with the usual port filled in. IPv6 addresses stand in brackets with a port.
pub fn host_and_port(text: &str) -> Result<String, BadSettings> {
    let bad = |what| BadSettings::Value { what, value: shared::display::fit(text, 80) };
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(bad("tracker address such as 192.168.1.10 or 192.168.1.10:5000"));
    }
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return Ok(format!("[{address}]:{TRACKER_PORT}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => match port.parse::<u16>() {
            Ok(port) if port > 0 && !host.is_empty() => Ok(text.to_owned()),
            _ => Err(bad("tracker address: its port must be a number from 1 to 65535")),
        },
        _ => Ok(format!("{text}:{TRACKER_PORT}")),
    }
}

/// Whether to super-seed, as off, auto or on.
fn super_seed(text: &str) -> Result<SuperSeed, BadSettings> {
    let what = "way to super-seed: off, auto or on";
    text.parse().map_err(|()| BadSettings::Value { what, value: shared::display::fit(text, 80) })
}

fn address(text: &str) -> Result<SocketAddr, BadSettings> {
    let what = "address to listen on, such as 0.0.0.0:6881";
    text.parse().map_err(|_| BadSettings::Value { what, value: shared::display::fit(text, 80) })
}

/// A rate such as `8MB` or `8MiB` (bytes a second); `off` and `0` are no limit.
pub fn rate(text: &str) -> Result<Option<u64>, BadSettings> {
    let number = text.trim().strip_suffix("/s").unwrap_or(text.trim());
    if number.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    match crate::words::parse_size(number) {
        Ok(0) => Ok(None),
        Ok(rate) => Ok(Some(rate)),
        Err(_) => {
            let what = "rate: write 500K, 8MB, 8MiB or off (bytes a second)";
            Err(BadSettings::Value { what, value: shared::display::fit(text, 80) })
        }
    }
}

/// Who may be asked in the distributed hash table.
fn dht(text: &str) -> Result<DhtMode, BadSettings> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(DhtMode::Off),
        "lan" => Ok(DhtMode::Lan),
        "public" => Ok(DhtMode::Public),
        _ => {
            let what = "way to use the DHT: write off, lan or public";
            Err(BadSettings::Value { what, value: shared::display::fit(text, 80) })
        }
    }
}

/// Nodes of the distributed hash table by their addresses.
fn nodes(text: &str) -> Result<Vec<SocketAddr>, BadSettings> {
    let what = "list of DHT nodes, such as 192.168.1.10:5000 or 192.168.1.10:5000,192.168.1.11:6881";
    let bad = || BadSettings::Value { what, value: shared::display::fit(text, 80) };
    let nodes = text.split(',').map(|node| node.trim().parse().map_err(|_| bad()));
    let nodes = nodes.take(MOST_NODES + 1).collect::<Result<Vec<_>, _>>()?;
    if nodes.len() > MOST_NODES { Err(bad()) } else { Ok(nodes) }
}

/// Which connections are obfuscated.
fn mse(text: &str) -> Result<MseMode, BadSettings> {
    match text.to_ascii_lowercase().as_str() {
        "accept" => Ok(MseMode::Accept),
        "require" => Ok(MseMode::Require),
        "off" => Ok(MseMode::Off),
        _ => {
            let what = "way to use obfuscation: write accept, require or off";
            Err(BadSettings::Value { what, value: shared::display::fit(text, 80) })
        }
    }
}

/// The person's own name on this machine, or what else can be had.
fn own_name(environment: &impl Fn(&str) -> Option<String>) -> String {
    let said = ["USER", "USERNAME", "LOGNAME"].into_iter().filter_map(environment);
    let fit = |name: String| shared::control::check_nick(&name).ok();
    said.filter_map(fit).find(|name| name != "root").unwrap_or_else(|| "peer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(environment: &[(&str, &str)], flags: &Written) -> Result<Settings, BadSettings> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("peer.toml"), "nick = 'toml'\nlimit_up = '1MB'\n").unwrap();
        let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        read_with(folder.path(), flags, get)
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let settings = with(&[], &Written::default()).unwrap();
        assert_eq!(
            (settings.nick.as_str(), settings.limit_up, settings.tracker),
            ("toml", Some(1_000_000), None)
        );
        let settings =
            with(&[("PEER_NICK", "env"), ("TRACKER_IP", "10.0.0.1")], &Written::default()).unwrap();
        assert_eq!((settings.nick.as_str(), settings.tracker.as_deref()), ("env", Some("10.0.0.1:5000")));
        let flags = Written { nick: Some("flag".into()), limit_up: Some("off".into()), ..Written::default() };
        let settings =
            with(&[("PEER_NICK", "env"), ("TRACKER_IP", "h"), ("TRACKER_PORT", "7")], &flags).unwrap();
        assert_eq!((settings.nick.as_str(), settings.limit_up), ("flag", None));
        assert_eq!(settings.tracker.as_deref(), Some("h:7"));
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        for tracker in ["host:99999", "host:0", "host:", ":5000", "a b", ""] {
            assert!(host_and_port(tracker).is_err(), "{tracker}");
        }
        assert_eq!(host_and_port("::1").unwrap(), "[::1]:5000");
        assert_eq!(host_and_port("[::1]").unwrap(), "[::1]:5000");
        assert_eq!(host_and_port("[::1]:6").unwrap(), "[::1]:6");
        assert!(rate("10X").is_err() && rate("-1").is_err());
        assert_eq!(rate("8MiB").unwrap(), Some(8 << 20));
        let mse = |text: &str| with(&[("PEER_MSE", text)], &Written::default()).map(|settings| settings.mse);
        assert_eq!(mse("Require").unwrap(), MseMode::Require);
        assert!(mse("yes").is_err());
        let dht = |text: &str| with(&[("PEER_DHT", text)], &Written::default()).map(|settings| settings.dht);
        assert_eq!((dht("off").unwrap(), dht("public").unwrap()), (DhtMode::Off, DhtMode::Public));
        assert!(dht("on").is_err());
        let few = |text: &str| with(&[("PEER_CONNECTIONS", text), ("PEER_UTP", "true")], &Written::default());
        assert!(few("500").is_ok_and(|settings| settings.utp && settings.connections == Some(500)));
        assert!(few("7").is_err() && few("701").is_err() && few("many").is_err());
        let nodes = |text: &str| nodes(text).map(|nodes| nodes.len()).ok();
        assert_eq!((nodes("10.0.0.1:5000"), nodes("10.0.0.1:5000, [fd00::1]:6881")), (Some(1), Some(2)));
        assert_eq!((nodes("10.0.0.1"), nodes("10.0.0.1:5000,"), nodes("host:1")), (None, None, None));
        assert_eq!(nodes(&["10.0.0.1:1"; 33].join(",")), None, "one too many");
    }
}
