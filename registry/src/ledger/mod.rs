//! What outlives the tracker's process: who was ever here, what they share, and the mail that waits.
//!
//! The ledger is the fold of the lasting events alone ([`Event::lasting`]), so a journal that holds
//! only those brings it back. Connections, swarms and subscriptions are not in it: peers bring them
//! again within seconds. Read by the decisions; written only by
//! [`Ledger::apply`] and [`Ledger::deliver`].

mod checkpoint;
mod ignores;
mod lasting;
mod mailbox;
mod people;
mod rooms;
mod shares;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::control::Past;
use shared::{InfoHash, PeerId};

pub(crate) use ignores::{Ignores, MAX_IGNORED};
pub use lasting::{Dictionary, Lasting};
pub(crate) use mailbox::{MAX_LETTER_AGE, MAX_LETTER_BYTES, Mailbox};
pub(crate) use people::{Known, People};
pub(crate) use rooms::{MAX_MEMBERS, MAX_ROOMS, MAX_ROOMS_OF, Room, Rooms, room_key};
pub(crate) use shares::Shares;
pub(crate) use standing::{MAX_BANS, MAX_MUTES, MAX_REMOVALS, Standing};

use crate::event::{Event, Milestone, NewMember};
use crate::identity::{Mark, MemberId};
use crate::operate::Deed;

/// Bytes of all mail that is kept.
const MAX_MAIL: usize = 64 * 1024 * 1024;

/// All that lasts, apart from what was said lately ([`crate::talk::Talk`]) and the sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) people: People,
    pub(crate) shares: Shares,
    pub(crate) standing: Standing,
    pub(crate) rooms: Rooms,
    pub(crate) ignores: Ignores,
    mail: BTreeMap<PeerId, Mailbox>,
    /// Bytes of all of it: the sum is asked for with each message to somebody who is away.
    mail_bytes: usize,
}

impl Ledger {
    /// Lets an event happen; one that does not last changes nothing.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Joined { member, at, .. } | Event::Resumed { member, at } if stays(member) => {
                let has_mail = |peer| self.mail.contains_key(&peer);
                if let Some(gone) = self.people.meet(member.peer_id, &member.nick, *at, has_mail) {
                    self.forget_person(gone);
                }
            }
            Event::Known { peer, nick, first, seen, is_named } => {
                self.people.know(*peer, nick, (*first, *seen), *is_named);
            }
            Event::Left { peer, at, .. } => {
                if let Some(peer) = person(*peer) {
                    self.people.leave(peer, *at);
                }
            }
            Event::Restarted { at } => self.restart(*at),
            Event::Shared { peer, key, new, alias, at, .. } => {
                if let Some(new) = new {
                    self.shares.add(new);
                }
                if let Some(alias) = alias {
                    self.shares.add_name(*key, alias);
                }
                self.hold_as(*peer, *key, *at);
            }
            Event::Catalogued { new, names, holders, seen } => {
                let Some(key) = self.shares.add(new) else { return };
                for name in names {
                    self.shares.add_name(key, name);
                }
                for peer in holders {
                    self.hold(*peer, key, *seen);
                }
            }
            Event::Progressed { peer, key, milestone: Some(Milestone::Done { .. }), at, .. } => {
                self.hold_as(*peer, *key, *at);
            }
            Event::Unshared { peer, key, sources, .. } => {
                if let Some(peer) = person(*peer) {
                    self.people.drop_share(peer, *key);
                    self.shares.drop_holder(*key, peer, self.people.seen(peer));
                }
                // Somebody who is away may still have it.
                if *sources == 0 && !self.shares.is_held(*key) {
                    self.forget_share(*key);
                }
            }
            Event::Forgotten { key } => self.forget_share(*key),
            Event::Collected { peer, up_to } => self.collected(*peer, *up_to),
            Event::Operated { order } => {
                match &order.deed {
                    Deed::AddedRoom { room, lock } => self.rooms.keep(room, lock.as_ref()),
                    Deed::OpenedRoom { room } => self.rooms.open(room),
                    Deed::DroppedRoom { room } => self.rooms.close(room),
                    _ => {}
                }
                self.standing.obey(order);
            }
            Event::Entered { peer, room, has, lock, .. } if self.people.get(*peer).is_some() => {
                self.rooms.enter(room, *peer, *has, lock.as_ref());
            }
            Event::Exited { peer, room, .. } => self.rooms.exit(room, *peer),
            Event::Room { room, kept, members, lock } => self.rooms.set(room, *kept, members, lock.as_ref()),
            Event::Ignored { peer, whom, ignores } if self.people.get(*peer).is_some() => {
                self.ignores.set(*peer, *whom, *ignores);
            }
            Event::Standing { motd, mutes, bans, removals } => {
                self.standing.set(motd.as_deref(), mutes, bans, removals);
            }
            _ => {}
        }
    }

    /// Somebody wrote to `receiver`, who may be somebody of whom nothing is kept.
    pub(crate) fn deliver(&mut self, receiver: PeerId, letter: Arc<Past>) {
        if self.people.get(receiver).is_some() {
            let mailbox = self.mail.entry(receiver).or_default();
            let before = mailbox.bytes();
            mailbox.put(letter);
            self.mail_bytes = self.mail_bytes + mailbox.bytes() - before;
        }
    }

    /// The mail of a person, oldest first.
    pub(crate) fn mail(&self, peer: PeerId) -> Option<&Mailbox> {
        self.mail.get(&peer)
    }

    /// Those for whom mail is kept.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = (PeerId, &Mailbox)> {
        self.mail.iter().map(|(peer, mailbox)| (*peer, mailbox))
    }

    /// Whether one more text can be kept for someone who is away.
    pub(crate) fn has_room_for(&self, peer: PeerId, text: &str) -> bool {
        self.mail_bytes <= MAX_MAIL && self.mail(peer).is_none_or(|mailbox| mailbox.has_room_for(text))
    }

    /// Who was called so last, here or away.
    pub(crate) fn of_nick(&self, nick: &str) -> Option<&Known> {
        self.people.of_nick(nick)
    }

    /// Whether a nick must not be given to `peer`: mail waits for somebody else who is called so.
    pub(crate) fn is_held(&self, nick: &str, peer: PeerId) -> bool {
        self.of_nick(nick).is_some_and(|known| known.peer != peer && self.mail.contains_key(&known.peer))
    }

    /// Whether somebody gives an entry, or gave it when it was here last.
    pub(crate) fn holds(&self, member: MemberId, key: InfoHash) -> bool {
        let known = person(member).and_then(|peer| self.people.get(peer));
        known.is_some_and(|known| known.shares.contains(&key))
    }

    fn hold_as(&mut self, member: MemberId, key: InfoHash, at: u64) {
        if let Some(peer) = person(member) {
            self.hold(peer, key, at);
        }
    }

    fn hold(&mut self, peer: PeerId, key: InfoHash, at: u64) {
        if self.people.get(peer).is_some() && self.shares.add_holder(key, peer, at) {
            self.people.add_share(peer, key);
        }
    }

    /// When somebody who has or had a share was here last: milliseconds since 1970. It is not written down for
    /// each share each time somebody goes, who may have thousands.
    pub(crate) fn seen(&self, key: InfoHash) -> u64 {
        self.shares.get(key).map_or(0, |holding| {
            let last = holding.holders.iter().map(|peer| self.people.seen(*peer)).max();
            holding.seen.max(last.unwrap_or(0))
        })
    }

    /// Writes down for each share what [`Self::seen`] says: at the end of a replay, as it looks at all of them.
    pub(crate) fn note_seen(&mut self) {
        self.shares.note_seen(|peer| self.people.seen(peer));
    }

    /// Nobody is here any more; what nobody holds is gone, and so is mail that nobody fetched in time.
    fn restart(&mut self, at: u64) {
        for peer in self.people.here() {
            self.people.leave(peer, at);
        }
        self.shares.drop_unheld();
        self.standing.expire(at);
        self.mail.retain(|_, mailbox| {
            mailbox.drop_before(at.saturating_sub(MAX_LETTER_AGE));
            mailbox.drop_empty();
            !mailbox.is_empty()
        });
        self.mail_bytes = self.mail.values().map(Mailbox::bytes).sum();
    }

    fn collected(&mut self, peer: PeerId, up_to: u64) {
        self.rooms.collected(peer, up_to);
        if let Some(mailbox) = self.mail.get_mut(&peer) {
            let before = mailbox.bytes();
            mailbox.take(up_to);
            self.mail_bytes = self.mail_bytes + mailbox.bytes() - before;
            if mailbox.is_empty() {
                self.mail.remove(&peer);
            }
        }
    }

    fn forget_share(&mut self, key: InfoHash) {
        for peer in self.shares.remove(key) {
            self.people.drop_share(peer, key);
        }
    }

    fn forget_person(&mut self, known: Known) {
        for key in known.shares {
            self.shares.drop_holder(key, known.peer, known.seen);
        }
        self.mail_bytes -= self.mail.remove(&known.peer).map_or(0, |mailbox| mailbox.bytes());
        self.rooms.forget(known.peer);
        self.ignores.forget(known.peer);
    }
}

/// Whether somebody who comes is to be remembered.
pub(crate) fn stays(member: &NewMember) -> bool {
    !member.guest && person(member.id()).is_some()
}

/// Who is known by the control protocol: a client that only announces proves nothing that would last.
pub(crate) fn person(member: MemberId) -> Option<PeerId> {
    (member.mark == Mark::Session).then_some(member.peer_id)
}
