//! Bytes from strangers: one body for each decoder of the house, as a plain function of `&[u8]`.
//!
//! A body feeds the bytes in and checks the laws of what comes out; it panics when a law is broken.
//! `tests/corpus.rs` replays every file of `corpus/NAME/` and seeded mutations of it on stable Rust, in
//! every run; a fuzzer of one's choice can call the same bodies.

mod control;
mod dht;
mod mse;
pub mod mutate;
mod nouns;
mod private;
mod swarm;
mod tracker;
mod wire;

/// One decoder under fire.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in the corpus.
    pub name: &'static str,
    /// Takes any bytes; returns unless a law is broken.
    pub body: fn(&[u8]),
    /// Mutations are divided by this, so that dear targets take no longer than cheap ones.
    pub cost: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "bitfield", body: nouns::bitfield, cost: 1 },
    Target { name: "control_from_tracker", body: control::from_tracker, cost: 1 },
    Target { name: "control_request", body: control::request, cost: 1 },
    Target { name: "mse", body: mse::exchange, cost: 10 },
    Target { name: "torrent", body: swarm::torrent, cost: 20 },
    Target { name: "tracker_datagram", body: tracker::datagram, cost: 1 },
    Target { name: "tracker_head", body: tracker::head, cost: 1 },
    Target { name: "tracker_query", body: tracker::query, cost: 1 },
    Target { name: "tracker_reply", body: tracker::reply, cost: 1 },
    Target { name: "extended_handshake", body: wire::extended_handshake, cost: 1 },
    Target { name: "extended_text", body: wire::extended_text, cost: 4 },
    Target { name: "lt_donthave", body: wire::lt_donthave, cost: 1 },
    Target { name: "ut_holepunch", body: wire::ut_holepunch, cost: 1 },
    Target { name: "ut_metadata", body: wire::ut_metadata, cost: 1 },
    Target { name: "ut_pex", body: wire::ut_pex, cost: 1 },
    Target { name: "wire_handshake", body: wire::handshake, cost: 1 },
    Target { name: "wire_stream", body: wire::stream, cost: 1 },
    Target { name: "bencode", body: nouns::bencode, cost: 1 },
    Target { name: "display", body: nouns::display, cost: 1 },
    Target { name: "metainfo", body: nouns::metainfo, cost: 4 },
    Target { name: "known_peers", body: private::known_peers, cost: 1 },
    Target { name: "roster", body: private::roster, cost: 1 },
    Target { name: "path", body: nouns::path, cost: 1 },
    Target { name: "magnet", body: nouns::magnet, cost: 1 },
    Target { name: "lsd", body: nouns::lsd, cost: 1 },
    Target { name: "krpc", body: dht::krpc, cost: 1 },
    Target { name: "dht_node", body: dht::node, cost: 4 },
];
