//! What a search index is told: which entries changed, and what they are. The index is fed outside of
//! the decisions, by the hub, and changes nothing here.

use std::collections::{BTreeMap, BTreeSet};

use shared::control::{Refusal, Search};
use shared::{InfoHash, Moment};

use super::Registry;
use crate::command::SessionKey;
use crate::event::Event;
use crate::listing::Listing;

impl Registry {
    /// From now on [`Self::touched`] tells what changes; and all that is listed now is to be taken in.
    pub fn follow(&mut self) -> Vec<InfoHash> {
        self.touched = Some(BTreeMap::new());
        self.state.catalog.iter().map(|(key, _)| *key).collect()
    }

    /// Entries that changed since the last call, each with whether more than its sources did.
    pub fn touched(&mut self) -> BTreeMap<InfoHash, bool> {
        self.touched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// An entry as an index needs it, with its info dictionary or without; `None` when it is not listed.
    pub fn listing(&self, key: InfoHash, with_info: bool) -> Option<Listing> {
        let item = self.state.catalog.get(key).filter(|item| item.about.listed)?;
        let shown = std::iter::once(item.about.name.clone());
        let others = item.search_names.iter().skip(1).cloned();
        Some(Listing {
            key,
            names: if with_info { shown.chain(others).collect() } else { Vec::new() },
            kind: item.about.kind,
            size: item.about.size,
            sources: item.sources(&self.crowd),
            info: item.about.info.clone().filter(|_| with_info),
        })
    }

    /// Notes which entries an event changes, while the state is still that before it.
    pub(super) fn touch(&mut self, event: &Event) {
        let Some(touched) = &mut self.touched else { return };
        let mut note = |key: InfoHash, anew: bool| *touched.entry(key).or_default() |= anew;
        match event {
            Event::Shared { key, new, info, alias, .. } => {
                note(*key, new.is_some() || info.is_some() || alias.is_some());
            }
            Event::Unshared { key, .. } | Event::Forgotten { key } | Event::Progressed { key, .. } => {
                note(*key, false);
            }
            Event::Left { peer, .. } => {
                if let Some(member) = self.state.members.get(*peer) {
                    member.entries.iter().for_each(|key| note(*key, false));
                }
            }
            _ => {}
        }
    }

    /// Notes that clients without a name came or went.
    pub(super) fn touch_crowd(&mut self, key: InfoHash) {
        if let Some(touched) = &mut self.touched
            && self.state.catalog.get(key).is_some_and(|item| item.about.listed)
        {
            touched.entry(key).or_default();
        }
    }

    /// Whether a connection may search now, which counts as a request of it; and the entries among which
    /// is to be searched when it asks for those of one person.
    pub fn admit_search(
        &mut self,
        session: SessionKey,
        search: &Search,
        now: Moment,
    ) -> Result<Option<BTreeSet<InfoHash>>, Refusal> {
        let admitted = self.admit_request(session, None, now).and_then(|()| {
            let decider = self.decider(now, 0);
            decider.member(session)?;
            Ok(decider.shares_of(search.by.as_deref())?.cloned())
        });
        self.refused += u64::from(admitted.is_err());
        admitted
    }
}
