//! Messages that one person has not taken yet, oldest first, bounded in number, bytes and age.
//!
//! What waits is always the newest of what was written: when there is no room, or time is over, the
//! oldest go. Whether a message for somebody who is away is taken at all is decided before.

use std::collections::BTreeMap;

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
    letters: BTreeMap<u64, Past>,
    bytes: usize,
}

impl Mailbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Past> {
        self.letters.values()
    }

    /// The id of the oldest that waits.
    pub(crate) fn first(&self) -> Option<u64> {
        self.letters.first_key_value().map(|(id, _)| *id)
    }

    /// The id of the newest that waits.
    pub(crate) fn last(&self) -> Option<u64> {
        self.letters.last_key_value().map(|(id, _)| *id)
    }

    /// Whether a message waits.
    pub(crate) fn has(&self, message: u64) -> bool {
        self.letters.contains_key(&message)
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
    pub(crate) fn put(&mut self, letter: Past) {
        self.drop_before(letter.at.saturating_sub(MAX_LETTER_AGE));
        self.bytes += cost_of(&letter.text);
        if let Some(same) = self.letters.insert(letter.message, letter) {
            self.bytes -= cost_of(&same.text);
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
        while self.letters.first_key_value().is_some_and(|(_, letter)| letter.at < at) {
            self.drop_first();
        }
    }

    /// Those whose text was not kept cannot be told any more.
    pub(crate) fn drop_empty(&mut self) {
        self.letters.retain(|_, letter| !letter.text.is_empty());
        self.bytes = self.letters.values().map(|letter| cost_of(&letter.text)).sum();
    }

    fn drop_first(&mut self) {
        if let Some((_, letter)) = self.letters.pop_first() {
            self.bytes -= cost_of(&letter.text);
        }
    }
}

/// Bytes that a text will take in a line.
fn cost_of(text: &str) -> usize {
    200 + weight(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(message: u64, bytes: usize, at: u64) -> Past {
        let (from, to, text) = ("ana".to_owned(), "bob".to_owned(), "x".repeat(bytes));
        Past { message, from, to, text, at }
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
