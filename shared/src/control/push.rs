//! What the tracker says unasked.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryId, Source};
use super::room::RoomChange;
use crate::id::PeerId;

/// A line that answers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Push {
    /// Someone came.
    PeerJoined {
        /// Who.
        nick: String,
        /// Its id.
        peer_id: PeerId,
    },
    /// Someone went.
    PeerLeft {
        /// Who.
        nick: String,
        /// How.
        reason: Departure,
    },
    /// Something new is in the catalog, or someone new gives it.
    Shared {
        /// Who shares it.
        nick: String,
        /// What.
        #[serde(flatten)]
        entry: Entry,
    },
    /// Someone gives something no longer.
    Unshared {
        /// Who shared it.
        nick: String,
        /// What.
        entry: EntryId,
        /// Its name.
        name: String,
    },
    /// A source of an entry that this peer subscribed to has changed.
    Source {
        /// Of which entry.
        entry: EntryId,
        /// The peer.
        peer: Source,
        /// What it did.
        change: Change,
    },
    /// Text from a person.
    Message {
        /// Its id; ids grow.
        message: u64,
        /// Who wrote it: filled in by the tracker.
        from: String,
        /// To whom: this peer's nick, a room or `*`.
        to: String,
        /// What it says.
        text: String,
        /// When: milliseconds since 1970.
        at: u64,
        /// Whether it was kept while the peer was away.
        #[serde(default)]
        late: bool,
    },
    /// Something happened in a room that this peer belongs to.
    Room {
        /// Which.
        room: String,
        /// Who came or went.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        /// What.
        change: RoomChange,
    },
    /// A peer that cannot reach this one asks to be dialled.
    Dial {
        /// Its nick.
        nick: String,
        /// Its id.
        peer_id: PeerId,
        /// Where it listens.
        addresses: Vec<SocketAddr>,
        /// For which entry.
        entry: EntryId,
    },
    /// The operator says something to all.
    Notice {
        /// What.
        text: String,
    },
    /// The operator ends this session; the connection closes.
    Kick {
        /// Why.
        reason: String,
    },
    /// The tracker ends this session; the connection closes.
    Bye {
        /// Why, such as `the tracker stops` or `too slow a reader`.
        reason: String,
    },
    /// A push that this version does not know; it is to be ignored.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// How someone went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// It said so.
    Left,
    /// Its connection ended without that, or it was silent for too long.
    Lost,
    /// The operator sent it away.
    Kicked,
}

/// What a source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new, or has more than before.
    Joined,
    /// It has everything now.
    Completed,
    /// It is gone.
    Left,
}
