//! What one person shares, here or away: the request and its answer.

use serde::{Deserialize, Serialize};

use super::entry::Entry;

/// All that somebody shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Browse {
    /// Who.
    pub nick: String,
    /// Where the page before ended ([`Shelf::after`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Entries a page, 1 to 1,000; 200 when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// A page of what somebody shares, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// What the person is called.
    pub nick: String,
    /// Whether it is here.
    pub here: bool,
    /// When it was here last, or came, in milliseconds since 1970; 0 where that is not known.
    pub seen: u64,
    /// The page. Folders are looked into with `find`.
    pub entries: Vec<Entry>,
    /// How many there are in all.
    pub total: u64,
    /// Bytes of them all.
    pub bytes: u64,
    /// Ask with this `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}
