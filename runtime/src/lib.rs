//! The one door to tokio, sockets, clocks and logs.
//!
//! Shells (tracker, engine, peer) come here for time, tasks, lines over a stream, socket options,
//! settings and logging, so that each of these is set up once and in one way. Nothing here knows
//! what a peer or a torrent is.

pub mod clock;
pub mod dht;
pub mod in_place;
pub mod lan;
pub mod lines;
pub mod multicast;
pub mod net;
pub mod outbox;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod spawn;
pub mod telemetry;
pub mod unacknowledged;

pub use clock::Clock;
pub use in_place::in_place;
pub use lines::{LineError, LineReader};
pub use outbox::{Left, Outbox, Overflow, SharedLine};
pub use shutdown::Shutdown;
pub use spawn::spawn;
