//! Rooms, and who wants to hear whom: the requests, and what is answered to them.

use serde::{Deserialize, Serialize};

use super::lock::RoomKey;
use crate::id::PeerId;

/// I want to hear what is said in a room. A room that is not there yet is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Join {
    /// Its name, such as `@aula1`.
    pub room: String,
    /// What opens it, when it is closed. Who makes a room with a key closes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<RoomKey>,
}

/// I do not want to hear a room any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leave {
    /// Its name.
    pub room: String,
}

/// Which rooms are there?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rooms {}

/// I do not want to hear somebody; without a nick, whom do I not hear?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ignore {
    /// Whom, here or away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
}

/// I want to hear somebody again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unignore {
    /// Whom.
    pub nick: String,
}

/// I am connected, but do not look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Away {
    /// What those are told who write to me: at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// I look again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Back {}

/// The peer is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The room's name as it is written.
    pub room: String,
    /// Who belongs to it, this peer included.
    pub members: u64,
    /// How many of them are here now.
    pub here: u64,
    /// Whether it is new.
    pub created: bool,
}

/// The rooms by name, as many as fit into a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomList {
    /// The rooms.
    pub rooms: Vec<RoomEntry>,
    /// How many there are in all.
    pub total: u64,
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEntry {
    /// Its name.
    pub room: String,
    /// Who belongs to it, here or away.
    pub members: u64,
    /// How many of them are here now.
    pub here: u64,
    /// Whether the one who asks belongs to it.
    pub joined: bool,
    /// Whether the operator made it, so that it stays when it is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// Whether a key is needed to join it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// Whom the peer does not hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// By nick, as they were called last.
    pub ignored: Vec<String>,
}

/// Somebody who belongs to a room and is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// What it was called last.
    pub nick: String,
    /// Who it is.
    pub peer_id: PeerId,
    /// When it was here last: milliseconds since 1970.
    pub seen: u64,
}

/// What happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomChange {
    /// Somebody belongs to it now.
    Joined,
    /// Somebody belongs to it no longer.
    Left,
    /// The operator closed it.
    Closed,
}
