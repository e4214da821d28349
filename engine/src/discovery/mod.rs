//! Finding peers of our torrents without being told by a tracker.

pub(crate) mod dht;
pub(crate) mod lsd;
pub(crate) mod memory;
