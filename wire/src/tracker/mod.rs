//! What BitTorrent clients and trackers say to each other, for both sides: HTTP (BEP 3, 7, 23, 24,
//! 31, 48) and UDP (BEP 15).
//!
//! Bytes to the neutral nouns of [`shared::announce`] and back. No socket, no URL is opened here.
//! Called by the tracker's doors and by the engine's announcer.

pub mod compact;
pub mod http;
pub mod udp;
