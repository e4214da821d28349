//! What the page and `/api/v1` tell, as JSON. Texts from outside are escaped here, once: whoever shows
//! them has nothing left that moves a cursor or hides a letter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::{Holder, ScenePeer, SceneShare};
use serde::Serialize;
use shared::control::{Counters, Entry, Kind};
use shared::display::escape;
use shared::{InfoHash, InfoHashV2};

/// What of the tracker never changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// When it started: milliseconds since 1970.
    pub(super) started: u64,
    /// Where peers of the control protocol connect.
    pub(super) port: u16,
}

/// The tracker itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TrackerRow {
    pub(super) version: &'static str,
    /// When it started: milliseconds since 1970.
    pub(super) started: u64,
    /// Where peers connect.
    pub(super) port: u16,
    pub(super) online: u64,
    /// Clients without a name, each counted in each of its torrents.
    pub(super) unnamed: u64,
    pub(super) most_online: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) messages: u64,
    pub(super) completed: u64,
    pub(super) downloaded: u64,
    /// Whether what is acknowledged is kept.
    pub(super) keeps: bool,
}

impl TrackerRow {
    pub(super) fn new(counters: &Counters, about: About, keeps: bool) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: about.started,
            port: about.port,
            online: counters.online,
            unnamed: counters.unnamed,
            most_online: counters.most_online,
            entries: counters.entries,
            bytes: counters.bytes,
            messages: counters.messages,
            completed: counters.completed,
            downloaded: counters.downloaded,
            keeps,
        }
    }
}

/// Someone who is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PeerRow {
    pub(super) peer: u64,
    nick: String,
    agent: String,
    chat: bool,
    since: u64,
    shares: u64,
    bytes: u64,
    down: u64,
    up: u64,
}

impl From<&ScenePeer> for PeerRow {
    fn from(peer: &ScenePeer) -> Self {
        Self {
            peer: peer.number,
            nick: escape(&peer.nick).into_owned(),
            agent: escape(&peer.agent).into_owned(),
            chat: peer.chat,
            since: peer.since,
            shares: peer.shares,
            bytes: peer.bytes,
            down: peer.down,
            up: peer.up,
        }
    }
}

/// An entry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EntryRow {
    pub(super) entry: String,
    name: String,
    size: u64,
    files: u64,
    piece_length: u64,
    kind: Kind,
    sources: u64,
    full: u64,
    by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info_hash_v1: Option<InfoHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info_hash_v2: Option<InfoHashV2>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    private: bool,
}

impl From<&Entry> for EntryRow {
    fn from(entry: &Entry) -> Self {
        Self {
            entry: escape(&entry.entry.0).into_owned(),
            name: escape(&entry.name).into_owned(),
            size: entry.size,
            files: entry.files,
            piece_length: entry.piece_length,
            kind: entry.kind,
            sources: entry.sources,
            full: entry.full,
            by: entry.by.iter().map(|nick| escape(nick).into_owned()).collect(),
            seen: entry.seen,
            info_hash_v1: entry.hashes.get_v1(),
            info_hash_v2: entry.hashes.get_v2(),
            comment: entry.comment.as_deref().map(|comment| escape(comment).into_owned()),
            private: entry.private,
        }
    }
}

/// An entry with those who have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ShareRow {
    #[serde(flatten)]
    pub(super) entry: EntryRow,
    pieces: u64,
    rate: u64,
    completed: u64,
    delivered: u64,
    from_origin: u64,
    holders: Vec<HolderRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HolderRow {
    peer: u64,
    nick: String,
    percent: u8,
    full: bool,
    down: u64,
    up: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    cells: String,
}

impl From<&SceneShare> for ShareRow {
    fn from(share: &SceneShare) -> Self {
        Self {
            entry: EntryRow::from(&share.entry),
            pieces: share.pieces,
            rate: share.rate,
            completed: share.completed,
            delivered: share.delivered,
            from_origin: share.from_origin,
            holders: share.holders.iter().map(HolderRow::from).collect(),
        }
    }
}

impl From<&Holder> for HolderRow {
    fn from(holder: &Holder) -> Self {
        Self {
            peer: holder.peer,
            nick: escape(&holder.nick).into_owned(),
            percent: holder.percent,
            full: holder.full,
            down: holder.down,
            up: holder.up,
            cells: STANDARD.encode(&holder.cells),
        }
    }
}
