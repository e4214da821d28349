//! The ledger as the fewest events that make it again: what a journal is shortened to.

use crate::event::Event;
use crate::ledger::Ledger;
use crate::talk::Talk;

impl Ledger {
    /// Events whose fold is this ledger with nobody here, and what was said lately.
    pub(crate) fn checkpoint(&self, talk: &Talk) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .people
            .iter()
            .map(|known| Event::Known {
                peer: known.peer,
                nick: known.nick.clone(),
                first: known.first,
                seen: known.seen,
                is_named: self.of_nick(&known.nick).is_some_and(|owner| owner.peer == known.peer),
            })
            .collect();
        events.extend(self.shares.iter().map(|(key, holding)| Event::Catalogued {
            new: Box::new(holding.about.clone()),
            names: holding.names.clone(),
            holders: holding.holders.iter().copied().collect(),
            seen: self.seen(*key),
        }));
        events.extend(self.standing.events());
        let letters = self.mailboxes().flat_map(|(peer, mailbox)| {
            let fell_out = mailbox.iter().filter(|letter| !talk.has(letter.message));
            fell_out.map(move |letter| Talk::letter(letter, peer))
        });
        let mut messages: Vec<Event> = letters.chain(talk.events()).collect();
        messages.sort_by_key(|event| match event {
            Event::Messaged { message, .. } => *message,
            _ => 0,
        });
        for event in messages {
            let taken = match &event {
                Event::Messaged { receiver: Some(peer), message, .. } => {
                    let waits = self.mail(*peer).and_then(super::Mailbox::first);
                    waits.is_none_or(|first| *message < first).then_some((*peer, *message))
                }
                _ => None,
            };
            events.push(event);
            events.extend(taken.map(|(peer, up_to)| Event::Collected { peer, up_to }));
        }
        // After the messages: what somebody took of them must not count for the rooms.
        events.extend(self.rooms.events());
        events.extend(self.ignores.events());
        events.push(Event::Numbered { last: talk.last() });
        events
    }
}
