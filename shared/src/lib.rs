//! The vocabulary of Enjambre: nouns that at least two crates say.
//!
//! Nothing here does anything: no socket, clock, file, lock or thread. What a value of these types
//! promises holds for as long as it exists: a [`PieceIndex`] lies inside its [`Layout`], a
//! [`Bitfield`] has no spare bit set.

pub mod announce;
pub mod bencode;
pub mod bitfield;
pub mod control;
pub mod display;
pub mod id;
pub mod lsd;
pub mod magnet;
pub mod merkle;
pub mod metainfo;
pub mod moment;
pub mod path;
pub mod piece;
pub mod program;

pub use bitfield::Bitfield;
pub use id::{InfoHash, InfoHashV2, InfoHashes, PeerId};
pub use moment::Moment;
pub use piece::{BLOCK_LENGTH, BlockRef, Layout, PieceIndex, Span};
