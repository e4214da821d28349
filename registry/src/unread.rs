//! What waits for whom: mail for one person, and what was said in its rooms while it was away.

use std::collections::BTreeMap;

use shared::PeerId;
use shared::control::MessageLog;

use crate::command::SessionKey;
use crate::event::Event;
use crate::identity::MemberId;
use crate::ledger::{Mailbox, Room};
use crate::registry::Registry;
use crate::state::State;
use crate::talk::Said;

impl State {
    /// What was said in the rooms of a person that it does not have, of others whom it wants to hear; each
    /// room's newest first.
    pub(crate) fn missed(&self, peer: PeerId) -> impl Iterator<Item = &Said> {
        self.ledger.rooms.of(peer).flat_map(move |(key, room)| self.missed_in(key, room, peer))
    }

    /// The same of one room, newest first.
    fn missed_in(&self, key: &str, room: &Room, peer: PeerId) -> impl Iterator<Item = &Said> {
        let has = room.members.get(&peer).copied().unwrap_or(u64::MAX);
        self.talk.newer(key, has).filter(move |said| {
            // What a journal kept without its text cannot be told.
            said.from != peer && !said.past.text.is_empty() && !self.ledger.ignores.has(peer, said.from)
        })
    }

    /// The ids of the oldest and of the newest message that wait for a person.
    pub(crate) fn unread(&self, peer: PeerId) -> Option<(u64, u64)> {
        let mail = self.ledger.mail(peer);
        let mail = mail.and_then(|mailbox| Some((mailbox.first()?, mailbox.last()?)));
        let rooms = self.missed(peer).map(|said| (said.past.message, said.past.message));
        rooms.chain(mail).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Whether somebody still waits for a message.
    fn is_awaited(&self, event: &Event) -> bool {
        match event {
            Event::Messaged { message, receiver: Some(receiver), .. } => {
                self.ledger.mail(*receiver).is_some_and(|mailbox| mailbox.has(*message))
            }
            Event::Messaged { message, peer, to, .. } => {
                self.ledger.rooms.get(to).is_some_and(|room| {
                    room.members.iter().any(|(member, has)| member != peer && has < message)
                })
            }
            _ => false,
        }
    }

    /// What a journal may keep of a message under a policy: where text is not to be logged, only what
    /// somebody must still get.
    pub(crate) fn under(&self, policy: MessageLog, mut event: Event) -> Event {
        let is_awaited = policy == MessageLog::Full || self.is_awaited(&event);
        if let Event::Messaged { log, text, .. } = &mut event {
            *log = policy;
            if !is_awaited {
                text.clear();
            }
        }
        event
    }
}

impl Registry {
    /// Connections of peers for whom messages are kept, with the id of the newest. A message is kept
    /// until [`crate::Command::Collected`] says that the connection has it.
    pub fn unread(&self) -> Vec<(SessionKey, u64)> {
        let state = self.state();
        let session = |peer| state.members.get(MemberId::session(peer))?.session;
        let boxes = state.ledger.mailboxes();
        let mail = boxes.filter_map(|(peer, mailbox)| Some((session(peer)?, Mailbox::last(mailbox)?)));
        let mut unread: BTreeMap<SessionKey, u64> = mail.collect();
        for (key, room) in state.ledger.rooms.iter() {
            let Some(newest) = state.talk.newer(key, 0).next().map(|said| said.past.message) else {
                continue;
            };
            for (peer, _) in room.members.iter().filter(|(_, has)| **has < newest) {
                let Some(session) = session(*peer) else { continue };
                if let Some(said) = state.missed_in(key, room, *peer).next() {
                    let up_to = unread.entry(session).or_default();
                    *up_to = said.past.message.max(*up_to);
                }
            }
        }
        unread.into_iter().collect()
    }

    /// The id of the newest message that waits for the peer of a connection.
    pub fn unread_of(&self, session: SessionKey) -> Option<u64> {
        let member = self.state().members.of_session(session)?;
        self.state().unread(member.id.peer_id).map(|(_, newest)| newest)
    }
}
