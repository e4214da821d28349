//! What a peer may ask: one struct per request, and the [`Request`] that is any of them.

use std::net::SocketAddr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Done, Found, Matches, Messages, Pong, Sent, Shared, Sources, Stats, Welcome, WhoIsHere};
use super::browse::{Browse, Shelf};
use super::entry::{EntryId, Have, Kind, ProgressEvent, base64_text, hashes};
use super::picture::Flow;
use super::room::{Away, Back, Ignore, Ignored, Join, Joined, Leave, RoomList, Rooms, Unignore};
use crate::id::{InfoHash, InfoHashV2, InfoHashes, PeerId};

/// A request together with the shape of its answer, so that a caller who asks gets the right type.
pub trait Ask: Into<Request> {
    /// What an `ok` to it holds.
    type Answer: DeserializeOwned;
}

macro_rules! requests {
    ($($(#[$doc:meta])* $word:literal $name:ident -> $answer:ty),+ $(,)?) => {
        /// Any request, as it travels under its `type`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "type")]
        pub enum Request {
            $($(#[$doc])* #[serde(rename = $word)] $name($name),)+
        }

        impl Request {
            /// The words that `type` may hold.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of this request.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)+ }
            }
        }

        $(
            impl From<$name> for Request {
                fn from(request: $name) -> Self {
                    Self::$name(request)
                }
            }
            impl Ask for $name {
                type Answer = $answer;
            }
        )+
    };
}

requests! {
    /// The first request of a session: who I am.
    "hello" Hello -> Welcome,
    /// I have this, all or part of it.
    "share" Share -> Shared,
    /// I no longer give this.
    "unshare" Unshare -> Done,
    /// What is shared under such words?
    "search" Search -> Matches,
    /// What does one person share?
    "browse" Browse -> Shelf,
    /// The one entry of that name.
    "find" Find -> Found,
    /// Who has it?
    "sources" SourcesOf -> Sources,
    /// How far my download is: an announce.
    "progress" Progress -> Done,
    /// Text for a person or for all.
    "message" Message -> Sent,
    /// What was said before.
    "history" History -> Messages,
    /// Who is here?
    "who" Who -> WhoIsHere,
    /// I want to hear a room.
    "join" Join -> Joined,
    /// I do not want to hear a room any more.
    "leave" Leave -> Done,
    /// Which rooms are there?
    "rooms" Rooms -> RoomList,
    /// I do not want to hear somebody.
    "ignore" Ignore -> Ignored,
    /// I want to hear somebody again.
    "unignore" Unignore -> Ignored,
    /// I do not look.
    "away" Away -> Done,
    /// I look again.
    "back" Back -> Done,
    /// I cannot dial that peer: let it dial me.
    "connect_back" ConnectBack -> Done,
    /// Counters of the tracker or of one swarm.
    "stats" StatsOf -> Stats,
    /// I am still here.
    "ping" Ping -> Pong,
    /// I leave.
    "bye" Bye -> Done,
}

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// [`super::VERSION`].
    pub version: u64,
    /// What it wants to be called.
    pub nick: String,
    /// Its id, the same after a restart.
    pub peer_id: PeerId,
    /// TCP ports where its wire listens; empty when nobody can dial it.
    pub ports: Vec<u16>,
    /// Further addresses where it can be dialled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<SocketAddr>,
    /// Its program, such as `peer/0.1.0`.
    pub agent: String,
    /// The word that lets it in where the tracker is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The session that it had before its connection broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether it stays only for a question and will never come back under this id: nothing is kept for
    /// it when it has left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
}

/// Content that a peer gives to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Name of the file or the folder: one component, no path.
    pub name: String,
    /// Bytes of all files.
    pub size: u64,
    /// How many files.
    pub files: u64,
    /// Bytes of a piece.
    pub piece_length: u64,
    /// Its info hashes, written as `info_hash_v1` and `info_hash_v2`.
    #[serde(flatten, with = "hashes")]
    pub hashes: InfoHashes,
    /// The pieces root of a single file (BEP 52): equal roots are equal files under any name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<InfoHashV2>,
    /// What sort of thing.
    pub kind: Kind,
    /// The info dictionary, at most [`super::MAX_INFO`] bytes, written in base64.
    #[serde(with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub info: Option<Vec<u8>>,
    /// The piece layers of a version 2 or hybrid torrent as its .torrent file holds them (BEP 52), at
    /// most [`super::MAX_LAYERS`] bytes, written in base64: with them the tracker can give the file.
    #[serde(with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<u8>>,
    /// How much of it is here.
    pub have: Have,
    /// What the owner says about it, at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it may be told to nobody but through the tracker (BEP 27).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

/// Stop giving an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unshare {
    /// Which.
    pub entry: EntryId,
}

/// Words to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Search {
    /// Words that must all be in the name, or the missing ones in paths inside; in any case and with or
    /// without accents; empty lists all.
    pub query: String,
    /// Only this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// At least so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Only what this nick shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where the page before ended ([`Matches::after`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Entries a page, 1 to 1,000; 50 when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// One entry by its short id, its name or an info hash (either, also the truncated v2 one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Find {
    /// By short id.
    Entry {
        /// The short id.
        entry: EntryId,
    },
    /// By name, or by the one prefix that fits.
    Name {
        /// The name.
        name: String,
    },
    /// By info hash.
    Hash {
        /// The hash as a handshake would say it.
        info_hash: InfoHash,
    },
}

/// Who has an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcesOf {
    /// Which.
    pub entry: EntryId,
    /// At most so many, up to 200.
    pub want: u64,
    /// Whether to be told at once who joins, completes or leaves from now on.
    pub subscribe: bool,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Which.
    pub entry: EntryId,
    /// What is verified.
    pub have: Have,
    /// Bytes still missing.
    pub left: u64,
    /// Bytes received so far.
    pub downloaded: u64,
    /// Bytes given so far.
    pub uploaded: u64,
    /// What just happened, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<ProgressEvent>,
    /// Which parts are verified, for pictures: at most [`super::MAX_CELLS`] cells in the order of the
    /// content, 0 (nothing) to 255 (all) each, written in base64.
    #[serde(with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Vec<u8>>,
    /// What moves at present, for pictures: at most [`super::MAX_FLOWS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
}

/// Text for a person, a room or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// A nick, a room such as `@aula1`, or `*` for all.
    pub to: String,
    /// 1 to [`super::MAX_TEXT`] bytes.
    pub text: String,
    /// The sender's own mark, up to 64 bytes: the same mark again is the same message, sent once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// What was said before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct History {
    /// Only with this nick, in this room, or `*` for what was said to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Only messages with a smaller id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most so many, up to 200; 50 when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Who is here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Who {
    /// Only those who belong to this room, and those of them who are not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
}

/// Let a peer dial me.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectBack {
    /// Whom I cannot dial.
    pub peer_id: PeerId,
    /// For which entry.
    pub entry: EntryId,
}

/// Counters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StatsOf {
    /// Of this swarm; of the tracker when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
}

/// I am still here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ping {}

/// I leave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Bye {
    /// Why, for the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
