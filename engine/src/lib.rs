//! The body of `swarm`: sockets, files, threads and the state that survives a restart.
//!
//! [`Session`] is the only face. It knows torrents, connections and bytes; nicknames and the tracker's
//! control protocol live above it. Who owns what, and the bound of each queue:
//!
//! * a torrent task (one for each torrent, no lock) owns `swarm::Torrent`; its inbox is bounded, and
//!   it never waits for anything but its inbox and its deadline;
//! * a connection has a reader and a writer task; the reader takes a permit of the receive memory
//!   before it reads, and the permit travels with the blocks until they are in the file, so a slow
//!   disk slows the reading of sockets and nothing piles up;
//! * disk threads do positioned reads and writes; their queue holds no more than the permits allow;
//! * the checkpoint task owns `download_status::Checkpointer` and writes what it says.

pub mod add;
pub mod alert;
pub mod announcer;
mod bandwidth;
mod checkpoint;
pub mod config;
mod connection;
mod content;
mod dialer;
mod discovery;
pub mod disk;
pub mod error;
pub mod fetch;
mod folder;
pub mod http;
mod listener;
pub mod options;
mod receive_memory;
mod resume;
pub mod session;
pub mod share;
mod shared_parts;
pub mod status;
mod torrent;
mod trackers;
mod workers;

pub use add::AddSource;
pub use alert::{Alert, StatusTrouble};
pub use announcer::{TrackerState, TrackerStatus};
pub use config::{DhtMode, MseMode, SessionConfig};
pub use connection::trace::{TraceDirection, TraceFilter, TraceLine};
pub use discovery::memory::tidied as tidied_known_peers;
pub use error::{AddError, CommandError, OsError, ShareError, StartError, TorrentError};
pub use options::{AddOptions, Added, Beginning, HashProgress, ShareNote, ShareOptions};
pub use session::Session;
pub use share::Shared;
pub use status::{Limits, PeerStatus, Progress, State, TorrentStatus};
pub use swarm::{PeerSource, SuperSeed};
