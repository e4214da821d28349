//! The state between two runs of the tracker: what comes back from a journal, and what goes into it.
//!
//! Called by the registry, before the first command and for a checkpoint.

use shared::InfoHash;

use crate::catalog::Catalog;
use crate::event::{Event, Milestone, NewEntry};
use crate::ledger::Dictionary;
use crate::members::Members;
use crate::state::{MAX_BY, State};

impl State {
    /// What the state will be after a restart at this moment.
    #[must_use]
    pub fn at_rest(&self, at: u64) -> Self {
        let mut rested = self.clone();
        rested.apply(&Event::Restarted { at });
        rested
    }

    /// An event of a journal: changes only what lasts. [`Event::Restarted`] ends the replay.
    pub(crate) fn replay(&mut self, event: Event) {
        self.ledger.apply(&event);
        self.forget_rooms();
        match event {
            Event::Joined { online, .. } => {
                self.sums.connects += 1;
                self.sums.most_online = self.sums.most_online.max(online);
            }
            Event::Progressed { milestone: Some(Milestone::Done { .. }), .. } => self.sums.completed += 1,
            Event::Messaged { .. } => self.say(event),
            Event::Numbered { last } => self.talk.go_on_from(last),
            Event::Tallied { sums } => self.sums = sums,
            _ => {}
        }
    }

    /// Something was said.
    pub(crate) fn say(&mut self, event: Event) {
        if let Some((Some(receiver), past)) = self.talk.add(event) {
            self.ledger.deliver(receiver, past);
        }
        self.sums.messages += 1;
    }

    /// What was said in rooms that are gone is forgotten.
    pub(crate) fn forget_rooms(&mut self) {
        for room in self.ledger.rooms.take_gone() {
            self.talk.drop_room(room);
        }
    }

    /// Nobody is here; the catalog lists what the ledger has, with those who had it last.
    pub(crate) fn restart(&mut self) {
        self.ledger.note_seen();
        let mut catalog = Catalog::default();
        for (key, holding) in self.ledger.shares.iter() {
            let before = self.catalog.get(*key).map(|item| &item.about);
            let info = before.and_then(|about| about.info.clone());
            let layers = before.and_then(|about| about.layers.clone());
            catalog.add(NewEntry { info, layers, ..holding.about.clone() });
            holding.names.iter().for_each(|name| catalog.add_name(*key, name));
            catalog.settle(*key, holding.seen);
        }
        self.catalog = catalog;
        self.members = Members::default();
        self.talk.restart();
        let keys: Vec<InfoHash> = self.ledger.shares.iter().map(|(key, _)| *key).collect();
        for key in keys {
            self.name_holders(key);
        }
    }

    /// An entry without sources tells who had it last.
    pub(crate) fn name_holders(&mut self, key: InfoHash) {
        if let (Some(item), Some(holding)) = (self.catalog.get_mut(key), self.ledger.shares.get(key)) {
            let known = holding.holders.iter().filter_map(|peer| self.ledger.people.get(*peer));
            item.last_by = known.take(MAX_BY).map(|known| known.nick.clone()).collect();
        }
    }

    /// The info dictionary of an entry, which a store keeps beside the events. Says whether there is
    /// such an entry.
    pub(crate) fn give_info(&mut self, kept: &Dictionary) -> bool {
        self.catalog.add_info(kept.key, &kept.info, kept.layers.as_deref());
        self.catalog.get(kept.key).is_some()
    }

    /// The fewest events whose fold is what lasts of this state.
    pub(crate) fn checkpoint(&self) -> Vec<Event> {
        let mut events = self.ledger.checkpoint(&self.talk);
        events.push(Event::Tallied { sums: self.sums });
        events
    }
}
