//! Who comes and who goes.

use std::net::{IpAddr, SocketAddr};

use rand::{Rng, RngExt as _};
use shared::PeerId;
use shared::control::{
    Answer, Change, Code, Departure, Hello, Past, Policy, Push, Refusal, TrackerDescription, Welcome,
};

use super::{Decider, count, done};
use crate::addresses::accept;
use crate::command::{Decision, Door, SessionKey};
use crate::event::{Event, NewMember};
use crate::identity::{Mark, MemberId};
use crate::ledger::{MAX_LETTER_AGE, MAX_LETTER_BYTES, Mailbox};
use crate::members::Member;
use crate::talk::cost_of;

impl Decider<'_> {
    pub(super) fn hello(
        &self,
        session: SessionKey,
        address: SocketAddr,
        via: IpAddr,
        hello: &Hello,
        rng: &mut impl Rng,
    ) -> Decision {
        let members = &self.state.members;
        if let Some(member) = members.of_session(session) {
            let text = format!("this connection is already registered as {:?}", member.nick);
            return Decision::refuse(Refusal::new(Code::AlreadyRegistered, text));
        }
        if let Some(refusal) = self.banned(hello.peer_id, address.ip()) {
            let mut decision = Decision::refuse(refusal);
            decision.end(Some(session), None);
            return decision;
        }
        let old = members.get(MemberId::session(hello.peer_id));
        if old.is_none() && members.connected() >= self.config.max_members {
            let text = format!("the tracker is full ({} peers)", self.config.max_members);
            return Decision::refuse(Refusal::new(Code::TooManySessions, text));
        }
        // Mail for someone who is away must not look as if it were for another.
        let is_held = |nick: &str| self.state.ledger.is_held(nick, hello.peer_id);
        let Some(nick) = members.grant(&hello.nick, MemberId::session(hello.peer_id), is_held) else {
            let text = format!("{:?} and its numbers are taken", hello.nick);
            return Decision::refuse(Refusal::new(Code::NameTaken, text).advise("choose another nick"));
        };
        let member = NewMember {
            session: Some(session),
            door: Door::Json,
            mark: Mark::Session,
            token: format!("{:032x}", rng.random::<u128>()),
            addresses: accept(hello, address.ip()),
            nick,
            peer_id: hello.peer_id,
            address,
            via,
            agent: hello.agent.clone(),
            guest: hello.guest,
        };
        let mut online = members.len() + 1;
        let mut decision = Decision::default();
        // It announced before it came: one peer is one member.
        for twin in members.announcers(address.ip()) {
            if twin.id.peer_id == hello.peer_id && hello.ports.contains(&twin.address.port()) {
                online -= 1;
                self.leave(&mut decision, twin, Departure::Left, String::new(), online - 1);
            }
        }
        let mut resumed = false;
        if let Some(old) = old {
            online -= 1;
            resumed = hello.session.as_deref() == Some(old.token.as_str());
            if !resumed {
                let detail = "replaced by a new connection of the same peer".to_owned();
                self.leave(&mut decision, old, Departure::Lost, detail, online);
            }
            let reason = "this peer has a new connection".to_owned();
            decision.end(old.session, Some(Push::Bye { reason }));
        }
        decision.late = self.late(hello.peer_id, &member.nick);
        let missed = decision.late.len();
        decision.reply = Some(Ok(self.welcome(&member, hello, online, missed)));
        let at = self.at;
        if resumed {
            decision.events.push(Event::Resumed { member: Box::new(member), at });
        } else {
            let push = Push::PeerJoined { nick: member.nick.clone(), peer_id: member.peer_id };
            self.tell_others(&mut decision, member.id(), push);
            decision.events.push(Event::Joined { member: Box::new(member), at, online });
        }
        decision
    }

    /// What was kept for someone who comes back, in order: what is for it alone, and the newest of what was
    /// said in its rooms.
    fn late(&self, peer: PeerId, nick: &str) -> Vec<Push> {
        let oldest = self.at.saturating_sub(MAX_LETTER_AGE);
        let private = self.state.ledger.mail(peer).into_iter().flat_map(Mailbox::iter);
        let private = private.map(|letter| (letter, nick));
        let mut said: Vec<&Past> = self.state.missed(peer).map(|said| &*said.past).collect();
        said.sort_by_key(|past| std::cmp::Reverse(past.message));
        let mut bytes = 0;
        let said = said.into_iter().take_while(|past| {
            bytes += cost_of(past);
            bytes <= MAX_LETTER_BYTES
        });
        let said = said.map(|past| (past, past.to.as_str()));
        let mut all: Vec<(&Past, &str)> = private.chain(said).filter(|(past, _)| past.at >= oldest).collect();
        all.sort_by_key(|(past, _)| past.message);
        all.into_iter()
            .map(|(past, to)| Push::Message {
                message: past.message,
                from: past.from.clone(),
                to: to.to_owned(),
                text: past.text.clone(),
                at: past.at,
                late: true,
            })
            .collect()
    }

    fn welcome(&self, member: &NewMember, hello: &Hello, online: usize, missed: usize) -> Answer {
        let note = (member.nick != hello.nick)
            .then(|| format!("{:?} is in use on this tracker; you are {:?}", hello.nick, member.nick));
        Answer::Welcome(Box::new(Welcome {
            nick: member.nick.clone(),
            address: member.address,
            session: member.token.clone(),
            interval: self.config.heartbeat.as_secs().max(1),
            tracker: TrackerDescription {
                name: self.config.name.clone(),
                version: self.config.version.clone(),
                announce: self
                    .config
                    .announce_port
                    .map_or_else(Vec::new, |port| announce_urls(member.via, port)),
                time: self.at,
            },
            policy: Policy { message_log: self.config.message_log },
            online: count(online),
            missed: count(missed),
            note,
            motd: self.state.ledger.standing.motd.clone(),
        }))
    }

    pub(super) fn gone(&self, session: SessionKey, how: Departure, detail: String) -> Decision {
        let mut decision = Decision::default();
        if let Some(member) = self.state.members.of_session(session) {
            let online = self.state.members.len() - 1;
            self.leave(&mut decision, member, how, detail, online);
        }
        decision
    }

    pub(super) fn bye(&self, member: &Member, reason: Option<String>) -> Decision {
        let mut decision = done();
        let online = self.state.members.len() - 1;
        self.leave(&mut decision, member, Departure::Left, reason.unwrap_or_default(), online);
        decision.end(member.session, None);
        decision
    }

    pub(super) fn leave(
        &self,
        to: &mut Decision,
        member: &Member,
        how: Departure,
        detail: String,
        online: usize,
    ) {
        for key in &member.entries {
            if let Some(item) = self.state.catalog.get(*key)
                && let Some(source) = item.swarm.sources.get(&member.id)
            {
                self.tell_subscribers(to, item, member, source.have, Change::Left);
            }
        }
        self.say_left(to, member, how, detail, online);
    }

    /// That a member is gone, after all that it had is.
    pub(super) fn say_left(
        &self,
        to: &mut Decision,
        member: &Member,
        how: Departure,
        detail: String,
        online: usize,
    ) {
        let push = Push::PeerLeft { nick: member.nick.clone(), reason: how };
        self.tell_others(to, member.id, push);
        to.events.push(Event::Left {
            peer: member.id,
            nick: member.nick.clone(),
            how,
            detail,
            at: self.at,
            online,
        });
    }

    /// No one of that name is here.
    pub(super) fn no_such_user(&self, nick: &str) -> Refusal {
        let shown: String = nick.chars().take(64).collect();
        let mut refusal = Refusal::new(Code::NoSuchUser, format!("no one is called {shown:?}"));
        refusal.near = self.state.members.near(&shown);
        if refusal.near.is_empty() {
            refusal.near = self.state.ledger.people.near(&shown);
        }
        refusal.advice = Some("who".to_owned());
        refusal
    }

    /// No one with that id is here.
    pub(super) fn no_such_peer(peer: PeerId) -> Refusal {
        Refusal::new(Code::NoSuchUser, format!("no peer with the id {peer} is here")).advise("who")
    }
}

/// The announce URLs of a tracker at `ip`.
fn announce_urls(ip: IpAddr, port: u16) -> Vec<String> {
    let host = SocketAddr::new(ip.to_canonical(), port);
    ["http", "udp"].map(|scheme| format!("{scheme}://{host}/announce")).into()
}
