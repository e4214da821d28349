//! What may be asked of the registry, and what it decides.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use shared::InfoHash;
use shared::PeerId;
use shared::announce::{Announce, AnnounceReply};
use shared::control::{Answer, Departure, Hello, Push, Refusal, Request, Search};

use crate::event::Event;
use crate::identity::MemberId;
use crate::listing::Candidates;
use crate::operate::Action;

/// One connection, numbered by the shell; a number is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey(pub u64);

/// By which door somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Door {
    /// The control protocol.
    Json,
    /// An announce over HTTP.
    Http,
    /// An announce over UDP.
    Udp,
}

/// An announce with what the door knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where it comes from.
    pub from: SocketAddr,
    /// The tracker's own address on that way.
    pub via: IpAddr,
    /// By which door.
    pub door: Door,
    /// Addresses that the client claims.
    pub told: Vec<IpAddr>,
    /// What it says.
    pub announce: Announce,
}

/// The answer to an announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// What is answered.
    pub reply: AnnounceReply,
    /// The ids of its peers, in their order.
    pub ids: Vec<PeerId>,
    /// Whom the registry took the client for, and the hash that it said: what is watched for silence.
    pub(crate) watched: Option<(MemberId, InfoHash)>,
}

/// Why an announce is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unannounced {
    /// The torrent is not known, and is not taken from there.
    NotRegistered,
    /// The operator banned the client, or where it comes from.
    Banned {
        /// The sentence that says so.
        text: String,
    },
    /// The operator took the torrent off the list.
    Removed {
        /// The sentence that says so.
        text: String,
    },
    /// There are too many clients or torrents, here or from that address.
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl std::fmt::Display for Unannounced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRegistered => f.write_str("this torrent is not registered here"),
            Self::Banned { text } | Self::Removed { text } => f.write_str(text),
            Self::Full { what, limit } => write!(f, "too many {what} (limit {limit})"),
        }
    }
}

/// What may be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// A BitTorrent client announces.
    Announce(Box<Announcement>),
    /// A connection says who it is.
    Hello {
        /// The connection.
        session: SessionKey,
        /// Where it comes from.
        address: SocketAddr,
        /// The tracker's own address on that connection: how this peer reaches this machine.
        via: IpAddr,
        /// What it says.
        hello: Box<Hello>,
    },
    /// Any other request of a connection.
    Request {
        /// The connection.
        session: SessionKey,
        /// What it asks.
        request: Box<Request>,
    },
    /// A connection searches, and an index was asked for it.
    Search {
        /// The connection.
        session: SessionKey,
        /// What it asks.
        search: Box<Search>,
        /// What the index found; `None` when it was not able to, and the catalog is looked through.
        found: Option<Candidates>,
    },
    /// A connection is gone.
    Gone {
        /// The connection.
        session: SessionKey,
        /// How.
        how: Departure,
        /// What happened, for the log.
        detail: String,
    },
    /// A connection took all that was kept for its peer, up to a message.
    Collected {
        /// The connection.
        session: SessionKey,
        /// The id of the newest.
        up_to: u64,
    },
    /// The operator orders something.
    Operate {
        /// By which way the order came, such as `console` or `web`: at most 64 bytes.
        by: String,
        /// What.
        action: Action,
    },
}

/// How a delivery is treated when its receiver lags behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It may be left out: who wants to know can ask.
    Advisory,
    /// It must arrive, or the connection ends.
    Owed,
}

/// A push and those it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The connections.
    pub to: Vec<SessionKey>,
    /// What is said.
    pub push: Push,
    /// What happens when a receiver lags.
    pub urgency: Urgency,
}

/// A connection that is to be closed after a last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The connection.
    pub session: SessionKey,
    /// Its last line; `None` when the answer is the last line.
    pub last: Option<Push>,
}

/// What was decided. Nothing has changed until the events are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The answer to whoever asked.
    pub reply: Option<Result<Answer, Refusal>>,
    /// The answer to an announce.
    pub announced: Option<Result<Announced, Unannounced>>,
    /// What is to happen.
    pub events: Vec<Event>,
    /// What is to be told to others.
    pub deliveries: Vec<Delivery>,
    /// What the one who asked is told after the answer: what was kept while it was away.
    pub late: Vec<Push>,
    /// Connections that end.
    pub ended: Vec<Ended>,
}

impl Decision {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { reply: Some(Ok(answer)), ..Self::default() }
    }

    pub(crate) fn refuse(refusal: Refusal) -> Self {
        Self { reply: Some(Err(refusal)), ..Self::default() }
    }

    /// The connection of a member ends, if it has one.
    pub(crate) fn end(&mut self, session: Option<SessionKey>, last: Option<Push>) {
        self.ended.extend(session.map(|session| Ended { session, last }));
    }

    pub(crate) fn deliver(&mut self, to: Vec<SessionKey>, urgency: Urgency, push: Push) {
        if !to.is_empty() {
            self.deliveries.push(Delivery { to, push, urgency });
        }
    }
}
