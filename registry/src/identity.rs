//! Who is who: a peer id alone is a claim, and everyone in a swarm can read it.
//!
//! A member of the control protocol is its id, as its connection proves the rest. A client that only
//! announces is its id together with the key that only it and the tracker know, or, if it says none,
//! with the address that it comes from. So nobody who repeats an id that he read pushes its owner out.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use shared::PeerId;

/// What tells two members with one peer id apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mark {
    /// It has a connection of the control protocol; an id has one at most.
    Session,
    /// It announces with this key, from whatever address.
    Key(u32),
    /// It announces without a key from this address.
    Address(IpAddr),
}

/// One member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId {
    /// What it calls itself on the wire.
    pub peer_id: PeerId,
    /// What sets it apart.
    pub mark: Mark,
}

impl MemberId {
    /// A member of the control protocol.
    pub fn session(peer_id: PeerId) -> Self {
        Self { peer_id, mark: Mark::Session }
    }

    /// A client that announces from `ip`.
    pub fn announcer(peer_id: PeerId, key: Option<u32>, ip: IpAddr) -> Self {
        Self { peer_id, mark: key.map_or(Mark::Address(ip), Mark::Key) }
    }
}

impl fmt::Display for MemberId {
    /// The peer id; the mark is nobody else's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer_id.fmt(f)
    }
}
