//! All that goes into the brain of a torrent and all that comes out.
//!
//! The shell reports what happened as [`Input`] and does what [`Output`] says. Nothing here acts.
//! Both sides name a connection by its [`PeerKey`], a number the shell gives and never gives twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use shared::{Bitfield, BlockRef, PeerId, PieceIndex, Span};
use wire::{HashRange, Message, Range};

use crate::content::Content;

/// One connection of one torrent. The shell counts them up; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u32);

/// How we came to know an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerSource {
    /// A tracker named it.
    Tracker,
    /// The person, or the tracker on behalf of a peer that we should dial back.
    Asked,
    /// It was written in a magnet link or kept from an earlier run.
    Remembered,
    /// Another peer told us (BEP 11).
    Exchange,
    /// It announced itself on the local network (BEP 14).
    LocalDiscovery,
    /// A distributed hash table (BEP 5).
    Dht,
}

impl PeerSource {
    /// Whether the torrent's own tracker or the person stands for it: the only sources that a private
    /// torrent takes (BEP 27).
    pub fn is_vouched(self) -> bool {
        matches!(self, Self::Tracker | Self::Asked)
    }

    /// One letter for a list of peers: T tracker, A asked, M magnet link or memory, X exchange, L local
    /// discovery, D distributed hash table.
    pub fn letter(self) -> char {
        match self {
            Self::Tracker => 'T',
            Self::Asked => 'A',
            Self::Remembered => 'M',
            Self::Exchange => 'X',
            Self::LocalDiscovery => 'L',
            Self::Dht => 'D',
        }
    }

    /// The source that a letter of [`Self::letter`] stands for.
    pub fn of_letter(letter: char) -> Option<Self> {
        let all =
            [Self::Tracker, Self::Asked, Self::Remembered, Self::Exchange, Self::LocalDiscovery, Self::Dht];
        all.into_iter().find(|source| source.letter() == letter)
    }
}

/// Why an address could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// It answered that nobody listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// Connected, but the handshake was wrong or for another torrent.
    Handshake,
    /// Any other failure of the network.
    Network,
}

/// What the person, or the shell on their behalf, wants of the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Neither download nor upload; connections are closed.
    Pause,
    /// Go on after [`Command::Pause`] or after a failed write.
    Resume,
    /// Close every connection and do nothing more.
    Stop,
    /// Another tracker speaks for the torrent from now on: a private torrent drops and forgets all peers
    /// (BEP 27); nothing happens to others.
    TrackerChanged,
}

/// One thing that happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection has shaken hands, in either direction.
    Connected {
        /// The new connection.
        peer: PeerKey,
        /// Who the far side says it is.
        peer_id: PeerId,
        /// The far end: where we dialled, or where the connection came from.
        address: SocketAddr,
        /// Whether we dialled it.
        outgoing: bool,
        /// Both sides speak the fast extension (BEP 6).
        fast: bool,
        /// Both sides speak the extension protocol (BEP 10).
        extended: bool,
        /// The far side answers hash requests (BEP 52).
        v2: bool,
        /// The far side runs a DHT node (BEP 5).
        dht: bool,
        /// The connection runs over uTP (BEP 29).
        utp: bool,
    },
    /// A connection ended, by the far side or after [`Output::Close`].
    Disconnected {
        /// The connection that is no more.
        peer: PeerKey,
    },
    /// A [`Output::Dial`] came to nothing.
    DialFailed {
        /// The address that was dialled.
        address: SocketAddr,
        /// What went wrong.
        reason: DialFailure,
    },
    /// A message came, of any kind but `piece`.
    Message {
        /// Who sent it.
        peer: PeerKey,
        /// The message.
        message: Message,
    },
    /// A `piece` message came.
    Block {
        /// Who sent it.
        peer: PeerKey,
        /// The bytes it is about, as the far side wrote them.
        range: Range,
        /// The bytes themselves.
        data: Bytes,
        /// The SHA-256 of `data`, when the torrent has a v2 tree and the range is exactly a block.
        leaf: Option<[u8; 32]>,
    },
    /// A [`Output::Write`] reached the file.
    Written {
        /// The block that was written.
        block: BlockRef,
    },
    /// A [`Output::Write`] failed.
    WriteFailed {
        /// The block that was not written.
        block: BlockRef,
        /// Whether the disk is full, as opposed to any other error.
        full: bool,
    },
    /// The answer to [`Output::HashPiece`].
    PieceHashed {
        /// The piece that was read back.
        piece: PieceIndex,
        /// Its SHA-1 (padding counted as zeros); `None` when it could not be read.
        sha1: Option<[u8; 20]>,
    },
    /// The answer to [`Output::DigestBlocks`].
    BlocksDigested {
        /// The piece that was read back.
        piece: PieceIndex,
        /// The SHA-256 of each block, in order; `None` when it could not be read.
        digests: Option<Vec<[u8; 32]>>,
    },
    /// A piece that was verified is not on disk any more as it was: it changed, or cannot be read.
    PieceLost {
        /// Which piece.
        piece: PieceIndex,
        /// Whether it is to be fetched again, and written where it was.
        again: bool,
    },
    /// A piece that was lost, and not fetched again, is on disk as it was.
    PieceFound {
        /// Which piece.
        piece: PieceIndex,
    },
    /// An [`Output::Upload`] has been handed to the network.
    Uploaded {
        /// To whom.
        peer: PeerKey,
        /// What.
        span: Span,
    },
    /// An [`Output::Upload`] could not be read from disk; nothing was sent.
    UploadFailed {
        /// For whom.
        peer: PeerKey,
        /// What.
        span: Span,
    },
    /// The answer to [`Output::ReadHashes`].
    HashesRead {
        /// Who asked.
        peer: PeerKey,
        /// What was asked.
        range: HashRange,
        /// The hashes and then the uncles, 32 bytes each; `None` when we have none.
        hashes: Option<Bytes>,
    },
    /// Addresses of peers of this torrent.
    PeersFound {
        /// Where they listen.
        addresses: Vec<SocketAddr>,
        /// Who told.
        source: PeerSource,
    },
    /// The content is known now: the answer to [`Output::InfoReceived`].
    ContentKnown {
        /// What the torrent holds.
        content: Arc<Content>,
        /// The pieces that are on disk already; none when the length does not fit.
        have: Bitfield,
    },
    /// The person wants something.
    Command(Command),
    /// The moment that `next_timeout` named has come (earlier or later is harmless).
    Timeout,
}

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect to this address and shake hands.
    Dial {
        /// Where somebody should be listening.
        address: SocketAddr,
    },
    /// End this connection. [`Input::Disconnected`] may follow, and is harmless then.
    Close {
        /// The connection.
        peer: PeerKey,
        /// Why, for the log.
        reason: CloseReason,
    },
    /// Send this message. Messages to one peer keep their order.
    Send {
        /// To whom.
        peer: PeerKey,
        /// What.
        message: Message,
    },
    /// Read these bytes and send them as a `piece` message; then report [`Input::Uploaded`].
    Upload {
        /// To whom.
        peer: PeerKey,
        /// Which bytes.
        span: Span,
    },
    /// Write this block where it belongs; then report [`Input::Written`].
    Write {
        /// Which block.
        block: BlockRef,
        /// Its bytes.
        data: Bytes,
    },
    /// Read the piece back and make its SHA-1 (padding counted as zeros).
    HashPiece {
        /// Which piece.
        piece: PieceIndex,
    },
    /// Read the piece back and make the SHA-256 of each of its blocks, to find out who lied.
    DigestBlocks {
        /// Which piece.
        piece: PieceIndex,
    },
    /// Answer a hash request (BEP 52) from the tree on disk with [`Input::HashesRead`].
    ReadHashes {
        /// Who asked.
        peer: PeerKey,
        /// What; it has been checked to lie inside a file's tree and to be of bounded length.
        range: HashRange,
    },
    /// This piece is written and verified. Told once for each piece, until it is lost.
    Verified {
        /// Which piece.
        piece: PieceIndex,
    },
    /// Every piece is written and verified. Told once, never for a torrent that starts complete; told
    /// again when the last of those that were lost and fetched again is there.
    Completed,
    /// The info dictionary came from peers and fits the info hash (BEP 9).
    InfoReceived {
        /// The dictionary as written.
        raw: Bytes,
    },
    /// Connect to this address by uTP and shake hands: its owner dials us at this moment (BEP 55).
    /// [`Input::Connected`] or [`Input::DialFailed`] follow as after [`Output::Dial`].
    Punch {
        /// The far end.
        address: SocketAddr,
    },
    /// A DHT node listens here, by the word of a peer (BEP 5).
    DhtNode {
        /// Its UDP address.
        address: SocketAddr,
    },
    /// The piece layers that the content came without are known and proven (BEP 52). Told once, all of
    /// them.
    PieceLayers {
        /// The hashes of all pieces of each file that has more than one, by the root of its tree.
        layers: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    },
    /// Something the person should know.
    Alert(Alert),
}

/// What the person should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// A peer sent a block that is provably false; it is not spoken to any more.
    Banned {
        /// Who, by its own word.
        peer_id: PeerId,
        /// From where.
        address: SocketAddr,
        /// The piece that the block belongs to.
        piece: PieceIndex,
        /// The false block, counted inside its piece.
        block: u32,
    },
    /// A piece did not have its hash and is fetched again.
    PieceFailed {
        /// Which piece.
        piece: PieceIndex,
    },
    /// A block could not be written: the torrent has stopped downloading until
    /// [`Command::Resume`].
    WriteFailed {
        /// The block.
        block: BlockRef,
        /// Whether the disk is full.
        full: bool,
    },
    /// An address could not be reached several times in a row.
    Unreachable {
        /// Which address.
        address: SocketAddr,
    },
}

/// Why we end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// We dialled ourselves.
    #[error("the far side is ourselves")]
    OwnPeerId,
    /// There is another connection to the same peer.
    #[error("already connected to this peer")]
    Duplicate,
    /// It sent a provably false block earlier.
    #[error("banned for a false block")]
    Banned,
    /// Neither side needs anything from the other.
    #[error("both sides are complete")]
    BothComplete,
    /// Nothing was heard for too long.
    #[error("nothing heard for too long")]
    Silent,
    /// There are as many connections as allowed.
    #[error("too many connections")]
    TooMany,
    /// The torrent is private and its tracker did not name this peer.
    #[error("not named by the tracker of a private torrent")]
    Private,
    /// Another tracker speaks for a private torrent now.
    #[error("the tracker of a private torrent has changed")]
    TrackerChanged,
    /// The torrent is paused.
    #[error("the torrent is paused")]
    Paused,
    /// What both sides have is told anew on a new connection: too much of it came, or would have to be
    /// sent, after the first message.
    #[error("connects anew to tell all pieces at once")]
    Anew,
    /// The torrent is being stopped.
    #[error("the torrent is stopped")]
    Stopped,
    /// The far side broke the protocol.
    #[error("protocol broken: {0}")]
    Breach(Breach),
}

/// How the far side broke the protocol, with the offending value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Wrong size or spare bits set.
    #[error("bitfield of {bytes} bytes does not fit {pieces} pieces")]
    Bitfield {
        /// Bytes that came.
        bytes: usize,
        /// Pieces of the torrent.
        pieces: u32,
    },
    /// A piece number outside the torrent.
    #[error("piece {index} of {pieces}")]
    NoSuchPiece {
        /// The number that came.
        index: u32,
        /// Pieces of the torrent.
        pieces: u32,
    },
    /// A request for more bytes than anybody may ask at once.
    #[error("request for {length} bytes")]
    OversizedRequest {
        /// Bytes asked for.
        length: u32,
    },
    /// Bytes that we did not ask for.
    #[error("piece {index} at {begin} for {length} bytes was not asked for")]
    NotAskedFor {
        /// Number of the piece.
        index: u32,
        /// Offset inside the piece.
        begin: u32,
        /// How many bytes.
        length: u32,
    },
    /// A message of the fast extension without having agreed on it.
    #[error("fast extension was not agreed on")]
    FastNotAgreed,
    /// A rejection of something that we did not ask for, again and again.
    #[error("rejects what was not asked for")]
    StrayReject,
    /// Hashes that we did not ask for or that do not lead to the root.
    #[error("hashes that prove nothing")]
    FalseHashes,
    /// Pieces of the info dictionary that do not fit the info hash (BEP 9).
    #[error("false pieces of the info dictionary")]
    FalseMetadata,
    /// Useless messages in such numbers that they are an attack.
    #[error("{count} useless messages")]
    Flood {
        /// How many came.
        count: u32,
    },
}
