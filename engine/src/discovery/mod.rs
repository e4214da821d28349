//! Finding peers of our torrents without being told by a tracker.

pub(crate) mod lsd;
