//! Messages, and asking to be dialled.

use shared::control::{
    Answer, Code, ConnectBack, History, Message, Messages, Push, Receipt, ReceiptState, Refusal, Sent,
};

use super::{Decider, count, done};
use crate::addresses::for_asker;
use crate::command::{Decision, Urgency};
use crate::event::Event;
use crate::identity::MemberId;
use crate::members::Member;

/// To all.
pub(crate) const ALL: &str = "*";

impl Decider<'_> {
    pub(super) fn message(&self, member: &Member, message: Message) -> Decision {
        let receiver = if message.to == ALL {
            None
        } else {
            match self.state.members.of_nick(&message.to) {
                Some(receiver) if receiver.session.is_none() => {
                    return Decision::refuse(cannot_chat(receiver));
                }
                Some(receiver) => Some(receiver),
                None => return Decision::refuse(self.no_such_user(&message.to)),
            }
        };
        let receivers: Vec<Receipt> = receiver
            .map(|receiver| Receipt { nick: receiver.nick.clone(), state: ReceiptState::Delivered })
            .into_iter()
            .collect();
        let sent = |message, delivered| {
            Decision::answer(Answer::Sent(Sent { message, delivered, stored: 0, refused: 0, receivers }))
        };
        let before =
            message.nonce.as_deref().and_then(|nonce| self.state.talk.sent_before(member.id.peer_id, nonce));
        if let Some((id, delivered)) = before {
            return sent(id, delivered);
        }
        let sessions = match receiver {
            Some(receiver) => receiver.session.into_iter().collect(),
            None => self.state.members.sessions_except(member.id),
        };
        let id = self.state.talk.next_id();
        let delivered = count(sessions.len());
        let mut decision = sent(id, delivered);
        let to = receiver.map_or_else(|| ALL.to_owned(), |receiver| receiver.nick.clone());
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
            receiver: receiver.map(|receiver| receiver.id.peer_id),
            text: message.text,
            nonce: message.nonce,
            delivered,
            log: self.config.message_log,
            at: self.at,
        });
        decision
    }

    pub(super) fn history(&self, member: &Member, ask: &History) -> Decision {
        let with = match ask.with.as_deref() {
            None | Some(ALL) => None,
            Some(nick) => match self.state.members.of_nick(nick) {
                Some(other) => Some(other.id.peer_id),
                None => return Decision::refuse(self.no_such_user(nick)),
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

fn cannot_chat(receiver: &Member) -> Refusal {
    let text =
        format!("{:?} cannot chat: it is {}, which only exchanges files", receiver.nick, receiver.agent);
    Refusal::new(Code::CannotChat, text).advise("who")
}
