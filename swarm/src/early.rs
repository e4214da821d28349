//! What one peer told about pieces before the content was known, kept for the moment when it is.
//!
//! What a message holds is a slice of the buffer that it was read into, which all connections share:
//! what is kept is a copy. Bounded in count and bytes; never looks whether what was told makes sense.

use bytes::Bytes;
use shared::Layout;
use wire::Message;

/// Messages that are kept.
const MOST: usize = 4096;
/// Bytes that they hold in all: the longest list there is, and some.
const MOST_BYTES: usize = Layout::MAX_PIECES as usize / 8 + 16 * 1024;

/// The early messages of one peer, in the order they came, with one list of pieces at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct Early {
    messages: Vec<Message>,
    /// Which of them is the list.
    list: Option<usize>,
    bytes: usize,
    /// There was more than is kept.
    pub(crate) lost: bool,
}

impl Early {
    /// Keeps `message`. A list that is not the first is joined with it: it adds pieces and takes none away.
    pub(crate) fn keep(&mut self, message: &Message) {
        let is_list = matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        let at = self.list.filter(|_| is_list);
        let before = at.and_then(|at| self.messages.get(at));
        let freed = before.map_or(0, held);
        if at.is_none() && self.messages.len() >= MOST || self.bytes - freed + held(message) > MOST_BYTES {
            self.lost = true;
            return;
        }
        let kept = match before {
            Some(before) => joined(before, message),
            None => copied(message),
        };
        self.bytes = self.bytes - freed + held(&kept);
        if let Some(place) = at.and_then(|at| self.messages.get_mut(at)) {
            *place = kept;
            return;
        }
        if is_list {
            self.list = Some(self.messages.len());
        }
        self.messages.push(kept);
    }

    /// Gives what was kept; whether something was lost stays known.
    pub(crate) fn take(&mut self) -> Vec<Message> {
        (self.list, self.bytes) = (None, 0);
        std::mem::take(&mut self.messages)
    }
}

/// Bytes that a message keeps beyond itself.
fn held(message: &Message) -> usize {
    match message {
        Message::Bitfield(bytes) | Message::Extended { payload: bytes, .. } => bytes.len(),
        _ => 0,
    }
}

fn copied(message: &Message) -> Message {
    match message {
        Message::Bitfield(bytes) => Message::Bitfield(Bytes::copy_from_slice(bytes)),
        Message::Extended { id, payload } => {
            Message::Extended { id: *id, payload: Bytes::copy_from_slice(payload) }
        }
        other => other.clone(),
    }
}

/// Two lists as one. Of two that differ in length one is wrong: the later counts.
fn joined(before: &Message, later: &Message) -> Message {
    match (before, later) {
        (Message::HaveAll, _) => Message::HaveAll,
        (before, Message::HaveNone) => before.clone(),
        (Message::Bitfield(before), Message::Bitfield(later)) if before.len() == later.len() => {
            Message::Bitfield(before.iter().zip(later).map(|(before, later)| before | later).collect())
        }
        (_, later) => copied(later),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Message {
        Message::Bitfield(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn what_is_kept_does_not_hold_the_buffer_it_was_read_into() {
        let mut early = Early::default();
        let buffer = Bytes::from(vec![0xff; 256 * 1024]);
        early.keep(&Message::Bitfield(buffer.slice(5..70_005)));
        early.keep(&Message::Bitfield(buffer.slice(70_010..140_010)));
        early.keep(&Message::Extended { id: 3, payload: buffer.slice(140_020..140_024) });
        assert!(buffer.is_unique());
    }

    #[test]
    fn later_lists_add_to_the_first_and_take_no_place() {
        let told = |messages: &[Message]| {
            let mut early = Early::default();
            for message in messages {
                early.keep(message);
            }
            assert!(!early.lost);
            early.take()
        };
        let have = Message::Have(7);
        assert_eq!(told(&[Message::HaveNone, have.clone(), list(&[1])]), [list(&[1]), have.clone()]);
        assert_eq!(told(&[list(&[1]), have.clone(), list(&[4])]), [list(&[5]), have.clone()]);
        assert_eq!(told(&[have.clone(), list(&[1]), Message::HaveNone]), [have, list(&[1])]);
        assert_eq!(told(&[list(&[1]), Message::HaveAll, list(&[2])]), [Message::HaveAll]);
        assert_eq!(told(&[list(&[1]), list(&[2, 3])]), [list(&[2, 3])], "one of them is wrong");
        assert_eq!(told(&vec![list(&[1]); MOST + 1]), [list(&[1])]);
    }

    #[test]
    fn what_is_kept_is_bounded_in_messages_and_bytes() {
        let mut early = Early::default();
        for piece in 0..=MOST {
            assert!(!early.lost);
            early.keep(&Message::Have(u32::try_from(piece).unwrap()));
        }
        assert!(early.lost);
        assert_eq!(early.take().len(), MOST);

        let mut early = Early::default();
        early.keep(&list(&vec![1; Layout::MAX_PIECES as usize / 8]));
        for _ in 0..16 {
            assert!(!early.lost);
            early.keep(&Message::Extended { id: 3, payload: vec![0; 1025].into() });
        }
        assert!(early.lost);
        let bytes: usize = early.take().iter().map(held).sum();
        assert!(bytes <= MOST_BYTES, "{bytes}");
    }
}
