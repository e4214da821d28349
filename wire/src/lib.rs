//! The BitTorrent wire: bytes to messages and back.
//!
//! Codecs only. No socket, no clock, no state beyond the bytes of one message; every length is
//! checked before anything is buffered or believed, and no input makes it panic.

pub mod message;

pub use message::{HashRange, Message, Range};
