//! The queue of outputs, and what every part needs to write into it.

use std::collections::VecDeque;

use shared::{Moment, Span};
use wire::{Message, Range};

use crate::io::{Alert, CloseReason, Output};
use crate::peer::Peer;

/// Outputs that the shell has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
}

impl Outbox {
    /// One thing more to do.
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// Something the person should know.
    pub(crate) fn alert(&mut self, alert: Alert) {
        self.push(Output::Alert(alert));
    }

    /// A message to `peer`.
    pub(crate) fn send(&mut self, peer: &mut Peer, message: Message, now: Moment) {
        peer.spoke = now;
        self.push(Output::Send { peer: peer.key(), message });
    }

    /// The end of the connection to `peer`.
    pub(crate) fn close(&mut self, peer: &Peer, reason: CloseReason) {
        self.push(Output::Close { peer: peer.key(), reason });
    }

    /// The oldest output.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}

/// A span as requests write it.
pub(crate) fn range_of(span: Span) -> Range {
    Range { index: span.piece().get(), begin: span.begin(), length: span.length() }
}
