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
use crate::ledger::{Known, Mailbox};
use crate::members::Member;

/// To all.
pub(crate) const ALL: &str = "*";

/// Whom a message is for.
#[derive(Clone, Copy)]
enum To<'a> {
    All,
    Here(&'a Member),
    Away(&'a Known),
}

impl<'a> To<'a> {
    fn nick(self) -> Option<&'a str> {
        match self {
            Self::All => None,
            Self::Here(member) => Some(&member.nick),
            Self::Away(known) => Some(&known.nick),
        }
    }

    fn peer(self) -> Option<PeerId> {
        match self {
            Self::All => None,
            Self::Here(member) => Some(member.id.peer_id),
            Self::Away(known) => Some(known.peer),
        }
    }
}

impl Decider<'_> {
    pub(super) fn message(&self, member: &Member, message: Message) -> Decision {
        if let Some(refusal) = self.muted(member) {
            return Decision::refuse(refusal);
        }
        let to = match self.receiver(&message.to) {
            Ok(to) => to,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let sent = |message, delivered| {
            let stored = u64::from(delivered == 0 && !matches!(to, To::All));
            let state = if stored > 0 { ReceiptState::Stored } else { ReceiptState::Delivered };
            let receivers = to.nick().map(|nick| Receipt { nick: nick.to_owned(), state });
            let receivers = receivers.into_iter().collect();
            Decision::answer(Answer::Sent(Sent { message, delivered, stored, refused: 0, receivers }))
        };
        let before =
            message.nonce.as_deref().and_then(|nonce| self.state.talk.sent_before(member.id.peer_id, nonce));
        if let Some((id, delivered)) = before {
            return sent(id, delivered);
        }
        let sessions = match to {
            To::Here(receiver) => receiver.session.into_iter().collect(),
            To::All => self.state.members.sessions_except(member.id),
            To::Away(known) if self.state.ledger.has_room_for(known.peer, &message.text) => Vec::new(),
            To::Away(known) => return Decision::refuse(mail_is_full(known)),
        };
        let id = self.state.talk.next_id();
        let delivered = count(sessions.len());
        let mut decision = sent(id, delivered);
        let receiver = to.peer();
        let to = to.nick().unwrap_or(ALL).to_owned();
        let push = Push::Message {
            message: id,
            from: member.nick.clone(),
            to: to.clone(),
            text: message.text.clone(),
            at: self.at,
            late: false,
        };
        decision.deliver(sessions, Urgency::Owed, push);
        decision.events.push(Event::Messaged {
            message: id,
            peer: member.id.peer_id,
            from: member.nick.clone(),
            to,
            receiver,
            text: message.text,
            nonce: message.nonce,
            delivered,
            log: self.config.message_log,
            at: self.at,
        });
        decision
    }

    fn receiver(&self, nick: &str) -> Result<To<'_>, Refusal> {
        if nick == ALL {
            return Ok(To::All);
        }
        match self.state.members.of_nick(nick) {
            Some(receiver) if receiver.session.is_none() => Err(cannot_chat(receiver)),
            Some(receiver) => Ok(To::Here(receiver)),
            None => self.state.ledger.of_nick(nick).map(To::Away).ok_or_else(|| self.no_such_user(nick)),
        }
    }

    /// A connection has what was kept for its peer.
    pub(super) fn collected(&self, session: SessionKey, up_to: u64) -> Decision {
        let mut decision = Decision::default();
        if let Some(member) = self.state.members.of_session(session) {
            let peer = member.id.peer_id;
            let waits = self.state.ledger.mail(peer).and_then(Mailbox::first);
            if waits.is_some_and(|first| first <= up_to) {
                decision.events.push(Event::Collected { peer, up_to });
            }
        }
        decision
    }

    pub(super) fn history(&self, member: &Member, ask: &History) -> Decision {
        let with = match ask.with.as_deref() {
            None | Some(ALL) => None,
            Some(nick) => match self.state.members.of_nick(nick) {
                Some(other) => Some(other.id.peer_id),
                None => match self.state.ledger.of_nick(nick) {
                    Some(known) => Some(known.peer),
                    None => return Decision::refuse(self.no_such_user(nick)),
                },
            },
        };
        let messages = self.state.talk.history(member.id.peer_id, ask, with);
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

fn mail_is_full(known: &Known) -> Refusal {
    let text = format!("{:?} is away, and no more messages can be kept", known.nick);
    Refusal::new(Code::TooMany, text).advise("write when that peer is back")
}

fn cannot_chat(receiver: &Member) -> Refusal {
    let text =
        format!("{:?} cannot chat: it is {}, which only exchanges files", receiver.nick, receiver.agent);
    Refusal::new(Code::CannotChat, text).advise("who")
}
