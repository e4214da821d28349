//! The extension protocol (BEP 10): what is inside a [`Message::Extended`].
//!
//! Each side numbers the extensions that it wants to *receive*; number 0 is the extension handshake
//! that tells those numbers. Nothing wrong in here ends a connection: the message is ignored and
//! counted, as other programs put into it what they like.
//!
//! [`Message::Extended`]: crate::message::Message::Extended

pub mod handshake;
pub mod lt_donthave;
pub mod ut_holepunch;
pub mod ut_metadata;
pub mod ut_pex;

use shared::bencode::DecodeError;
use thiserror::Error;

/// The number of the extension handshake.
pub const HANDSHAKE_ID: u8 = 0;

/// Why the payload of an extended message means nothing to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExtendedError {
    /// Not bencode.
    #[error("not bencode: {0}")]
    Bencode(#[from] DecodeError),
    /// Bencode, but no dictionary.
    #[error("not a dictionary")]
    NotDictionary,
    /// A key that must be there is not, or has another type.
    #[error("\"{key}\" is missing or of the wrong type")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A number outside of what can be.
    #[error("\"{key}\" is {value}")]
    BadNumber {
        /// The key.
        key: &'static str,
        /// What it says.
        value: i64,
    },
    /// A piece of the info dictionary that has another length than its place demands (BEP 9).
    #[error("metadata piece {piece} of {bytes} bytes, expected {expected}")]
    WrongLength {
        /// Number of the piece.
        piece: u32,
        /// Bytes that came.
        bytes: usize,
        /// Bytes that belong there.
        expected: usize,
    },
    /// A message that has another size than its kind demands, or ends too early.
    #[error("{bytes} bytes, expected {expected}")]
    WrongSize {
        /// Bytes that came.
        bytes: usize,
        /// Bytes that such a message has.
        expected: usize,
    },
    /// A list of compact addresses that does not end where an address ends (BEP 11).
    #[error("\"{key}\" of {bytes} bytes is no list of addresses of {each} bytes")]
    BrokenList {
        /// The key of the list.
        key: &'static str,
        /// Bytes that came.
        bytes: usize,
        /// Bytes of one address.
        each: usize,
    },
}
