//! Messages, and asking to be dialled.

use shared::PeerId;
use shared::control::{
    Answer, Code, ConnectBack, History, Message, Messages, Push, Receipt, ReceiptState, Refusal, Sent,
};

use super::{Decider, count, done};
use crate::addresses::for_asker;
use crate::command::{Decision, SessionKey, Urgency};
use crate::event::Event;
use crate::identity::MemberId;
use crate::ledger::{Known, Room, room_key};
use crate::members::Member;
use crate::talk::{Counts, With};

/// To all.
pub(crate) const ALL: &str = "*";
/// Receivers that an answer names at most.
const MAX_RECEIPTS: usize = 200;

/// Whom a message is for.
#[derive(Clone, Copy)]
enum To<'a> {
    All,
    Room(&'a Room),
    Here(&'a Member),
    Away(&'a Known),
}

impl<'a> To<'a> {
    /// As it is written.
    fn name(self) -> &'a str {
        match self {
            Self::All => ALL,
            Self::Room(room) => &room.name,
            Self::Here(member) => &member.nick,
            Self::Away(known) => &known.nick,
        }
    }

    fn peer(self) -> Option<PeerId> {
        match self {
            Self::All | Self::Room(_) => None,
            Self::Here(member) => Some(member.id.peer_id),
            Self::Away(known) => Some(known.peer),
        }
    }
}

/// What becomes of a message: for whom it is handed over now, how many have it when, and who has not.
#[derive(Default)]
struct Fate {
    sessions: Vec<SessionKey>,
    counts: Counts,
    receivers: Vec<Receipt>,
}

impl Fate {
    fn not_now(&mut self, nick: &str, state: ReceiptState) {
        match state {
            ReceiptState::Stored => self.counts.stored += 1,
            ReceiptState::Refused => self.counts.refused += 1,
            ReceiptState::Delivered => return,
        }
        if self.receivers.len() < MAX_RECEIPTS {
            self.receivers.push(Receipt { nick: nick.to_owned(), state, away: None });
        }
    }
}

impl Decider<'_> {
    pub(super) fn message(&self, member: &Member, message: Message) -> Decision {
        if let Some(refusal) = self.muted(member) {
            return Decision::refuse(refusal);
        }
        let to = match self.receiver(member, &message.to) {
            Ok(to) => to,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let before =
            message.nonce.as_deref().and_then(|nonce| self.state.talk.sent_before(member.id.peer_id, nonce));
        if let Some((id, counts)) = before {
            let state = if counts.stored > 0 { ReceiptState::Stored } else { ReceiptState::Delivered };
            let receipt = |_| Receipt { nick: to.name().to_owned(), state, away: None };
            return sent(id, counts, to.peer().map(receipt).into_iter().collect());
        }
        let fate = match self.fate(member, to, &message.text) {
            Ok(fate) => fate,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let counts = fate.counts;
        // What nobody gets was not said; in a room and to all it was, for whoever asks later.
        if to.peer().is_some() && counts.refused > 0 {
            return sent(0, counts, fate.receivers);
        }
        let id = self.state.talk.last() + 1;
        let mut decision = sent(id, counts, fate.receivers);
        let push = Push::Message {
            message: id,
            from: member.nick.clone(),
            to: to.name().to_owned(),
            text: message.text.clone(),
            at: self.at,
            late: false,
        };
        decision.deliver(fate.sessions, Urgency::Owed, push);
        decision.events.push(Event::Messaged {
            message: id,
            peer: member.id.peer_id,
            from: member.nick.clone(),
            to: to.name().to_owned(),
            receiver: to.peer(),
            text: message.text,
            nonce: message.nonce,
            delivered: counts.delivered,
            stored: counts.stored,
            refused: counts.refused,
            log: self.config.message_log,
            closed: matches!(to, To::Room(room) if room.lock.is_some()),
            at: self.at,
        });
        decision
    }

    /// Who gets a message now, later or not.
    fn fate(&self, from: &Member, to: To<'_>, text: &str) -> Result<Fate, Refusal> {
        let mut fate = Fate::default();
        // Asked once, however many receivers there are.
        let deaf = self.state.ledger.ignores.of(from.id.peer_id);
        let is_deaf = |peer: PeerId| deaf.is_some_and(|deaf| deaf.contains(&peer));
        match to {
            To::Here(receiver) if is_deaf(receiver.id.peer_id) => {
                fate.not_now(&receiver.nick, ReceiptState::Refused);
            }
            To::Here(receiver) => {
                fate.sessions.extend(receiver.session);
                let (nick, away) = (receiver.nick.clone(), receiver.away.clone());
                fate.receivers.push(Receipt { nick, state: ReceiptState::Delivered, away });
            }
            To::Away(known) if is_deaf(known.peer) => fate.not_now(&known.nick, ReceiptState::Refused),
            To::Away(known) if self.state.ledger.has_room_for(known.peer, text) => {
                fate.not_now(&known.nick, ReceiptState::Stored);
            }
            To::Away(known) => return Err(mail_is_full(known)),
            To::All => {
                for other in self.state.members.iter().filter(|other| other.id != from.id) {
                    match other.session {
                        Some(_) if is_deaf(other.id.peer_id) => {
                            fate.not_now(&other.nick, ReceiptState::Refused);
                        }
                        Some(session) => fate.sessions.push(session),
                        None => {}
                    }
                }
            }
            To::Room(room) => {
                fate.sessions.reserve(room.members.len());
                for (peer, here) in self.state.members.of_peers(room.members.keys().copied()) {
                    match here.and_then(|other| other.session) {
                        _ if peer == from.id.peer_id => {}
                        _ if is_deaf(peer) => fate.not_now(&self.nick_of(peer), ReceiptState::Refused),
                        Some(session) => fate.sessions.push(session),
                        None => fate.not_now(&self.nick_of(peer), ReceiptState::Stored),
                    }
                }
            }
        }
        fate.counts.delivered = count(fate.sessions.len());
        Ok(fate)
    }

    fn receiver(&self, member: &Member, name: &str) -> Result<To<'_>, Refusal> {
        if name == ALL {
            return Ok(To::All);
        }
        if name.starts_with('@') {
            return self.own_room(member, name).map(To::Room);
        }
        match self.state.members.of_nick(name) {
            Some(receiver) if receiver.session.is_none() => Err(cannot_chat(receiver)),
            Some(receiver) => Ok(To::Here(receiver)),
            None => self.state.ledger.of_nick(name).map(To::Away).ok_or_else(|| self.no_such_user(name)),
        }
    }

    /// A connection has what was kept for its peer.
    pub(super) fn collected(&self, session: SessionKey, up_to: u64) -> Decision {
        let mut decision = Decision::default();
        if let Some(member) = self.state.members.of_session(session) {
            let peer = member.id.peer_id;
            if self.state.unread(peer).is_some_and(|(first, _)| first <= up_to) {
                decision.events.push(Event::Collected { peer, up_to });
            }
        }
        decision
    }

    pub(super) fn history(&self, member: &Member, ask: &History) -> Decision {
        let with = match ask.with.as_deref() {
            None => Ok(With::Anybody),
            Some(ALL) => Ok(With::All),
            Some(name) if name.starts_with('@') => {
                self.own_room(member, name).map(|room| With::Room(room_key(&room.name)))
            }
            Some(nick) => self.whom(nick).map(|(peer, _)| With::Person(peer)),
        };
        let with = match with {
            Ok(with) => with,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let peer = member.id.peer_id;
        let rooms = self.state.ledger.rooms.of(peer).map(|(key, _)| key.clone());
        let messages = self.state.talk.history(peer, ask, &with, rooms);
        Decision::answer(Answer::Messages(Messages { messages }))
    }

    pub(super) fn connect_back(&self, member: &Member, back: &ConnectBack) -> Decision {
        let item = match self.item(&back.entry) {
            Ok((_, item)) => item,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let Some(other) = self.state.members.get(MemberId::session(back.peer_id)) else {
            return Decision::refuse(Self::no_such_peer(back.peer_id));
        };
        let addresses = for_asker(&member.addresses, other.asker());
        if addresses.is_empty() || other.id == member.id {
            let text = "there is no address at which you could be dialled";
            return Decision::refuse(Refusal::new(Code::BadField, text).advise("say your ports in hello"));
        }
        let mut decision = done();
        let push = Push::Dial {
            nick: member.nick.clone(),
            peer_id: member.id.peer_id,
            addresses,
            entry: item.about.entry.clone(),
        };
        decision.deliver(other.session.into_iter().collect(), Urgency::Owed, push);
        decision
    }
}

fn sent(message: u64, counts: Counts, receivers: Vec<Receipt>) -> Decision {
    let Counts { delivered, stored, refused } = counts;
    Decision::answer(Answer::Sent(Sent { message, delivered, stored, refused, receivers }))
}

fn mail_is_full(known: &Known) -> Refusal {
    let text = format!("{:?} is away, and no more messages can be kept", known.nick);
    Refusal::new(Code::TooMany, text).advise("write when that peer is back")
}

fn cannot_chat(receiver: &Member) -> Refusal {
    let text =
        format!("{:?} cannot chat: it is {}, which only exchanges files", receiver.nick, receiver.agent);
    Refusal::new(Code::CannotChat, text).advise("who")
}
