//! Swarms of the very brains that ship, in virtual time: no sockets, no threads, no real clock.
//!
//! A [`world::World`] is driven by one seed; the same seed gives the same trace, so a failing seed is
//! a test case for ever. Bytes are not moved: each block is stood for by a made-up hash, over which
//! the trees of hashes are real.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

pub mod agenda;
pub mod content;
pub mod flash_crowd;
pub mod idleness;
pub mod network;
pub mod node;
pub mod scenario;
pub mod world;
