//! Announce and scrape over HTTP: what stands behind the `?`, and the bencoded answer.
//!
//! A query is raw bytes: `info_hash` and `peer_id` are twenty bytes that are no text, so no reader of
//! ordinary forms may see them first.

mod announce;
mod compact_reply;
mod head;
mod pairs;
mod reply;
mod scrape;

pub use announce::{AnnounceQuery, PeersForm};
pub use compact_reply::{CompactReply, decimal};
pub use head::{Asked, Head, MAX_HEADERS, MAX_TARGET};
pub use pairs::{MAX_PAIRS, MAX_QUERY, QueryError};
pub use reply::{DEFAULT_INTERVAL, Failure, HttpReply, MAX_TEXT, MAX_TRACKER_ID, ReplyError, Retry};
pub use scrape::{ScrapeQuery, ScrapeReply, scrape_url};

#[cfg(test)]
mod tests;
