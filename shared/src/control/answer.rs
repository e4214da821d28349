//! What the tracker answers: one struct per kind of `ok`, and the [`Answer`] that is any of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::browse::Shelf;
use super::entry::{Entry, EntryId, Source, base64_text, hashes};
use super::room::{Absent, Ignored, Joined, RoomList};
use crate::id::{InfoHashV2, InfoHashes, PeerId};

/// Any answer that is not a refusal. `Welcome` travels as `"type":"welcome"`, all others as `"ok"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `hello`.
    Welcome(Box<Welcome>),
    /// To `share`.
    Shared(Shared),
    /// To `search`.
    Matches(Matches),
    /// To `browse`.
    Shelf(Shelf),
    /// To `find`.
    Found(Box<Found>),
    /// To `sources`.
    Sources(Sources),
    /// To `message`.
    Sent(Sent),
    /// To `history`.
    Messages(Messages),
    /// To `who`.
    WhoIsHere(WhoIsHere),
    /// To `join`.
    Joined(Joined),
    /// To `rooms`.
    Rooms(RoomList),
    /// To `ignore` and `unignore`.
    Ignored(Ignored),
    /// To `stats`.
    Stats(Stats),
    /// To `ping`.
    Pong(Pong),
    /// To all requests that have nothing to tell.
    Done(Done),
}

/// The session began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The nick as granted; it may differ from the one that was wanted.
    pub nick: String,
    /// The address that the connection came from.
    pub address: SocketAddr,
    /// The name of this session, to be told when the peer comes back after a broken connection.
    pub session: String,
    /// Seconds between heartbeats: three of them in silence and the peer is gone.
    pub interval: u64,
    /// Whom the peer talks to.
    pub tracker: TrackerDescription,
    /// What the tracker does with what it hears.
    pub policy: Policy,
    /// Peers here, this one included.
    pub online: u64,
    /// Messages that came while the peer was away.
    pub missed: u64,
    /// A sentence for the person, such as why the nick is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the operator tells everyone who comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motd: Option<String>,
}

/// What a tracker says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerDescription {
    /// Its program.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Announce URLs for BitTorrent clients.
    #[serde(default)]
    pub announce: Vec<String>,
    /// Its time of day: milliseconds since 1970.
    pub time: u64,
}

/// What the tracker does with what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How much of a message its log keeps.
    pub message_log: MessageLog,
}

/// How much of a message is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageLog {
    /// The text too.
    #[default]
    Full,
    /// Who wrote to whom and how long.
    Meta,
    /// Nothing.
    Off,
}

/// The content is in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its short name.
    pub entry: EntryId,
    /// The name in the catalog; another one when the same content was shared before.
    pub name: String,
    /// Whether the content was known already and the peer joined its swarm.
    pub joined: bool,
    /// The info hashes of the swarm; others than those of the request when the same file was shared
    /// before under another name.
    #[serde(flatten, with = "hashes")]
    pub hashes: InfoHashes,
    /// Who else has it now.
    pub sources: Vec<Source>,
}

/// A page of search results, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many fit in all.
    pub total: u64,
    /// Ask with this `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Names that are nearly what was asked, when nothing fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// Of entries whose name has not all the words: a path inside them that has the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<EntryId, String>,
}

/// One entry with all that the tracker knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// The pieces root of a single file (BEP 52).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<InfoHashV2>,
    /// The info dictionary, where the tracker has it, in base64.
    #[serde(default, with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub info: Option<Vec<u8>>,
}

/// Who has an entry: a uniform random sample, never the one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Of which entry.
    pub entry: EntryId,
    /// The sample.
    pub sources: Vec<Source>,
    /// How many there are in all.
    pub total: u64,
    /// How many of them have everything.
    pub full: u64,
    /// Whether changes will be pushed.
    pub subscribed: bool,
}

/// The message is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The id that the receivers see.
    pub message: u64,
    /// Receivers whose connection has it.
    pub delivered: u64,
    /// Receivers who get it when they come back.
    pub stored: u64,
    /// Receivers who do not get it.
    pub refused: u64,
    /// Each receiver by name; for a message to all or to a room only those that it was not delivered to,
    /// and no more than 200 of them.
    pub receivers: Vec<Receipt>,
}

/// What became of a message for one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The receiver.
    pub nick: String,
    /// What became of it.
    pub state: ReceiptState,
    /// What the receiver, who is connected but does not look, tells those who write; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// Handed to the receiver's connection.
    Delivered,
    /// Kept until the receiver comes back.
    Stored,
    /// Not taken.
    Refused,
}

/// What was said before, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// The messages.
    pub messages: Vec<Past>,
}

/// A message of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its id; ids grow.
    pub message: u64,
    /// Who wrote it.
    pub from: String,
    /// To whom: a nick, a room or `*`.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When: milliseconds since 1970.
    pub at: u64,
}

/// Who is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoIsHere {
    /// The peers by nick, as many as fit into a line.
    pub peers: Vec<Person>,
    /// How many there are in all.
    pub total: u64,
    /// Of a room: who belongs to it and is not here, by nick, as many as fit into the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Absent>,
}

/// One peer that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What it is called.
    pub nick: String,
    /// Who it is.
    pub peer_id: PeerId,
    /// Where it came from.
    pub address: SocketAddr,
    /// Where its wire listens; empty when it cannot be dialled.
    pub addresses: Vec<SocketAddr>,
    /// Its program.
    pub agent: String,
    /// Entries that it gives.
    pub shares: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Since when it is here: milliseconds since 1970.
    pub since: u64,
    /// Whether messages reach it: a BitTorrent client that only announces cannot chat.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub chat: bool,
    /// What it says while it does not look; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Counters of the tracker or of one swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stats {
    /// Of the tracker.
    Tracker {
        /// The counters.
        tracker: Counters,
    },
    /// Of one swarm.
    Swarm {
        /// The counters.
        swarm: SwarmCounters,
    },
}

/// Counters of the tracker since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Seconds since the start.
    pub uptime: u64,
    /// Peers here.
    pub online: u64,
    /// Clients without a name, each counted in each of its torrents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unnamed: u64,
    /// The most peers that were here at once.
    pub most_online: u64,
    /// Sessions that began.
    pub connects: u64,
    /// Entries in the catalog.
    pub entries: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Messages relayed.
    pub messages: u64,
    /// Downloads that completed.
    pub completed: u64,
    /// Bytes that peers say they received.
    pub downloaded: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// Counters of one swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmCounters {
    /// Which.
    pub entry: EntryId,
    /// Peers that have everything.
    pub full: u64,
    /// Peers that have a part.
    pub partial: u64,
    /// Downloads that completed since the tracker started.
    pub completed: u64,
    /// Bytes that peers of it say they received.
    pub downloaded: u64,
    /// Bytes that peers of it say they gave.
    pub uploaded: u64,
}

/// The tracker is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Its time of day: milliseconds since 1970.
    pub time: u64,
}

/// Done, with nothing to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}
