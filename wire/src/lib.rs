//! The BitTorrent wire: bytes to messages and back.
//!
//! Codecs only. No socket, no clock, no state beyond the bytes of one message; every length is
//! checked before anything is buffered or believed, and no input makes it panic.

pub mod codec;
pub mod extended;
pub mod handshake;
pub mod message;
pub mod mse;
pub mod text;
pub mod tracker;
pub mod violation;

pub use extended::ExtendedError;
pub use handshake::{HANDSHAKE_LENGTH, Handshake, Reserved};
pub use message::{HashRange, Message, Range};
pub use text::ExtendedText;
pub use violation::Violation;
