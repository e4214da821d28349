//! What the far side did wrong while its bytes were read. The connection ends with it.

use thiserror::Error;

/// A breach of the wire format, with the offending value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// The first twenty bytes are not those of the protocol (BEP 3).
    #[error("not a BitTorrent handshake")]
    NotBitTorrent,
    /// The length prefix is larger than any message that is believed.
    #[error("message of {length} bytes announced, limit {limit}")]
    TooLong {
        /// What the prefix says, in bytes.
        length: u32,
        /// The most that is believed, in bytes.
        limit: u32,
    },
    /// The message cannot have this length.
    #[error("message {id} of {length} bytes has the wrong length")]
    WrongLength {
        /// The message's number.
        id: u8,
        /// Its length with the number, in bytes.
        length: u32,
    },
    /// The hashes of a `hashes` message are fewer or more than its head says (BEP 52).
    #[error("{bytes} bytes of hashes for {length} hashes")]
    WrongHashes {
        /// Bytes that came.
        bytes: usize,
        /// Hashes of the base layer that the head promises.
        length: u32,
    },
}
