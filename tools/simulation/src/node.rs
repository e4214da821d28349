//! One simulated peer: a brain, its links, a disk that remembers what was written, and its manners.

use std::collections::BTreeMap;

use shared::{Bitfield, BlockRef, Moment, PeerId};
use swarm::{Alert, Breach, PeerKey, SuperSeed, Torrent};

use crate::network::Link;

/// How a node treats others. All but the first lie to them through what their shell does; their brain
/// is the honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Does what its brain says.
    Honest,
    /// Every n-th block it sends is made up.
    Poisons {
        /// The n.
        every: u64,
    },
    /// Never answers a request: it only takes.
    OnlyTakes,
    /// Claims what it does not have and rejects every request.
    Rejects,
    /// Claims what it does not have and never answers.
    Ignores,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The other node.
    pub node: usize,
    /// The number that the other node gives the connection.
    pub key: PeerKey,
    /// Whether the connection is up.
    pub open: bool,
}

/// What is wanted of a new node.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Bytes per second it can send.
    pub up: Option<u64>,
    /// Bytes per second it can receive.
    pub down: Option<u64>,
    /// The pieces it starts with.
    pub have: Bitfield,
    /// How it treats others.
    pub manners: Manners,
    /// Whether it sticks to the classic rules of choking.
    pub classic_choke: bool,
    /// Whether it is another program, which pays no heed to suggestions.
    pub foreign: bool,
    /// Whether it seeds by revealing piece after piece (BEP 16).
    pub super_seed: SuperSeed,
}

/// One simulated peer. In this order, as everything that happens touches what comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Node {
    /// Its connections; a [`PeerKey`] is the place in here.
    pub ends: Vec<End>,
    /// The next moment at which its brain wants to be asked.
    pub timer: Option<Moment>,
    /// How often it was started.
    pub starts: u64,
    /// Its brain; none while it is down.
    pub brain: Option<Torrent>,
    /// What it was made from.
    pub wish: Wish,
    /// Its name.
    pub peer_id: PeerId,
    /// What it sends through.
    pub up: Link,
    /// What it receives through.
    pub down: Link,
    /// Every digest on its disk that is not the published one.
    pub false_blocks: BTreeMap<BlockRef, [u8; 32]>,
    /// When it was complete.
    pub done_at: Option<Moment>,
    /// When it joined.
    pub joined_at: Moment,
    /// Blocks it has sent.
    pub blocks_sent: u64,
    /// Those among them that were made up.
    pub false_blocks_sent: u64,
    /// Bytes of blocks it has sent.
    pub bytes_sent: u64,
    /// Bytes of small messages it has sent.
    pub small_bytes_sent: u64,
    /// What its person was told.
    pub alerts: Vec<Alert>,
    /// Pieces in the order in which they were verified.
    pub verified: Vec<u32>,
    /// What others accused it of when they closed a connection to it.
    pub breaches: Vec<Breach>,
}
