//! Who has an entry: those with a name, and in proportion those without.

use rand::{Rng, RngExt as _};
use shared::control::{Answer, Code, Entry, Have, Refusal, Source, Sources, SourcesOf};
use shared::program::Program;

use super::Decider;
use crate::addresses::for_asker;
use crate::catalog::Item;
use crate::command::Decision;
use crate::crowd::{Stranger, share};
use crate::event::Event;
use crate::members::Member;
use crate::state::State;

/// Sources that one answer tells at most.
const MAX_WANT: usize = 200;

impl Decider<'_> {
    /// An entry as it is told.
    pub(super) fn entry(&self, item: &Item) -> Entry {
        self.state.entry(item, self.crowd)
    }

    /// At most `want` others that have any of an item, each equally likely, as `member` can reach them.
    pub(super) fn some_sources(
        &self,
        item: &Item,
        member: &Member,
        want: usize,
        rng: &mut impl Rng,
    ) -> Vec<Source> {
        let key = item.hashes.primary();
        let (full, others, _) = self.crowd.counts(key);
        let crowd = usize::try_from(full.saturating_add(others)).unwrap_or(usize::MAX);
        let named = if crowd == 0 { want } else { share(item.swarm.sources.len(), crowd, want) };
        let sample = item.swarm.sample(named, member.id, rng);
        let sources = sample.iter().filter_map(|peer| {
            let (other, source) = (self.state.members.get(*peer)?, item.swarm.sources.get(peer)?);
            Some(State::source(other, source.have, member.asker()))
        });
        let mut sources: Vec<Source> = sources.collect();
        if crowd > 0 {
            let rest = want.saturating_sub(sources.len());
            let strangers = self.crowd.sample(key, rest, rng.random()).into_iter();
            let strangers = strangers.filter(|stranger| stranger.peer_id != member.id.peer_id);
            sources.extend(strangers.map(|stranger| Self::stranger(&stranger, member)));
        }
        sources
    }

    /// One without a name, as it is told to `member`.
    fn stranger(stranger: &Stranger, member: &Member) -> Source {
        Source {
            nick: String::new(),
            peer_id: stranger.peer_id,
            addresses: for_asker(&[stranger.address], member.asker()),
            have: if stranger.is_full { Have::Full } else { Have::Pieces(0) },
            agent: Program::of(stranger.peer_id).agent(),
        }
    }

    pub(super) fn sources(&self, member: &Member, ask: &SourcesOf, rng: &mut impl Rng) -> Decision {
        let (key, item) = match self.item(&ask.entry) {
            Ok(found) => found,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let subscribed = member.subscriptions.contains(&key);
        if ask.subscribe && !subscribed && member.subscriptions.len() >= self.config.max_subscriptions {
            let text =
                format!("you follow {} entries already, which is the limit", member.subscriptions.len());
            return Decision::refuse(Refusal::new(Code::TooMany, text));
        }
        let want = usize::try_from(ask.want).unwrap_or(MAX_WANT).min(MAX_WANT);
        let Entry { entry, sources: total, full, .. } = self.entry(item);
        let mut decision = Decision::answer(Answer::Sources(Sources {
            entry,
            sources: self.some_sources(item, member, want, rng),
            total,
            full,
            subscribed: ask.subscribe,
        }));
        if ask.subscribe != subscribed {
            let (peer, wants) = (member.id, ask.subscribe);
            decision.events.push(Event::Subscribed { peer, key, wants });
        }
        decision
    }
}
