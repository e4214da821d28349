//! Who is here, who hears whom, and who does not look.

use shared::control::{Answer, Away, Code, Ignore, Ignored, Person, Refusal, Unignore, Who, WhoIsHere};

use super::{Decider, count, done};
use crate::command::Decision;
use crate::event::Event;
use crate::ledger::MAX_IGNORED;
use crate::members::Member;
use crate::page::{fitting, weight};

impl Decider<'_> {
    pub(super) fn who(&self, asker: &Member, ask: &Who) -> Decision {
        if let Some(room) = &ask.room {
            return self.who_in(asker, room);
        }
        let mut peers: Vec<_> = self.state.members.iter().map(|member| self.person(member, asker)).collect();
        peers.sort_by(|a, b| a.nick.cmp(&b.nick));
        let total = count(peers.len());
        let peers = fitting(peers.into_iter(), weight_of);
        Decision::answer(Answer::WhoIsHere(WhoIsHere { peers, total, absent: Vec::new() }))
    }

    /// A member as it is told to another.
    pub(super) fn person(&self, member: &Member, asker: &Member) -> Person {
        let shared = member.entries.iter().filter_map(|key| {
            let item = self.state.catalog.get(*key).filter(|item| item.about.listed)?;
            let source = item.swarm.sources.get(&member.id)?;
            (source.sharer || source.have.is_full()).then_some(item.about.size)
        });
        let (shares, bytes) = shared.fold((0, 0_u64), |(n, sum), size| (n + 1, sum.saturating_add(size)));
        member.person(asker.asker(), shares, bytes)
    }

    pub(super) fn ignore(&self, member: &Member, ask: &Ignore) -> Decision {
        let peer = member.id.peer_id;
        let Some(nick) = &ask.nick else { return self.ignored(member) };
        if let Some(refusal) = self.is_guest(member, "ignores nobody") {
            return Decision::refuse(refusal);
        }
        let (whom, nick) = match self.whom(nick) {
            Ok(found) => found,
            Err(refusal) => return Decision::refuse(refusal),
        };
        if whom == peer {
            return Decision::refuse(Refusal::new(Code::BadField, "you cannot ignore yourself"));
        }
        let ignores = &self.state.ledger.ignores;
        let mut decision = self.ignored(member);
        if ignores.has(peer, whom) {
            return decision;
        }
        if ignores.by(peer).len() >= MAX_IGNORED {
            let text = format!("you ignore {MAX_IGNORED} people, which is the most");
            return Decision::refuse(Refusal::new(Code::TooMany, text).advise("unignore NICK"));
        }
        if let Some(Ok(Answer::Ignored(list))) = &mut decision.reply {
            list.ignored.push(nick);
            list.ignored.sort();
        }
        decision.events.push(Event::Ignored { peer, whom, ignores: true });
        decision
    }

    pub(super) fn unignore(&self, member: &Member, ask: &Unignore) -> Decision {
        let peer = member.id.peer_id;
        let found = self.whom(&ask.nick).ok();
        let Some((whom, nick)) = found.filter(|(whom, _)| self.state.ledger.ignores.has(peer, *whom)) else {
            let shown: String = ask.nick.chars().take(64).collect();
            let text = format!("you do not ignore {shown:?}");
            return Decision::refuse(Refusal::new(Code::NoSuchUser, text).advise("ignore     (lists them)"));
        };
        let mut decision = self.ignored(member);
        if let Some(Ok(Answer::Ignored(list))) = &mut decision.reply {
            list.ignored.retain(|other| *other != nick);
        }
        decision.events.push(Event::Ignored { peer, whom, ignores: false });
        decision
    }

    fn ignored(&self, member: &Member) -> Decision {
        let nicks = self.state.ledger.ignores.by(member.id.peer_id).map(|peer| self.nick_of(peer));
        let mut ignored: Vec<String> = nicks.collect();
        ignored.sort();
        Decision::answer(Answer::Ignored(Ignored { ignored }))
    }

    /// What a peer is called, or was called last.
    pub(super) fn nick_of(&self, peer: shared::PeerId) -> String {
        let known = self.state.ledger.people.get(peer);
        known.map_or_else(|| peer.to_string(), |known| known.nick.clone())
    }

    pub(super) fn away(member: &Member, ask: Away) -> Decision {
        let mut decision = done();
        let text = Some(ask.text.unwrap_or_default());
        if member.away != text {
            decision.events.push(Event::Away { peer: member.id, text });
        }
        decision
    }

    pub(super) fn back(member: &Member) -> Decision {
        let mut decision = done();
        if member.away.is_some() {
            decision.events.push(Event::Away { peer: member.id, text: None });
        }
        decision
    }
}

/// Bytes of a person in a line.
pub(super) fn weight_of(person: &Person) -> usize {
    let away = person.away.as_deref().map_or(0, weight);
    300 + weight(&person.nick) + weight(&person.agent) + 60 * person.addresses.len() + away
}
