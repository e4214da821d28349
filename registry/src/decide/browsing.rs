//! What one person shares, here or away.

use std::collections::BTreeSet;

use shared::InfoHash;
use shared::control::{Answer, Browse, Shelf};

use super::{Decider, count};
use crate::catalog::Item;
use crate::command::Decision;
use crate::identity::MemberId;
use crate::page::{entry_weight, fitting};

/// Entries of a page when nobody says how many.
const PAGE: usize = 200;

impl Decider<'_> {
    pub(super) fn browse(&self, browse: &Browse) -> Decision {
        let member = self.state.members.of_nick(&browse.nick);
        let known = match member {
            Some(member) => self.state.ledger.people.get(member.id.peer_id),
            None => self.state.ledger.of_nick(&browse.nick),
        };
        let (nick, seen) = match (member, known) {
            (None, None) => return Decision::refuse(self.no_such_user(&browse.nick)),
            (Some(member), _) => (member.nick.clone(), member.since),
            (None, Some(known)) => (known.nick.clone(), known.seen),
        };
        let mut keys: BTreeSet<InfoHash> = BTreeSet::new();
        if let Some(member) = member {
            keys.extend(member.entries.iter().filter(|key| self.gives(member.id, **key)));
        }
        if let Some(known) =
            known.filter(|known| member.is_none_or(|member| member.id == MemberId::session(known.peer)))
        {
            keys.extend(&known.shares);
        }
        let items = keys.iter().filter_map(|key| self.state.catalog.get(*key));
        let mut items: Vec<&Item> = items.filter(|item| item.about.listed).collect();
        items.sort_by(|a, b| (&a.search_names, &a.about.entry).cmp(&(&b.search_names, &b.about.entry)));
        let start = browse.after.map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX));
        let limit = browse.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
        let page = items.iter().skip(start).take(limit).map(|item| self.entry(item));
        let entries = fitting(page, entry_weight);
        let end = start.saturating_add(entries.len());
        Decision::answer(Answer::Shelf(Shelf {
            nick,
            here: member.is_some(),
            seen,
            after: (end < items.len() && !entries.is_empty()).then(|| count(end)),
            entries,
            total: count(items.len()),
            bytes: items.iter().fold(0, |sum, item| item.about.size.saturating_add(sum)),
        }))
    }

    /// Whether somebody who is here gives an entry to others, not only fetches it.
    fn gives(&self, member: MemberId, key: InfoHash) -> bool {
        let source = self.state.catalog.get(key).and_then(|item| item.swarm.sources.get(&member));
        source.is_some_and(|source| source.sharer || source.have.is_full())
    }
}
