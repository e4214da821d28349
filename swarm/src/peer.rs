//! One connection: who is there, what it has, who chokes whom, and what was asked in either
//! direction. Keeps state and answers questions; the download and the upload decide.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use shared::{Bitfield, BlockRef, Moment, PeerId, PieceIndex, Span};

use wire::extended::handshake::ExtendedHandshake;

use crate::early::Early;
use crate::extensions::{Extension, Numbers};
use crate::holepunch::Meddling;
use crate::io::PeerKey;
use crate::metadata::MetadataExchange;
use crate::pex::Acquaintances;
use crate::piece_download::Sender;
use crate::pipeline::Pipeline;
use crate::rate::Rate;
use crate::super_seed::Revealed;

/// What the handshakes said about a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) key: PeerKey,
    pub(crate) peer_id: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) outgoing: bool,
    pub(crate) fast: bool,
    pub(crate) extended: bool,
    pub(crate) v2: bool,
    pub(crate) dht: bool,
    pub(crate) utp: bool,
}

/// Who is to blame for a lie: a peer id from where it was used, as everybody who has met a peer can say
/// that it is that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    peer_id: PeerId,
    ip: IpAddr,
}

impl Who {
    pub(crate) fn new(peer_id: PeerId, address: SocketAddr) -> Self {
        Self { peer_id, ip: address.ip().to_canonical() }
    }
}

impl Identity {
    /// Whom to blame.
    pub(crate) fn who(&self) -> Who {
        Who::new(self.peer_id, self.address)
    }
}

/// What the far side has.
#[derive(Debug, Clone)]
pub(crate) struct Holdings {
    /// Its pieces.
    pub(crate) has: Bitfield,
    /// It was complete from its first message on and is counted as a seed, not piece by piece.
    pub(crate) counted_as_seed: bool,
    /// It has sent its list of pieces, or another message that shows that none will come.
    pub(crate) told: bool,
    /// How many of its pieces we lack.
    pub(crate) wanted: u32,
}

/// What the far side lets us ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permit {
    /// It answers requests.
    pub(crate) unchoked: bool,
    /// What it lets us ask for even while it chokes us.
    pub(crate) allowed_fast: BTreeSet<PieceIndex>,
}

impl Permit {
    /// Whether it lets us ask for nothing at all.
    pub(crate) fn is_none(&self) -> bool {
        !self.unchoked && self.allowed_fast.is_empty()
    }
}

/// What we want of the far side.
#[derive(Debug, Clone)]
pub(crate) struct Leech {
    /// We have told it that we want something.
    pub(crate) interested: bool,
    /// The state of the picker in which nothing could be picked for it.
    pub(crate) exhausted: Option<u64>,
    /// Our requests, and when they were sent.
    pub(crate) requests: BTreeMap<BlockRef, Moment>,
    /// Requests that we took back, and how many answers to each may still come: the block itself, which
    /// was on its way already, or a rejection (BEP 6).
    pub(crate) withdrawn: BTreeMap<BlockRef, u16>,
    /// Blocks that came and were not asked for.
    pub(crate) stray: u32,
    /// The piece that it was asked for last.
    pub(crate) current: Option<PieceIndex>,
    /// What it said we might ask for.
    pub(crate) suggested: VecDeque<PieceIndex>,
    /// It has suggested something in this connection.
    pub(crate) suggests: bool,
    /// Pieces that it said it has and would not send, and when; they count as not there.
    pub(crate) refused: VecDeque<(Moment, PieceIndex)>,
    /// When it may next be asked for what others leave waiting.
    pub(crate) next_theft: Moment,
    /// How many requests to keep open.
    pub(crate) pipeline: Pipeline,
    /// Bytes of blocks it sent.
    pub(crate) rate: Rate,
}

/// What the far side wants of us.
#[derive(Debug, Clone)]
pub(crate) struct Supply {
    /// It has told us that it wants something.
    pub(crate) interested: bool,
    /// We answer its requests.
    pub(crate) unchoked: bool,
    /// When that last changed.
    pub(crate) since: Moment,
    /// To be choked as soon as what was handed to the network is out.
    pub(crate) choke_pending: bool,
    /// Its requests, in the order they came.
    pub(crate) queue: VecDeque<Span>,
    /// Bytes of those requests.
    pub(crate) queued: u64,
    /// Bytes handed to the network and not reported yet.
    pub(crate) outstanding: u64,
    /// When the network last took something, or was first given something.
    pub(crate) progress: Moment,
    /// What the network had taken in all by then.
    pub(crate) sent_before: u64,
    /// What we let it ask for while choked.
    pub(crate) allowed_fast: BTreeSet<PieceIndex>,
    /// Pieces that we suggested and that it does not have yet; whether it has asked for them.
    pub(crate) promised: BTreeMap<PieceIndex, bool>,
    /// What it knows of our pieces, while it does not know of all (BEP 16).
    pub(crate) revealed: Option<Revealed>,
    /// Its hash requests that the shell works on.
    pub(crate) hash_reads: u32,
    /// Bytes of blocks we sent.
    pub(crate) rate: Rate,
}

/// What else is known of the far side, needed seldom.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) connected: Moment,
    /// Where else it can be dialled: there it was, when this connection was there already.
    pub(crate) dial_addresses: BTreeSet<SocketAddr>,
    /// What its extension handshakes said, all taken together (BEP 10).
    pub(crate) said: Option<ExtendedHandshake>,
    /// ... and the numbers that they gave to extensions that we know.
    pub(crate) numbers: Numbers,
    /// Extensions that we offered to it last (BEP 10).
    pub(crate) offered: Vec<Extension>,
    /// What it and we have told each other about other peers (BEP 11).
    pub(crate) acquaintances: Acquaintances,
    /// How much hole punching it has asked for (BEP 55).
    pub(crate) meddling: Meddling,
    /// The exchange of the info dictionary with it (BEP 9).
    pub(crate) metadata: MetadataExchange,
    /// Messages about pieces that came before the content was known.
    pub(crate) early: Early,
    /// DHT ports that it has told and that were passed on.
    pub(crate) dht_ports: u8,
    /// Useless messages so far.
    pub(crate) nuisance: u32,
    /// Since when neither side has needed anything.
    pub(crate) useless_since: Option<Moment>,
    /// When it last refused to give hashes, or was silent about them.
    pub(crate) refused_hashes: Option<Moment>,
    /// ... or piece layers.
    pub(crate) refused_layers: Option<Moment>,
}

/// One connection. Every `have`, the most frequent message of all, touches what lies in here; the rest is
/// boxed, so that the connections of a torrent lie close together.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    key: PeerKey,
    pub(crate) holdings: Holdings,
    /// When anything last came from it, and when we last sent anything.
    pub(crate) heard: Moment,
    pub(crate) spoke: Moment,
    pub(crate) permit: Permit,
    pub(crate) leech: Box<Leech>,
    pub(crate) supply: Box<Supply>,
    pub(crate) identity: Box<Identity>,
    pub(crate) about: Box<About>,
}

impl Peer {
    /// Takes one answer to a request for `block` that we took back; says whether one was owed.
    pub(crate) fn answers_withdrawn(&mut self, block: BlockRef) -> bool {
        let Some(owed) = self.leech.withdrawn.get_mut(&block) else { return false };
        *owed -= 1;
        if *owed == 0 {
            self.leech.withdrawn.remove(&block);
        }
        true
    }

    /// A connection that has just shaken hands about a torrent of `pieces` pieces.
    pub(crate) fn new(identity: Identity, pieces: u32, most_requests: usize, now: Moment) -> Self {
        let window = Duration::from_secs(1);
        Self {
            key: identity.key,
            heard: now,
            spoke: now,
            holdings: Holdings {
                has: Bitfield::empty(pieces),
                counted_as_seed: false,
                told: false,
                wanted: 0,
            },
            permit: Permit::default(),
            leech: Box::new(Leech {
                interested: false,
                requests: BTreeMap::new(),
                withdrawn: BTreeMap::new(),
                stray: 0,
                current: None,
                suggested: VecDeque::new(),
                suggests: false,
                refused: VecDeque::new(),
                exhausted: None,
                next_theft: now,
                pipeline: Pipeline::new(most_requests, now),
                rate: Rate::new(window),
            }),
            supply: Box::new(Supply {
                interested: false,
                unchoked: false,
                since: now,
                choke_pending: false,
                queue: VecDeque::new(),
                queued: 0,
                outstanding: 0,
                progress: now,
                sent_before: 0,
                allowed_fast: BTreeSet::new(),
                promised: BTreeMap::new(),
                revealed: None,
                hash_reads: 0,
                rate: Rate::new(window),
            }),
            identity: Box::new(identity),
            about: Box::new(About {
                connected: now,
                dial_addresses: BTreeSet::new(),
                said: None,
                numbers: Numbers::default(),
                offered: Vec::new(),
                acquaintances: Acquaintances::default(),
                meddling: Meddling::default(),
                metadata: MetadataExchange::default(),
                early: Early::default(),
                dht_ports: 0,
                nuisance: 0,
                useless_since: None,
                refused_hashes: None,
                refused_layers: None,
            }),
        }
    }

    /// The number of the connection.
    pub(crate) fn key(&self) -> PeerKey {
        self.key
    }

    /// Whom to blame for what it sends.
    pub(crate) fn sender(&self) -> Sender {
        Sender { peer: self.identity.key, peer_id: self.identity.peer_id, address: self.identity.address }
    }

    /// Whether it has every piece.
    pub(crate) fn is_complete(&self) -> bool {
        !self.holdings.has.is_empty() && self.holdings.has.is_full()
    }

    /// Whether it may ever want a piece of ours: neither complete nor, by its own word, content with the
    /// part that it has (BEP 21).
    pub(crate) fn wants_something(&self) -> bool {
        let content = self.about.said.as_ref().is_some_and(|said| said.upload_only);
        !self.is_complete() && (!content || self.supply.interested)
    }

    /// Whether it may be asked for one more block now.
    pub(crate) fn has_room(&self) -> bool {
        !self.permit.is_none() && self.leech.requests.len() < self.leech.pipeline.depth()
    }
}
