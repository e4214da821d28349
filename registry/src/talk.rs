//! What was said lately, and the marks that make it harmless to send a message again.
//!
//! A message lies here once and is in one or two lanes: what was said to all, what was said in a room,
//! what a person wrote or got. A lane holds the newest; a message that fell out of its lanes is gone, and
//! so are the oldest of all when there are too many.

mod backlog;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use shared::PeerId;
use shared::control::{History, MessageLog, Past};

use crate::event::Event;
use crate::ledger::room_key;
use crate::page::{fitting, weight};

use self::backlog::Backlog;

/// Messages to all that `history` can tell.
const MAX_TO_ALL: usize = 500;
/// Messages of one room, or of one person, that `history` can tell, and that wait for who is away.
pub(crate) const MAX_LANE: usize = 200;
/// Messages of all lanes together, and their bytes.
const MAX_SAID: usize = 50_000;
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Marks that are remembered, of all senders.
const MAX_MARKS: usize = 4_096;

/// How many got a message, get it later, and do not get it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) stored: u64,
    pub(crate) refused: u64,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The same that lies in a mailbox.
    pub(crate) past: Arc<Past>,
    pub(crate) from: PeerId,
    /// The one receiver; `None` for a room and for all.
    pub(crate) receiver: Option<PeerId>,
    counts: Counts,
    /// Lanes that it is in.
    lanes: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    peer: PeerId,
    nonce: String,
    message: u64,
    counts: Counts,
}

/// Whose messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    All,
    /// By key.
    Room(String),
    Person(PeerId),
}

/// The last messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Talk {
    said: Backlog,
    lanes: BTreeMap<Lane, VecDeque<u64>>,
    bytes: usize,
    marks: VecDeque<Mark>,
    last: u64,
}

impl Talk {
    /// The id of the newest message; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The id of the message that this sender marked so before, and what became of it.
    pub(crate) fn sent_before(&self, peer: PeerId, nonce: &str) -> Option<(u64, Counts)> {
        let found = self.marks.iter().rev().find(|mark| mark.peer == peer && mark.nonce == nonce);
        found.map(|mark| (mark.message, mark.counts))
    }

    /// Someone said something. Gives back the one receiver, if it has only one, and what lies here.
    pub(crate) fn add(&mut self, event: Event) -> Option<(Option<PeerId>, Arc<Past>)> {
        let Event::Messaged {
            message,
            peer,
            from,
            to,
            receiver,
            text,
            nonce,
            delivered,
            stored,
            refused,
            at,
            ..
        } = event
        else {
            return None;
        };
        let mut counts = Counts { delivered, stored, refused };
        if receiver.is_some() && counts == Counts::default() {
            // Events of old told only who got it.
            counts.stored = 1;
        }
        self.last = self.last.max(message);
        if let Some(nonce) = nonce {
            if self.marks.len() == MAX_MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back(Mark { peer, nonce, message, counts });
        }
        let lanes = match receiver {
            Some(receiver) if receiver == peer => [Some(Lane::Person(peer)), None],
            Some(receiver) => [Some(Lane::Person(peer)), Some(Lane::Person(receiver))],
            None if to.starts_with('@') => [Some(Lane::Room(room_key(&to))), None],
            None => [Some(Lane::All), None],
        };
        let count = 1 + u8::from(lanes.last().is_some_and(Option::is_some));
        let past = Arc::new(Past { message, from, to, text, at });
        self.bytes += cost_of(&past);
        let said = Said { past: Arc::clone(&past), from: peer, receiver, counts, lanes: count };
        if let Some(same) = self.said.insert(message, said) {
            self.bytes -= cost_of(&same.past);
        }
        for lane in lanes.into_iter().flatten() {
            self.put(lane, message);
        }
        while self.said.len() > MAX_SAID || self.bytes > MAX_BYTES {
            let Some(oldest) = self.said.pop_first() else { break };
            self.bytes -= cost_of(&oldest.past);
        }
        Some((receiver, past))
    }

    fn put(&mut self, lane: Lane, message: u64) {
        let limit = if lane == Lane::All { MAX_TO_ALL } else { MAX_LANE };
        let oldest = self.said.first().unwrap_or(0);
        let ids = self.lanes.entry(lane).or_default();
        // Those that are gone from everywhere.
        while ids.front().is_some_and(|id| *id < oldest) {
            ids.pop_front();
        }
        ids.push_back(message);
        let out = if ids.len() > limit { ids.pop_front() } else { None };
        if let Some(out) = out {
            self.drop_one(out);
        }
    }

    /// A message fell out of one lane.
    fn drop_one(&mut self, message: u64) {
        let Some(said) = self.said.get_mut(message) else { return };
        said.lanes = said.lanes.saturating_sub(1);
        if said.lanes == 0
            && let Some(said) = self.said.remove(message)
        {
            self.bytes -= cost_of(&said.past);
        }
    }

    /// A room is gone, and what was said there.
    pub(crate) fn drop_room(&mut self, key: String) {
        for message in self.lanes.remove(&Lane::Room(key)).unwrap_or_default() {
            self.drop_one(message);
        }
    }

    /// Ids go on behind this one.
    pub(crate) fn go_on_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// What points to messages that are gone is gone too.
    pub(crate) fn restart(&mut self) {
        let Self { said, lanes, marks, .. } = self;
        marks.retain(|mark| said.has(mark.message));
        lanes.retain(|_, ids| {
            ids.retain(|id| said.has(*id));
            !ids.is_empty()
        });
    }

    /// Whether a message is among the last ones.
    pub(crate) fn has(&self, message: u64) -> bool {
        self.said.has(message)
    }

    /// The messages of a room that are newer than `has`, newest first.
    pub(crate) fn newer(&self, room: &str, has: u64) -> impl Iterator<Item = &Said> {
        let lane = self.lanes.get(&Lane::Room(room.to_owned()));
        let ids = lane.into_iter().flatten().rev().take_while(move |id| **id > has);
        ids.filter_map(|id| self.said.get(*id))
    }

    /// A kept message as the event that it was; who sent it is no longer known.
    pub(crate) fn letter(letter: &Past, receiver: PeerId) -> Event {
        let counts = Counts { stored: 1, ..Counts::default() };
        Self::event(letter, PeerId([0; 20]), Some(receiver), None, counts)
    }

    /// The last messages as the events that they were, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        let marks: BTreeMap<u64, &str> =
            self.marks.iter().map(|mark| (mark.message, mark.nonce.as_str())).collect();
        self.said
            .iter()
            .map(|said| {
                let mark = marks.get(&said.past.message).copied();
                Self::event(&said.past, said.from, said.receiver, mark, said.counts)
            })
            .collect()
    }

    fn event(
        past: &Past,
        peer: PeerId,
        receiver: Option<PeerId>,
        mark: Option<&str>,
        counts: Counts,
    ) -> Event {
        Event::Messaged {
            message: past.message,
            peer,
            from: past.from.clone(),
            to: past.to.clone(),
            receiver,
            text: past.text.clone(),
            nonce: mark.map(str::to_owned),
            delivered: counts.delivered,
            stored: counts.stored,
            refused: counts.refused,
            log: MessageLog::Full,
            closed: false,
            at: past.at,
        }
    }

    /// What `peer` may read of it: what was said to all, in its rooms, to it, and by it; oldest first.
    pub(crate) fn history(
        &self,
        peer: PeerId,
        ask: &History,
        with: &With,
        rooms: impl Iterator<Item = String>,
    ) -> Vec<Past> {
        let limit = ask.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
        let lanes: Vec<Lane> = match with {
            With::Anybody => {
                let rooms = rooms.map(Lane::Room);
                [Lane::All, Lane::Person(peer)].into_iter().chain(rooms).collect()
            }
            With::All => vec![Lane::All],
            With::Room(key) => vec![Lane::Room(key.clone())],
            With::Person(_) => vec![Lane::Person(peer)],
        };
        let mut found: Vec<&Said> = Vec::new();
        for lane in lanes {
            let ids = self.lanes.get(&lane).into_iter().flatten().rev();
            let said = ids.filter_map(|id| self.said.get(*id)).filter(|said| {
                // What a journal kept without its text cannot be told.
                !said.past.text.is_empty()
                    && ask.before.is_none_or(|before| said.past.message < before)
                    && match with {
                        With::Person(other) => said.receiver == Some(*other) || said.from == *other,
                        _ => true,
                    }
            });
            found.extend(said.take(limit));
        }
        found.sort_by_key(|said| std::cmp::Reverse(said.past.message));
        found.truncate(limit);
        let found = found.into_iter().map(|said| Past::clone(&said.past));
        let mut found =
            fitting(found, |past| 200 + weight(&past.from) + weight(&past.to) + weight(&past.text));
        found.reverse();
        found
    }
}

/// Which part of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum With {
    /// All of it.
    Anybody,
    /// What was said to all.
    All,
    /// A room, by key.
    Room(String),
    /// One person.
    Person(PeerId),
}

/// Bytes that a message takes.
pub(crate) fn cost_of(past: &Past) -> usize {
    200 + past.from.len() + past.to.len() + weight(&past.text)
}
