//! What a search index outside of the registry is told of the catalog, and what it says when it was asked.
//!
//! The index is never believed: it names entries, and the registry says which of them may be seen and
//! what they are now. Called by the hub, which feeds the index and asks it outside of its lock.

use shared::InfoHash;
use shared::control::Kind;

/// Results that an index puts in order; those after them are counted only.
pub const MAX_RANKED: usize = 1_000;

/// A cursor is the number of an order times this, and a place in that order.
const PLACES: u64 = 1 << 14;

/// Where a page of results begins: a place in an order that the index remembers for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The order; 0 when there is none yet.
    pub order: u64,
    /// Entries before the page.
    pub place: usize,
}

impl Cursor {
    /// From the number that travels.
    pub fn from_number(number: u64) -> Self {
        Self { order: number / PLACES, place: usize::try_from(number % PLACES).unwrap_or(0) }
    }

    /// The number that travels; `None` beyond [`MAX_RANKED`], where no page begins.
    pub fn number(self) -> Option<u64> {
        let place = u64::try_from(self.place).ok().filter(|_| self.place <= MAX_RANKED)?;
        let number = self.order.checked_mul(PLACES)?.checked_add(place)?;
        Some(number).filter(|number| *number <= shared::control::MAX_NUMBER)
    }
}

/// An entry as an index needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The entry's first hash.
    pub key: InfoHash,
    /// All its names, the shown one first.
    pub names: Vec<String>,
    /// What sort of thing.
    pub kind: Kind,
    /// Bytes of all files.
    pub size: u64,
    /// Who has any of it and is here, with clients that have no name.
    pub sources: usize,
    /// The info dictionary, where it was asked for and the catalog has it.
    pub info: Option<Vec<u8>>,
}

/// One entry that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The entry's first hash.
    pub key: InfoHash,
    /// The path inside it that has the words, when its name has not all of them.
    pub path: Option<String>,
}

/// A page of what fits, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// The page; more than fits into an answer is told with the next one.
    pub page: Vec<Candidate>,
    /// Where the page begins.
    pub at: Cursor,
    /// How many fit in all.
    pub total: usize,
    /// Entries whose names are nearly so, when nothing fits.
    pub near: Vec<InfoHash>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_travels_as_a_number() {
        for cursor in
            [Cursor::default(), Cursor { order: 7, place: 50 }, Cursor { order: 1, place: MAX_RANKED }]
        {
            assert_eq!(Cursor::from_number(cursor.number().unwrap()), cursor);
        }
        assert_eq!(Cursor { order: 1, place: MAX_RANKED + 1 }.number(), None);
        assert_eq!(Cursor { order: u64::MAX, place: 0 }.number(), None);
        assert_eq!(Cursor::from_number(50), Cursor { order: 0, place: 50 });
    }
}
