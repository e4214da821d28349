//! Every message that peers exchange after the handshake, as one enum.

use bytes::Bytes;

/// The bytes a `request`, `cancel`, `reject` or `piece` is about, as the far side wrote them:
/// nothing says yet that they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// Number of the piece.
    pub index: u32,
    /// Offset inside the piece, in bytes.
    pub begin: u32,
    /// How many bytes.
    pub length: u32,
}

/// What a `hash request`, `hashes` or `hash reject` is about (BEP 52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRange {
    /// Root of the file's merkle tree.
    pub pieces_root: [u8; 32],
    /// The layer asked for: 0 holds the hashes of 16 KiB blocks.
    pub base_layer: u32,
    /// First hash of that layer.
    pub index: u32,
    /// How many hashes of that layer.
    pub length: u32,
    /// How many layers of uncle hashes follow, counted from the base layer.
    pub proof_layers: u32,
}

/// One message of the peer wire protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// No bytes at all: the connection is alive (BEP 3).
    KeepAlive,
    /// I will not answer your requests (BEP 3).
    Choke,
    /// I will answer your requests (BEP 3).
    Unchoke,
    /// You have something that I want (BEP 3).
    Interested,
    /// You have nothing that I want (BEP 3).
    NotInterested,
    /// I have this piece, verified (BEP 3).
    Have(u32),
    /// All the pieces that I have, one bit each (BEP 3).
    Bitfield(Bytes),
    /// Send me these bytes (BEP 3).
    Request(Range),
    /// The bytes you asked for (BEP 3).
    Piece {
        /// Number of the piece.
        index: u32,
        /// Offset inside the piece, in bytes.
        begin: u32,
        /// The bytes themselves: a slice of what was read, never a copy.
        data: Bytes,
    },
    /// I do not need these bytes any more (BEP 3).
    Cancel(Range),
    /// UDP port of my DHT node (BEP 5).
    Port(u16),
    /// You might ask me for this piece (BEP 6).
    Suggest(u32),
    /// I have everything (BEP 6).
    HaveAll,
    /// I have nothing yet (BEP 6).
    HaveNone,
    /// I will not send these bytes (BEP 6).
    Reject(Range),
    /// You may ask for this piece even while choked (BEP 6).
    AllowedFast(u32),
    /// A message of an extension; 0 is the extension handshake itself (BEP 10).
    Extended {
        /// The number that the receiver gave to the extension.
        id: u8,
        /// What the extension says.
        payload: Bytes,
    },
    /// Send me hashes of a file's tree (BEP 52).
    HashRequest(HashRange),
    /// The hashes you asked for, 32 bytes each: the base layer, then the uncles (BEP 52).
    Hashes(HashRange, Bytes),
    /// I will not send these hashes (BEP 52).
    HashReject(HashRange),
    /// A kind we do not know: ignored and counted.
    Unknown(u8),
}
