//! What happened. The log, and later a journal or a page, read only this.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use shared::control::{Departure, EntryId, Have, Kind, MessageLog, RoomLock};
use shared::{InfoHash, InfoHashV2, InfoHashes, PeerId};

use crate::command::{Door, SessionKey};
use crate::identity::{Mark, MemberId};
use crate::operate::{Ban, Mute, Order, Removal};
use crate::state::Sums;

/// A peer as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMember {
    /// Its connection; `None` for a client that only announces.
    pub session: Option<SessionKey>,
    /// The name of its session, which it may say when it comes back.
    pub token: String,
    /// By which door it came.
    pub door: Door,
    /// What it is called here.
    pub nick: String,
    /// Who it is.
    pub peer_id: PeerId,
    /// What sets it apart from others that say the same id.
    pub mark: Mark,
    /// Where its connection comes from.
    pub address: SocketAddr,
    /// The tracker's own address on that connection.
    pub via: IpAddr,
    /// Where its wire listens.
    pub addresses: Vec<SocketAddr>,
    /// Its program.
    pub agent: String,
    /// Whether it will never come back, so that nothing is kept for it.
    #[serde(default)]
    pub guest: bool,
}

impl NewMember {
    /// Who it is.
    pub fn id(&self) -> MemberId {
        MemberId { peer_id: self.peer_id, mark: self.mark }
    }
}

/// An entry as it enters the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEntry {
    /// Its short name.
    pub entry: EntryId,
    /// Its name.
    pub name: String,
    /// Bytes of all files.
    pub size: u64,
    /// How many files.
    pub files: u64,
    /// Bytes of a piece.
    pub piece_length: u64,
    /// What sort of thing.
    pub kind: Kind,
    /// Its info hashes.
    pub v1: Option<InfoHash>,
    /// The other one.
    pub v2: Option<InfoHashV2>,
    /// The pieces root of a single file.
    pub root: Option<InfoHashV2>,
    /// The info dictionary.
    pub info: Option<Vec<u8>>,
    /// The piece layers as a .torrent file holds them; never without the info dictionary.
    pub layers: Option<Vec<u8>>,
    /// What its owner says about it.
    pub comment: Option<String>,
    /// Whether it may be told to nobody but through the tracker.
    pub private: bool,
    /// Whether somebody shared it: a torrent that clients only announced has no name yet and stands
    /// on no list.
    pub listed: bool,
}

impl NewEntry {
    /// Bytes of its info dictionary and piece layers.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.info.iter().chain(&self.layers).map(Vec::len).sum()
    }

    /// Both info hashes; `None` when the event was written by a faulty program.
    pub fn hashes(&self) -> Option<InfoHashes> {
        InfoHashes::from_options(self.v1, self.v2)
    }
}

/// A point of a download that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Milestone {
    /// It began.
    Start {
        /// Some who give it.
        from: Vec<String>,
    },
    /// A quarter more is there.
    Quarter {
        /// How much: 25, 50 or 75.
        percent: u8,
    },
    /// All is there.
    Done {
        /// Milliseconds since it began, where the beginning was seen.
        millis: Option<u64>,
        /// Bytes it received meanwhile.
        downloaded: u64,
    },
    /// It was given up or paused.
    Stop {
        /// How much was there.
        percent: u8,
    },
}

/// What happened. `at` is the time of day in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A peer came.
    Joined {
        /// Who.
        member: Box<NewMember>,
        /// When.
        at: u64,
        /// Peers here now.
        online: usize,
    },
    /// A peer that was here continues on another connection.
    Resumed {
        /// Who, with its new connection.
        member: Box<NewMember>,
        /// When.
        at: u64,
    },
    /// A peer went, and all its sources with it.
    Left {
        /// Who.
        peer: MemberId,
        /// What it was called.
        nick: String,
        /// How.
        how: Departure,
        /// What happened.
        detail: String,
        /// When.
        at: u64,
        /// Peers here now.
        online: usize,
    },
    /// A peer gives an entry.
    Shared {
        /// Who.
        peer: MemberId,
        /// What it is called.
        nick: String,
        /// The entry's first hash.
        key: InfoHash,
        /// Its short name.
        entry: EntryId,
        /// Its name.
        name: String,
        /// Bytes of all files.
        size: u64,
        /// How much the peer has.
        have: Have,
        /// The entry itself, when it is new.
        new: Option<Box<NewEntry>>,
        /// The info dictionary, when the entry is known and the catalog had none.
        info: Option<Vec<u8>>,
        /// The piece layers that belong to it.
        layers: Option<Vec<u8>>,
        /// The peer's own name for it, when it is another one.
        alias: Option<String>,
        /// Sources now.
        sources: usize,
        /// When.
        at: u64,
    },
    /// A peer gives an entry no longer.
    Unshared {
        /// Who.
        peer: MemberId,
        /// What it is called.
        nick: String,
        /// The entry's first hash.
        key: InfoHash,
        /// Its short name.
        entry: EntryId,
        /// Its name.
        name: String,
        /// Sources that remain; without any the entry leaves the catalog.
        sources: usize,
    },
    /// Clients announce a torrent that nobody shared.
    Met {
        /// What little is known of it.
        new: Box<NewEntry>,
        /// When.
        at: u64,
    },
    /// A client that announces can be reached elsewhere too, or now.
    Moved {
        /// Who.
        peer: MemberId,
        /// Where it was seen last.
        address: SocketAddr,
        /// Where its wire listens.
        addresses: Vec<SocketAddr>,
    },
    /// An entry that nobody has any more left the catalog to make room.
    Forgotten {
        /// The entry's first hash.
        key: InfoHash,
    },
    /// A peer wants to be told of an entry's sources, or no longer.
    Subscribed {
        /// Who.
        peer: MemberId,
        /// The entry's first hash.
        key: InfoHash,
        /// Whether it wants.
        wants: bool,
    },
    /// A peer says how far it is.
    Progressed {
        /// Who.
        peer: MemberId,
        /// What it is called.
        nick: String,
        /// The entry's first hash.
        key: InfoHash,
        /// Its short name.
        entry: EntryId,
        /// Its name.
        name: String,
        /// Bytes of all files.
        size: u64,
        /// How much it has; `None` when it is a source no longer.
        have: Option<Have>,
        /// Bytes still missing.
        left: u64,
        /// Bytes it received.
        downloaded: u64,
        /// Bytes it gave.
        uploaded: u64,
        /// What is worth a line, if anything.
        milestone: Option<Milestone>,
        /// How many announces in a row came before their time.
        early: u8,
        /// When.
        at: u64,
    },
    /// Someone wrote.
    Messaged {
        /// The message's id.
        message: u64,
        /// Who wrote.
        peer: PeerId,
        /// What it is called.
        from: String,
        /// To whom: a nick, a room or `*`.
        to: String,
        /// The one receiver; `None` when it is for a room or for all.
        receiver: Option<PeerId>,
        /// What.
        text: String,
        /// The sender's mark.
        nonce: Option<String>,
        /// Receivers that got it.
        delivered: u64,
        /// Receivers that get it when they come back.
        #[serde(default)]
        stored: u64,
        /// Receivers that do not want it.
        #[serde(default)]
        refused: u64,
        /// How much of it is logged.
        log: MessageLog,
        /// Whether it was said in a room that is closed: the page does not show it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        closed: bool,
        /// When.
        at: u64,
    },
    /// The operator ordered something, and it was done.
    Operated {
        /// Who, when and what.
        order: Order,
    },
    /// In a checkpoint: what of the operator's orders holds.
    Standing {
        /// What everyone is told who comes.
        motd: Option<String>,
        /// Who may not write.
        mutes: Vec<Mute>,
        /// Who may not come.
        bans: Vec<Ban>,
        /// What may not be shared.
        #[serde(default)]
        removals: Vec<Removal>,
    },
    /// Someone has the messages that were kept.
    Collected {
        /// Who.
        peer: PeerId,
        /// The id of the newest of them.
        up_to: u64,
    },
    /// Someone belongs to a room from now on.
    Entered {
        /// Who.
        peer: PeerId,
        /// What it is called.
        nick: String,
        /// The room, which is new when there was none of that name.
        room: String,
        /// The id of the newest message: only later ones are kept for this one.
        has: u64,
        /// What is kept of the key with which it was closed, when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<RoomLock>,
        /// When.
        at: u64,
    },
    /// Someone belongs to a room no longer.
    Exited {
        /// Who.
        peer: PeerId,
        /// What it is called.
        nick: String,
        /// The room.
        room: String,
        /// When.
        at: u64,
    },
    /// Someone does not want to hear somebody, or wants it again.
    Ignored {
        /// Who.
        peer: PeerId,
        /// Whom.
        whom: PeerId,
        /// Whether it ignores.
        ignores: bool,
    },
    /// Someone who is here does not look, or looks again.
    Away {
        /// Who.
        peer: MemberId,
        /// What it says meanwhile; `None` when it is back.
        text: Option<String>,
    },
    /// In a checkpoint: a room.
    Room {
        /// Its name.
        room: String,
        /// Whether the operator made it.
        kept: bool,
        /// Who belongs to it, and up to which message each has what was said.
        members: Vec<(PeerId, u64)>,
        /// What is kept of its key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<RoomLock>,
    },
    /// In a checkpoint: the id of the newest message.
    Numbered {
        /// The id.
        last: u64,
    },
    /// The tracker starts again: nobody is here yet.
    Restarted {
        /// When the last that is known happened.
        at: u64,
    },
    /// The sums as they are, so that they go on after a restart.
    Tallied {
        /// The sums.
        sums: Sums,
    },
    /// In a checkpoint: someone was here.
    Known {
        /// Who.
        peer: PeerId,
        /// What it was called last.
        nick: String,
        /// When it came first.
        first: u64,
        /// When it was seen last.
        seen: u64,
        /// Whether nobody else was called so later.
        is_named: bool,
    },
    /// In a checkpoint: this is shared.
    Catalogued {
        /// The entry, without its info dictionary.
        new: Box<NewEntry>,
        /// Its other names.
        names: Vec<String>,
        /// Who has it.
        holders: Vec<PeerId>,
        /// When one of them was seen last.
        seen: u64,
    },
}

impl Event {
    /// When it happened: milliseconds since 1970, or 0 where that is not told.
    pub fn at(&self) -> u64 {
        match self {
            Self::Joined { at, .. }
            | Self::Resumed { at, .. }
            | Self::Left { at, .. }
            | Self::Shared { at, .. }
            | Self::Progressed { at, .. }
            | Self::Messaged { at, .. }
            | Self::Entered { at, .. }
            | Self::Exited { at, .. }
            | Self::Restarted { at }
            | Self::Known { seen: at, .. }
            | Self::Catalogued { seen: at, .. }
            | Self::Operated { order: Order { at, .. } } => *at,
            _ => 0,
        }
    }
}
