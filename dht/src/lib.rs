//! The brain of one DHT node (BEP 5, BEP 32). No clock, no socket, no lock: time and dice are handed in.
//!
//! [`Node`] is driven by its shell as a torrent is: hand in a datagram or a wish, take every [`Output`]
//! from [`Node::poll_output`], then wait for the next datagram or until [`Node::next_timeout`]. Every
//! datagram is from a stranger: it is counted before it is read, and all that is kept of it has bounds.

mod contact;
mod flood;
pub mod krpc;
mod lookup;
pub mod node;
mod node_id;
mod queries;
mod store;
mod table;
mod token;

pub use node::{Node, NodeConfig, Output, Scope};
pub use node_id::NodeId;
