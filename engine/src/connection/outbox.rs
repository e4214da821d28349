//! What waits to be sent to one peer: messages as bytes, and uploads that are read from disk when
//! their turn comes.
//!
//! The torrent task fills it and never waits; the writer empties it. It is bounded in bytes: a peer
//! that takes nothing while we have more to say is closed, see [`MOST_BYTES`].

use std::sync::{Arc, Mutex, PoisonError};

use shared::Span;
use tokio::sync::Notify;
use wire::Message;

use crate::connection::trace::Names;

/// The most bytes of messages that may wait, blocks not counted. A bitfield of the largest torrent
/// and thousands of `have` fit.
pub(crate) const MOST_BYTES: usize = 4 * 1024 * 1024;

/// One thing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// So many of the encoded bytes.
    Bytes(usize),
    /// A `piece` message with these bytes from disk.
    Upload(Span),
}

/// Things to send, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The encoded messages, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// What to send; the bytes of [`Item::Bytes`] follow each other in `bytes`.
    pub(crate) items: Vec<Item>,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Batch>,
    filled: Notify,
    /// What we call extensions.
    names: Arc<Names>,
}

impl Outbox {
    /// An empty one, which notes what we call extensions.
    pub(crate) fn new(names: Arc<Names>) -> Self {
        Self { names, ..Self::default() }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Batch> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message behind the others; `false` when too many bytes wait already.
    pub(crate) fn send(&self, message: &Message) -> bool {
        self.names.note(message);
        let mut waiting = self.waiting();
        let before = waiting.bytes.len();
        if before > MOST_BYTES {
            return false;
        }
        wire::codec::encode(message, &mut waiting.bytes);
        let more = waiting.bytes.len() - before;
        match waiting.items.last_mut() {
            Some(Item::Bytes(count)) => *count += more,
            _ => waiting.items.push(Item::Bytes(more)),
        }
        true
    }

    /// Puts an upload behind the others. How many may wait is the brain's bound.
    pub(crate) fn upload(&self, span: Span) {
        self.waiting().items.push(Item::Upload(span));
    }

    /// Wakes the writer; to be called once after several calls.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Everything that waits, when there is something.
    pub(crate) async fn take(&self) -> Batch {
        loop {
            let batch = std::mem::take(&mut *self.waiting());
            if !batch.items.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_keep_their_order_around_uploads() {
        let outbox = Outbox::default();
        let span = shared::Layout::new(100, 100).unwrap().span(0, 0, 50).unwrap();
        assert!(outbox.send(&Message::Choke) && outbox.send(&Message::Unchoke));
        outbox.upload(span);
        assert!(outbox.send(&Message::Have(1)));
        outbox.wake();
        let batch = outbox.take().await;
        assert_eq!(batch.items, [Item::Bytes(10), Item::Upload(span), Item::Bytes(9)]);
        assert_eq!(batch.bytes.len(), 19);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_noticed() {
        let outbox = Outbox::default();
        let sent = (0..2_000_000).take_while(|piece| outbox.send(&Message::Have(*piece))).count();
        assert_eq!(sent, MOST_BYTES / 9 + 1);
    }
}
