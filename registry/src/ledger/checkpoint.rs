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
        events.extend(self.shares.iter().map(|(_, holding)| Event::Catalogued {
            new: Box::new(holding.about.clone()),
            names: holding.names.clone(),
            holders: holding.holders.iter().copied().collect(),
            seen: holding.seen,
        }));
        events.extend(self.standing.events());
        let older = self.mailboxes().flat_map(|(peer, mailbox)| {
            let fell_out = mailbox.iter().filter(|letter| !talk.has(letter.message));
            fell_out.map(move |letter| Talk::letter(letter, peer))
        });
        let mut older: Vec<Event> = older.collect();
        older.sort_by_key(|event| match event {
            Event::Messaged { message, .. } => *message,
            _ => 0,
        });
        events.extend(older);
        let said = talk.events();
        for event in &said {
            if let Event::Messaged { receiver: Some(peer), message, .. } = event {
                let waits = self.mail(*peer).and_then(super::Mailbox::first);
                if waits.is_none_or(|first| *message < first) {
                    events.push(event.clone());
                    events.push(Event::Collected { peer: *peer, up_to: *message });
                    continue;
                }
            }
            events.push(event.clone());
        }
        events
    }
}
