//! The brain of one torrent. No clock, no socket, no disk, no lock: time and dice are handed in.
//!
//! [`Torrent`] is driven by its shell in one way only: hand in one [`Input`] with
//! [`Torrent::handle_input`], take every [`Output`] from [`Torrent::poll_output`] until there is none
//! and do what it says, then wait for the next input or until [`Torrent::next_timeout`], which is
//! reported as [`Input::Timeout`]. The same inputs at the same moments with the same seed give the
//! same outputs.

mod address_map;
mod addresses;
pub mod announce;
mod availability;
mod choker;
pub mod config;
mod connections;
pub mod content;
mod dht_port;
mod dice;
mod download;
mod early;
mod extensions;
mod hashing;
mod holdings;
mod holepunch;
pub mod io;
mod layers;
mod lost;
#[cfg(feature = "measure")]
pub mod measure;
pub mod merkle;
mod messages;
mod metadata;
mod outbox;
mod peer;
mod peer_list;
mod peers;
mod pex;
mod picker;
mod piece_download;
mod pipeline;
mod private;
mod rate;
mod requests;
#[cfg(test)]
mod rig;
mod slots;
mod spread;
mod super_seed;
pub mod torrent;
mod turn;
mod upload;
mod verdict;
mod verify;
pub mod view;

pub use announce::Announcer;
pub use config::{SuperSeed, TorrentConfig};
pub use content::{Content, FileTree};
pub use io::{Alert, Breach, CloseReason, Command, DialFailure, Input, Output, PeerKey, PeerSource};
pub use torrent::{Torrent, TorrentStart};
pub use view::{KnownPeer, PeerView};
