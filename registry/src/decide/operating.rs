//! The operator's orders: who is told, sent away, kept out or kept quiet.

use std::net::IpAddr;

use rand::{Rng, RngExt as _};
use shared::control::{
    Code, Departure, EntryId, MAX_NUMBER, MAX_TEXT, NameFault, Push, Refusal, RoomChange, RoomLock,
    check_room,
};
use shared::{InfoHash, InfoHashV2, InfoHashes, PeerId};

use super::{Decider, count, done};
use crate::command::{Decision, SessionKey, Urgency};
use crate::event::Event;
use crate::identity::MemberId;
use crate::ledger::{MAX_BANS, MAX_MUTES, MAX_REMOVALS, MAX_ROOMS};
use crate::members::Member;
use crate::operate::{Action, Ban, Deed, Order, Removal, Target, for_how_long};

/// Bytes of a reason.
const MAX_REASON: usize = 256;
/// Bytes of what those are told who come.
const MAX_MOTD: usize = 1_024;
/// Sharers of a removed entry that all others are told of.
const MAX_BY_NICK: usize = 8;
/// Bytes of the name of the way by which an order came.
const MAX_BY: usize = 64;

impl Decider<'_> {
    pub(super) fn operate(&self, by: String, action: Action, rng: &mut impl Rng) -> Decision {
        let decided = match bounded(&by, &action) {
            Err(refusal) => Err(refusal),
            Ok(()) => self.obey(action, rng.random()),
        };
        match decided {
            Err(refusal) => Decision::refuse(refusal),
            Ok((mut decision, deed)) => {
                // First the order, then those who leave because of it.
                decision.events.insert(0, Event::Operated { order: Order { by, at: self.at, deed } });
                decision
            }
        }
    }

    /// `salt` is random.
    fn obey(&self, action: Action, salt: u64) -> Result<(Decision, Deed), Refusal> {
        let standing = &self.state.ledger.standing;
        match action {
            Action::Say { text } => {
                let mut decision = done();
                let all = self.state.members.iter().filter_map(|member| member.session).collect();
                decision.deliver(all, Urgency::Owed, Push::Notice { text: text.clone() });
                Ok((decision, Deed::Said { text }))
            }
            Action::Motd { text } => Ok((done(), Deed::Motd { text })),
            Action::Mute { nick, millis, reason } => {
                let (peer, nick) = self.whom(&nick)?;
                if standing.mute(peer, self.at).is_none() {
                    room_for_one_more("mutes", standing.mutes(self.at).count(), MAX_MUTES)?;
                }
                let until = self.until(millis);
                let mut decision = done();
                let text = format!("you may not write here{}{}", for_how_long(until, self.at), why(&reason));
                decision.deliver(self.session_of(peer), Urgency::Owed, Push::Notice { text });
                Ok((decision, Deed::Muted { peer, nick, until, reason }))
            }
            Action::Unmute { nick } => {
                let found = standing.mutes(self.at).find(|mute| is_called(&mute.nick, &nick));
                let found = match found {
                    Some(mute) => Some(mute),
                    None => standing.mute(self.whom(&nick)?.0, self.at),
                };
                let Some(mute) = found else {
                    return Err(
                        Refusal::new(Code::NoSuchUser, format!("{nick:?} is not muted")).advise("bans")
                    );
                };
                let mut decision = done();
                let text = "you may write here again".to_owned();
                decision.deliver(self.session_of(mute.peer), Urgency::Owed, Push::Notice { text });
                Ok((decision, Deed::Unmuted { peer: mute.peer, nick: mute.nick.clone() }))
            }
            Action::Kick { nick, reason } => {
                let Some(member) = self.state.members.of_nick(&nick) else {
                    return Err(self.no_such_user(&nick));
                };
                let mut decision = done();
                self.send_away(&mut decision, &[member], &reason);
                let (peer, nick) = (member.id.peer_id, member.nick.clone());
                Ok((decision, Deed::Kicked { peer, nick, reason }))
            }
            Action::Ban { whom, millis, reason } => self.ban(&whom, millis, reason),
            Action::Unban { whom } => {
                let net = Target::net(&whom);
                let found = standing.bans(self.at).find(|ban| match &ban.target {
                    Target::Peer(_) => is_called(&ban.nick, &whom),
                    target @ Target::Net(_) => Some(target) == net.as_ref(),
                });
                let Some(Ban { target, nick, .. }) = found.cloned() else {
                    let shown: String = whom.chars().take(64).collect();
                    return Err(
                        Refusal::new(Code::NoSuchUser, format!("{shown:?} is not banned")).advise("bans")
                    );
                };
                Ok((done(), Deed::Unbanned { target, nick }))
            }
            Action::Remove { entry, reason } => self.remove(&entry, reason),
            Action::Restore { entry } => self.restore(&entry),
            Action::AddRoom { room, key } => self.add_room(&room, key.map(|key| RoomLock::new(&key, salt))),
            Action::OpenRoom { room } => self.open_room(&room),
            Action::DropRoom { room } => self.drop_room(&room),
        }
    }

    fn remove(&self, named: &str, reason: String) -> Result<(Decision, Deed), Refusal> {
        let id = EntryId(named.trim_start_matches('#').to_lowercase());
        let by_id = self.state.catalog.of_id(&id);
        let by_name = || {
            let mut fits = self.state.catalog.iter().filter(|(_, item)| item.about.name == named);
            fits.next().filter(|_| fits.next().is_none()).map(|(key, _)| *key)
        };
        let key = by_id.or_else(by_name);
        let Some((key, item)) = key.and_then(|key| Some((key, self.state.catalog.get(key)?))) else {
            let shown: String = named.chars().take(80).collect();
            let text = format!("no entry has the id or the whole name {shown:?}, or several have");
            return Err(Refusal::new(Code::NoSuchEntry, text).advise("shares"));
        };
        room_for_one_more("removed files", self.state.ledger.standing.removals().count(), MAX_REMOVALS)?;
        let (entry, name) = (item.about.entry.clone(), item.about.name.clone());
        let mut decision = done();
        let sharers = item.swarm.sources.keys().filter_map(|peer| self.state.members.get(*peer));
        let sharers: Vec<&Member> = sharers.filter(|member| member.session.is_some()).collect();
        let text = format!("the operator took {name:?} off the list{}", why(&reason));
        let told = sharers.iter().filter_map(|member| member.session).collect();
        decision.deliver(told, Urgency::Owed, Push::Notice { text });
        for member in sharers.iter().take(MAX_BY_NICK) {
            let push = Push::Unshared { nick: member.nick.clone(), entry: entry.clone(), name: name.clone() };
            self.tell_others(&mut decision, member.id, push);
        }
        decision.events.push(Event::Forgotten { key });
        let (v1, v2) = (item.hashes.get_v1(), item.hashes.get_v2());
        Ok((decision, Deed::Removed { entry, name, reason, v1, v2, root: item.about.root }))
    }

    fn restore(&self, named: &str) -> Result<(Decision, Deed), Refusal> {
        let id = named.trim_start_matches('#').to_lowercase();
        let hash = id.parse::<InfoHash>().ok();
        let is_it = |removal: &&Removal| {
            removal.entry.0 == id || removal.name == named || (hash.is_some() && removal.v1 == hash)
        };
        let mut fits = self.state.ledger.standing.removals().filter(is_it);
        let found = fits.next().filter(|_| fits.next().is_none());
        let Some((key, removal)) = found.and_then(|removal| Some((removal.key()?, removal))) else {
            let shown: String = named.chars().take(80).collect();
            let text =
                format!("nothing that was removed has the id or the whole name {shown:?}, or several have");
            return Err(Refusal::new(Code::NoSuchEntry, text).advise("bans"));
        };
        let name = removal.name.clone();
        let mut decision = done();
        let all = self.state.members.iter().filter_map(|member| member.session).collect();
        let text = format!("the operator lets {name:?} be shared again");
        decision.deliver(all, Urgency::Owed, Push::Notice { text });
        Ok((decision, Deed::Restored { key, name }))
    }

    /// Why content may not be shared, if so.
    pub(super) fn removed(&self, hashes: &InfoHashes, root: Option<InfoHashV2>) -> Option<Refusal> {
        let removal = self.state.ledger.standing.removal(hashes, root)?;
        let Removal { name, by, reason, .. } = removal;
        let text = format!("the operator ({by}) took {name:?} off the list{}", why(reason));
        Some(Refusal::new(Code::Removed, text).advise("ask the operator of the tracker"))
    }

    fn add_room(&self, room: &str, lock: Option<RoomLock>) -> Result<(Decision, Deed), Refusal> {
        let room = check_room(room).map_err(|fault| unfit(&fault))?;
        let rooms = &self.state.ledger.rooms;
        let room = match rooms.get(&room) {
            Some(known) if known.kept && lock.is_none() => {
                return Err(Refusal::new(Code::NameTaken, format!("{} is there already", known.name)));
            }
            Some(known) => known.name.clone(),
            None => {
                room_for_one_more("rooms", rooms.len(), MAX_ROOMS)?;
                room
            }
        };
        Ok((done(), Deed::AddedRoom { room, lock }))
    }

    fn open_room(&self, room: &str) -> Result<(Decision, Deed), Refusal> {
        let room = check_room(room).map_err(|fault| unfit(&fault))?;
        let known = self.state.ledger.rooms.get(&room).ok_or_else(|| self.no_such_room(&room))?;
        if known.lock.is_none() {
            let text = format!("{} is open already", known.name);
            return Err(Refusal::new(Code::BadField, text).advise("room list"));
        }
        Ok((done(), Deed::OpenedRoom { room: known.name.clone() }))
    }

    fn drop_room(&self, room: &str) -> Result<(Decision, Deed), Refusal> {
        let room = check_room(room).map_err(|fault| unfit(&fault))?;
        let room = self.state.ledger.rooms.get(&room).ok_or_else(|| self.no_such_room(&room))?;
        let here = |peer: &PeerId| self.state.members.get(MemberId::session(*peer))?.session;
        let sessions = room.members.keys().filter_map(here).collect();
        let room = room.name.clone();
        let mut decision = done();
        let push = Push::Room { room: room.clone(), nick: None, change: RoomChange::Closed };
        decision.deliver(sessions, Urgency::Owed, push);
        Ok((decision, Deed::DroppedRoom { room }))
    }

    fn ban(&self, whom: &str, millis: Option<u64>, reason: String) -> Result<(Decision, Deed), Refusal> {
        let (target, nick) = match Target::net(whom) {
            Some(net) => (net, String::new()),
            None => self.whom(whom).map(|(peer, nick)| (Target::Peer(peer), nick))?,
        };
        let standing = &self.state.ledger.standing;
        if standing.bans(self.at).all(|ban| ban.target != target) {
            room_for_one_more("bans", standing.bans(self.at).count(), MAX_BANS)?;
        }
        let hit: Vec<&Member> = self
            .state
            .members
            .iter()
            .filter(|member| target.hits(member.id.peer_id, member.address.ip()))
            .collect();
        let (until, cut) = (self.until(millis), count(hit.len()));
        let mut decision = done();
        let told = format!("banned{}{}", for_how_long(until, self.at), why(&reason));
        self.send_away(&mut decision, &hit, &told);
        Ok((decision, Deed::Banned { target, nick, until, reason, cut }))
    }

    /// Members leave, each with the reason as its last line.
    fn send_away(&self, to: &mut Decision, members: &[&Member], reason: &str) {
        let mut online = self.state.members.len();
        for member in members {
            online -= 1;
            self.leave(to, member, Departure::Kicked, reason.to_owned(), online);
            to.end(member.session, Some(Push::Kick { reason: reason.to_owned() }));
        }
    }

    /// The person of a nick, here or away.
    pub(super) fn whom(&self, nick: &str) -> Result<(PeerId, String), Refusal> {
        if let Some(member) = self.state.members.of_nick(nick) {
            return Ok((member.id.peer_id, member.nick.clone()));
        }
        let known = self.state.ledger.of_nick(nick).ok_or_else(|| self.no_such_user(nick))?;
        Ok((known.peer, known.nick.clone()))
    }

    /// Why a peer may not come, if so.
    pub(super) fn banned(&self, peer: PeerId, ip: IpAddr) -> Option<Refusal> {
        let ban = self.state.ledger.standing.ban(peer, ip, self.at)?;
        let whom = match ban.target {
            Target::Peer(_) => "you are",
            Target::Net(_) => "your address is",
        };
        let left = for_how_long(ban.until, self.at);
        let left = if left.is_empty() { left } else { format!("{left} more") };
        let text = format!("{whom} banned from this tracker{left}{}", why(&ban.reason));
        Some(Refusal::new(Code::Banned, text).advise("ask the operator of the tracker"))
    }

    /// Why a member may not write, if so.
    pub(super) fn muted(&self, member: &Member) -> Option<Refusal> {
        let mute = self.state.ledger.standing.mute(member.id.peer_id, self.at)?;
        let left = for_how_long(mute.until, self.at);
        let left = if left.is_empty() { left } else { format!("{left} more") };
        let text = format!("the operator does not let you write here{left}{}", why(&mute.reason));
        Some(Refusal::new(Code::Muted, text).advise("ask the operator of the tracker"))
    }

    /// The connection of a peer, if it is here.
    fn session_of(&self, peer: PeerId) -> Vec<SessionKey> {
        let member = self.state.members.get(MemberId::session(peer));
        member.and_then(|member| member.session).into_iter().collect()
    }

    fn until(&self, millis: Option<u64>) -> Option<u64> {
        millis.map(|millis| self.at.saturating_add(millis).min(MAX_NUMBER))
    }
}

fn unfit(fault: &NameFault) -> Refusal {
    Refusal::new(Code::BadName, format!("`room` {fault}"))
}

fn why(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn is_called(nick: &str, written: &str) -> bool {
    crate::fold::nick_key(nick) == crate::fold::nick_key(written)
}

fn room_for_one_more(what: &str, there: usize, limit: usize) -> Result<(), Refusal> {
    if there < limit {
        return Ok(());
    }
    Err(Refusal::new(Code::TooMany, format!("there are too many {what} (limit {limit})")))
}

/// Orders come from the operator, but through doors that strangers knock at too.
fn bounded(by: &str, action: &Action) -> Result<(), Refusal> {
    let (field, text, limit) = match action {
        Action::Say { text } if text.trim().is_empty() => {
            return Err(Refusal::new(Code::BadMessage, "`text` is empty"));
        }
        Action::Say { text } => ("text", text.as_str(), MAX_TEXT),
        Action::Motd { text } => ("text", text.as_deref().unwrap_or_default(), MAX_MOTD),
        Action::Mute { reason, .. }
        | Action::Kick { reason, .. }
        | Action::Remove { reason, .. }
        | Action::Ban { reason, .. } => ("reason", reason.as_str(), MAX_REASON),
        Action::Unmute { .. }
        | Action::Unban { .. }
        | Action::Restore { .. }
        | Action::AddRoom { .. }
        | Action::OpenRoom { .. }
        | Action::DropRoom { .. } => ("by", by, MAX_BY),
    };
    for (field, text, limit) in [(field, text, limit), ("by", by, MAX_BY)] {
        if text.len() > limit {
            let text = format!("`{field}` is too long ({} bytes, limit {limit})", text.len());
            return Err(Refusal::new(Code::TooLong, text));
        }
    }
    Ok(())
}
