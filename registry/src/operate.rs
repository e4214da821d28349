//! What an operator may order, and what is remembered of it.
//!
//! An [`Action`] is an order as it comes in, with names as they were typed; an [`Order`] is one that was
//! obeyed, with the person it turned out to be, and its event is the audit of it. The console and the
//! page make actions; the decisions make orders.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use shared::control::{EntryId, RoomKey, RoomLock};
use shared::{InfoHash, InfoHashV2, InfoHashes, PeerId};

/// An order. Times are in milliseconds and count from now; none means for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// A line for everyone who is here.
    Say {
        /// What: 1 to [`shared::control::MAX_TEXT`] bytes.
        text: String,
    },
    /// What everyone is told who comes; nothing when it is `None`.
    Motd {
        /// At most 1,024 bytes.
        text: Option<String>,
    },
    /// Someone may not write.
    Mute {
        /// Whom.
        nick: String,
        /// How long.
        #[serde(default)]
        millis: Option<u64>,
        /// Why: at most 256 bytes, as in all orders.
        #[serde(default)]
        reason: String,
    },
    /// Someone may write again.
    Unmute {
        /// Whom.
        nick: String,
    },
    /// Someone is sent away, and may come back.
    Kick {
        /// Whom.
        nick: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Someone, or everyone of a network, is sent away and may not come back.
    Ban {
        /// A nick, an IP address, or a network such as `192.168.7.0/24`.
        whom: String,
        /// How long.
        #[serde(default)]
        millis: Option<u64>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Takes a ban back.
    Unban {
        /// As in the ban.
        whom: String,
    },
    /// An entry is taken off the list, for all who have it, and nobody may share it again.
    Remove {
        /// Its short id, or its whole name.
        entry: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// What was removed may be shared again.
    Restore {
        /// Its short id, its whole name or an info hash.
        entry: String,
    },
    /// A room is there, and stays when nobody belongs to it.
    AddRoom {
        /// Its name, such as `@aula1`.
        room: String,
        /// What whoever joins must know from now on. A room that is there already gets it too.
        #[serde(default)]
        key: Option<RoomKey>,
    },
    /// A room needs no key any more.
    OpenRoom {
        /// Its name.
        room: String,
    },
    /// A room is closed, and what was said there forgotten.
    DropRoom {
        /// Its name.
        room: String,
    },
}

/// Whom a ban is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One peer, under whatever nick.
    Peer(PeerId),
    /// All addresses of a network; a single address is the smallest.
    Net(IpNet),
}

impl Target {
    /// A network or address as it is written; `None` for anything else, such as a nick.
    pub(crate) fn net(written: &str) -> Option<Self> {
        let net = written.parse::<IpNet>().ok();
        let net = net.or_else(|| written.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical())))?;
        Some(Self::Net(net.trunc()))
    }

    fn written(&self, nick: &str) -> String {
        match self {
            Self::Peer(_) => nick.to_owned(),
            Self::Net(net) => net_as_written(net),
        }
    }

    /// Whether it is for that peer at that address.
    pub(crate) fn hits(&self, peer: PeerId, ip: IpAddr) -> bool {
        match self {
            Self::Peer(banned) => *banned == peer,
            Self::Net(net) => net.contains(&ip.to_canonical()),
        }
    }
}

/// Someone who may not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Whom it is for.
    pub target: Target,
    /// What the peer was called when it was banned; empty for a network.
    pub nick: String,
    /// Its end: milliseconds since 1970.
    pub until: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// When: milliseconds since 1970.
    pub at: u64,
}

impl Ban {
    /// Whom it is for, as an operator writes it.
    pub fn whom(&self) -> String {
        self.target.written(&self.nick)
    }
}

/// Someone who may not write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Who.
    pub peer: PeerId,
    /// What it was called then.
    pub nick: String,
    /// Its end: milliseconds since 1970.
    pub until: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// When: milliseconds since 1970.
    pub at: u64,
}

/// Content that nobody may share here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The short id that it had.
    pub entry: EntryId,
    /// Its name.
    pub name: String,
    /// Its info hashes; at least one.
    pub v1: Option<InfoHash>,
    /// The other one.
    pub v2: Option<InfoHashV2>,
    /// The pieces root of a single file, by which the same content under another name is known.
    pub root: Option<InfoHashV2>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// When: milliseconds since 1970.
    pub at: u64,
}

impl Removal {
    /// The hash under which it is kept; `None` when the event was written by a faulty program.
    pub(crate) fn key(&self) -> Option<InfoHash> {
        self.hashes().map(|hashes| hashes.primary())
    }

    /// Both info hashes.
    pub(crate) fn hashes(&self) -> Option<InfoHashes> {
        InfoHashes::from_options(self.v1, self.v2)
    }
}

/// An order that was obeyed: who gave it, when, and what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// By which way it came.
    pub by: String,
    /// When: milliseconds since 1970.
    pub at: u64,
    /// What was done.
    pub deed: Deed,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// All were told something.
    Said {
        /// What.
        text: String,
    },
    /// What those who come are told is another text, or nothing.
    Motd {
        /// The text.
        text: Option<String>,
    },
    /// Someone may not write.
    Muted {
        /// Who.
        peer: PeerId,
        /// What it is called.
        nick: String,
        /// Until when: milliseconds since 1970.
        until: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Someone may write again.
    Unmuted {
        /// Who.
        peer: PeerId,
        /// What it was called.
        nick: String,
    },
    /// Someone was sent away.
    Kicked {
        /// Who.
        peer: PeerId,
        /// What it is called.
        nick: String,
        /// Why.
        reason: String,
    },
    /// Someone may not come.
    Banned {
        /// Whom it is for.
        target: Target,
        /// What the peer is called; empty for a network.
        nick: String,
        /// Until when: milliseconds since 1970.
        until: Option<u64>,
        /// Why.
        reason: String,
        /// How many were here and are sent away.
        cut: u64,
    },
    /// Someone may come again.
    Unbanned {
        /// For whom the ban was.
        target: Target,
        /// What the peer was called; empty for a network.
        nick: String,
    },
    /// An entry was taken off the list.
    Removed {
        /// Its short id.
        entry: EntryId,
        /// Its name.
        name: String,
        /// Why.
        reason: String,
        /// Its info hashes. Without any, as older programs wrote it, it could be shared again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        v1: Option<InfoHash>,
        /// The other one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        v2: Option<InfoHashV2>,
        /// The pieces root of a single file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root: Option<InfoHashV2>,
    },
    /// What was removed may be shared again.
    Restored {
        /// The first of its info hashes.
        key: InfoHash,
        /// Its name.
        name: String,
    },
    /// A room is there and stays.
    AddedRoom {
        /// Its name.
        room: String,
        /// What is kept of its key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<RoomLock>,
    },
    /// A room needs no key any more.
    OpenedRoom {
        /// Its name.
        room: String,
    },
    /// A room was closed.
    DroppedRoom {
        /// Its name.
        room: String,
    },
}

impl Deed {
    /// The verb of the order.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Said { .. } => "say",
            Self::Motd { .. } => "motd",
            Self::Muted { .. } => "mute",
            Self::Unmuted { .. } => "unmute",
            Self::Kicked { .. } => "kick",
            Self::Banned { .. } => "ban",
            Self::Unbanned { .. } => "unban",
            Self::Removed { .. } => "remove",
            Self::Restored { .. } => "restore",
            Self::AddedRoom { .. } => "room add",
            Self::OpenedRoom { .. } => "room open",
            Self::DroppedRoom { .. } => "room del",
        }
    }

    /// Whom it was about, as an operator writes it.
    pub fn whom(&self) -> String {
        match self {
            Self::Said { .. } | Self::Motd { .. } => "all".to_owned(),
            Self::Muted { nick, .. } | Self::Unmuted { nick, .. } | Self::Kicked { nick, .. } => nick.clone(),
            Self::Banned { target, nick, .. } | Self::Unbanned { target, nick } => target.written(nick),
            Self::Removed { name, .. } | Self::Restored { name, .. } => name.clone(),
            Self::AddedRoom { room, .. } | Self::OpenedRoom { room } | Self::DroppedRoom { room } => {
                room.clone()
            }
        }
    }

    /// Why, or what was said.
    pub fn text(&self) -> &str {
        match self {
            Self::Said { text } => text,
            Self::Motd { text } => text.as_deref().unwrap_or("off"),
            Self::Muted { reason, .. }
            | Self::Kicked { reason, .. }
            | Self::Removed { reason, .. }
            | Self::Banned { reason, .. } => reason,
            Self::AddedRoom { lock: Some(_), .. } => "closed with a key",
            Self::Unmuted { .. }
            | Self::Unbanned { .. }
            | Self::Restored { .. }
            | Self::AddedRoom { .. }
            | Self::OpenedRoom { .. }
            | Self::DroppedRoom { .. } => "",
        }
    }

    /// Its end, where it has one: milliseconds since 1970.
    pub fn until(&self) -> Option<u64> {
        match self {
            Self::Muted { until, .. } | Self::Banned { until, .. } => *until,
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Net(net) => f.write_str(&net_as_written(net)),
        }
    }
}

/// A network of one address is that address.
fn net_as_written(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// For how much longer something holds, as a sentence ends.
pub(crate) fn for_how_long(until: Option<u64>, at: u64) -> String {
    let Some(until) = until else { return String::new() };
    let minutes = until.saturating_sub(at).div_ceil(60_000).max(1);
    let (number, unit) = match minutes {
        ..120 => (minutes, "minute"),
        120..2_880 => (minutes.div_ceil(60), "hour"),
        _ => (minutes.div_ceil(1_440), "day"),
    };
    format!(" for {number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_from_nicks() {
        let net = |written: &str| Target::net(written).map(|target| target.to_string());
        assert_eq!(net("192.168.7.9").as_deref(), Some("192.168.7.9"));
        assert_eq!(net("192.168.7.9/24").as_deref(), Some("192.168.7.0/24"));
        assert_eq!(net("fd00::1/64").as_deref(), Some("fd00::/64"));
        assert_eq!(net("::ffff:10.0.0.1").as_deref(), Some("10.0.0.1"));
        for nick in ["bob", "192.168.7", "192.168.7.0/33", "1", ""] {
            assert_eq!(net(nick), None, "{nick}");
        }
        let home = Target::net("192.168.7.0/24").unwrap();
        let hits = |ip: &str| home.hits(PeerId([1; 20]), ip.parse().unwrap());
        assert!(hits("192.168.7.200") && hits("::ffff:192.168.7.1") && !hits("192.168.8.1") && !hits("::1"));
    }

    #[test]
    fn what_is_left_is_said_in_the_largest_unit_that_tells_enough() {
        let left = |millis: u64| for_how_long(Some(1_000 + millis), 1_000);
        assert_eq!(left(1), " for 1 minute");
        assert_eq!(left(30 * 60_000), " for 30 minutes");
        assert_eq!(left(3 * 3_600_000), " for 3 hours");
        assert_eq!(left(2 * 86_400_000), " for 2 days");
        assert_eq!(for_how_long(None, 0), "");
    }
}
