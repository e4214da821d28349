//! What was said lately, and the marks that make it harmless to send a message again.

use std::collections::VecDeque;

use shared::PeerId;
use shared::control::{History, MessageLog, Past};

use crate::event::Event;
use crate::page::{fitting, weight};

/// Messages that `history` can tell.
const MAX_MESSAGES: usize = 1_000;
/// Marks that are remembered, of all senders.
const MAX_MARKS: usize = 4_096;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    past: Past,
    from: PeerId,
    receiver: Option<PeerId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    peer: PeerId,
    nonce: String,
    message: u64,
    delivered: u64,
}

/// The last messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Talk {
    said: VecDeque<Said>,
    marks: VecDeque<Mark>,
    last: u64,
}

impl Talk {
    /// The id of the next message.
    pub(crate) fn next_id(&self) -> u64 {
        self.last + 1
    }

    /// The id of the message that this sender marked so before, and how many it was delivered to.
    pub(crate) fn sent_before(&self, peer: PeerId, nonce: &str) -> Option<(u64, u64)> {
        let found = self.marks.iter().rev().find(|mark| mark.peer == peer && mark.nonce == nonce);
        found.map(|mark| (mark.message, mark.delivered))
    }

    /// Someone said something.
    pub(crate) fn add(
        &mut self,
        past: Past,
        from: PeerId,
        receiver: Option<PeerId>,
        mark: Option<(&str, u64)>,
    ) {
        self.last = self.last.max(past.message);
        if let Some((nonce, delivered)) = mark {
            if self.marks.len() == MAX_MARKS {
                self.marks.pop_front();
            }
            let nonce = nonce.to_owned();
            self.marks.push_back(Mark { peer: from, nonce, message: past.message, delivered });
        }
        if self.said.len() == MAX_MESSAGES {
            self.said.pop_front();
        }
        self.said.push_back(Said { past, from, receiver });
    }

    /// Whether a message is among the last ones.
    pub(crate) fn has(&self, message: u64) -> bool {
        self.said.front().is_some_and(|first| first.past.message <= message) && message <= self.last
    }

    /// A kept message as the event that it was; who sent it is no longer known.
    pub(crate) fn letter(letter: &Past, receiver: PeerId) -> Event {
        Self::event(letter, PeerId([0; 20]), Some(receiver), None)
    }

    /// The last messages as the events that they were.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mark_of = |message: u64| self.marks.iter().find(|mark| mark.message == message);
        self.said
            .iter()
            .map(|said| Self::event(&said.past, said.from, said.receiver, mark_of(said.past.message)))
            .collect()
    }

    fn event(past: &Past, peer: PeerId, receiver: Option<PeerId>, mark: Option<&Mark>) -> Event {
        Event::Messaged {
            message: past.message,
            peer,
            from: past.from.clone(),
            to: past.to.clone(),
            receiver,
            text: past.text.clone(),
            nonce: mark.map(|mark| mark.nonce.clone()),
            delivered: mark.map_or(0, |mark| mark.delivered),
            log: MessageLog::Full,
            at: past.at,
        }
    }

    /// What `peer` may read of it: what was said to all, to it, and by it; oldest first.
    pub(crate) fn history(&self, peer: PeerId, ask: &History, with: Option<PeerId>) -> Vec<Past> {
        let limit = ask.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
        let to_all = ask.with.as_deref() == Some("*");
        let found = self
            .said
            .iter()
            .rev()
            // What a journal kept without its text cannot be told.
            .filter(|said| !said.past.text.is_empty())
            .filter(|said| ask.before.is_none_or(|before| said.past.message < before))
            .filter(|said| said.receiver.is_none_or(|receiver| receiver == peer || said.from == peer))
            .filter(|said| match (to_all, &ask.with) {
                (true, _) => said.receiver.is_none(),
                (false, None) => true,
                (false, Some(_)) => {
                    said.receiver.is_some()
                        && with.is_some()
                        && (said.receiver == with || Some(said.from) == with)
                }
            })
            .take(limit)
            .map(|said| said.past.clone());
        let mut found =
            fitting(found, |past| 200 + weight(&past.from) + weight(&past.to) + weight(&past.text));
        found.reverse();
        found
    }
}
