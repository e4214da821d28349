//! Messages that one person has not taken yet, oldest first, bounded in number, bytes and age.
//!
//! What waits is always the newest of what was written: when there is no room, or time is over, the
//! oldest go. Whether a message for somebody who is away is taken at all is decided before.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::control::Past;

use crate::page::weight;

/// Messages that wait for one person.
pub(crate) const MAX_LETTERS: usize = 200;
/// Bytes that wait for one person: with the last answer they fit into an outbox.
pub(crate) const MAX_LETTER_BYTES: usize = 256 * 1024;
/// How long a message waits, in milliseconds: thirty days.
pub(crate) const MAX_LETTER_AGE: u64 = 30 * 24 * 3_600 * 1_000;

/// The mail of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mailbox {
    /// By id. Each is the same that lies in [`crate::talk::Talk`].
    letters: VecDeque<Arc<Past>>,
    bytes: usize,
}

impl Mailbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Past> {
        self.letters.iter().map(|letter| &**letter)
    }

    /// The id of the oldest that waits.
    pub(crate) fn first(&self) -> Option<u64> {
        self.letters.front().map(|letter| letter.message)
    }

    /// The id of the newest that waits.
    pub(crate) fn last(&self) -> Option<u64> {
        self.letters.back().map(|letter| letter.message)
    }

    /// Whether a message waits.
    pub(crate) fn has(&self, message: u64) -> bool {
        self.find(message).is_ok()
    }

    /// Bytes of all of it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one more of this text fits without losing another.
    pub(crate) fn has_room_for(&self, text: &str) -> bool {
        self.letters.len() < MAX_LETTERS && self.bytes + cost_of(text) <= MAX_LETTER_BYTES
    }

    /// One more; the oldest make room.
    pub(crate) fn put(&mut self, letter: Arc<Past>) {
        self.drop_before(letter.at.saturating_sub(MAX_LETTER_AGE));
        self.bytes += cost_of(&letter.text);
        match self.find(letter.message) {
            Err(place) => self.letters.insert(place, letter),
            Ok(place) => {
                if let Some(same) = self.letters.get_mut(place) {
                    self.bytes -= cost_of(&std::mem::replace(same, letter).text);
                }
            }
        }
        while self.letters.len() > MAX_LETTERS || self.bytes > MAX_LETTER_BYTES {
            self.drop_first();
        }
    }

    /// All up to this id were taken.
    pub(crate) fn take(&mut self, up_to: u64) {
        while self.first().is_some_and(|first| first <= up_to) {
            self.drop_first();
        }
    }

    /// The time of those before `at` is over.
    pub(crate) fn drop_before(&mut self, at: u64) {
        while self.letters.front().is_some_and(|letter| letter.at < at) {
            self.drop_first();
        }
    }

    /// Those whose text was not kept cannot be told any more.
    pub(crate) fn drop_empty(&mut self) {
        self.letters.retain(|letter| !letter.text.is_empty());
        self.bytes = self.letters.iter().map(|letter| cost_of(&letter.text)).sum();
    }

    fn drop_first(&mut self) {
        if let Some(letter) = self.letters.pop_front() {
            self.bytes -= cost_of(&letter.text);
        }
    }

    /// The place of an id, or where it would go: nearly always behind all others.
    fn find(&self, message: u64) -> Result<usize, usize> {
        if self.last().is_none_or(|last| last < message) {
            return Err(self.letters.len());
        }
        self.letters.binary_search_by_key(&message, |letter| letter.message)
    }
}

/// Bytes that a text will take in a line.
fn cost_of(text: &str) -> usize {
    200 + weight(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(message: u64, bytes: usize, at: u64) -> Arc<Past> {
        let (from, to, text) = ("ana".to_owned(), "bob".to_owned(), "x".repeat(bytes));
        Arc::new(Past { message, from, to, text, at })
    }

    #[test]
    fn the_newest_stay() {
        let mut mailbox = Mailbox::default();
        for id in 1..=300 {
            assert_eq!(mailbox.has_room_for("hi"), id <= 200);
            mailbox.put(letter(id, 2, id));
        }
        assert_eq!((mailbox.first(), mailbox.last(), mailbox.letters.len()), (Some(101), Some(300), 200));
        mailbox.take(299);
        assert_eq!(mailbox.iter().map(|letter| letter.message).collect::<Vec<_>>(), [300]);
        mailbox.take(300);
        assert_eq!(mailbox, Mailbox::default());
    }

    #[test]
    fn bytes_and_age_are_bounded() {
        let mut mailbox = Mailbox::default();
        for id in 1..=100 {
            mailbox.put(letter(id, 4_096, 1_000));
        }
        assert!(
            mailbox.letters.len() * 4_096 <= MAX_LETTER_BYTES && !mailbox.has_room_for(&"x".repeat(4_096))
        );
        mailbox.put(letter(101, 1, 1_001 + MAX_LETTER_AGE));
        assert_eq!(mailbox.first(), Some(101));
    }
}
