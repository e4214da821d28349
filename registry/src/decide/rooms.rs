//! Rooms: who belongs to which, and who is told.

use rand::{Rng, RngExt as _};
use shared::control::{
    Absent, Answer, Code, Join, Joined, Leave, Push, Refusal, RoomChange, RoomEntry, RoomList, RoomLock,
    WhoIsHere,
};

use super::people::weight_of;
use super::{Decider, count, done};
use crate::command::{Decision, SessionKey, Urgency};
use crate::event::Event;
use crate::identity::MemberId;
use crate::ledger::{MAX_MEMBERS, MAX_ROOMS, MAX_ROOMS_OF, Room};
use crate::members::Member;
use crate::page::{fitting, weight};

impl Decider<'_> {
    pub(super) fn join(&self, member: &Member, ask: &Join, rng: &mut impl Rng) -> Decision {
        let (rooms, peer) = (&self.state.ledger.rooms, member.id.peer_id);
        if let Some(refusal) = self.is_guest(member, "belongs to no room") {
            return Decision::refuse(refusal);
        }
        let room = rooms.get(&ask.room);
        let (members, here) =
            room.map_or((0, 0), |room| (room.members.len(), self.sessions_in(room, member).len()));
        let name = room.map_or_else(|| ask.room.clone(), |room| room.name.clone());
        let is_in = room.is_some_and(|room| room.members.contains_key(&peer));
        let joined = |members: usize| {
            let (members, here) = (count(members), count(here) + 1);
            Decision::answer(Answer::Joined(Joined {
                room: name.clone(),
                members,
                here,
                created: room.is_none(),
            }))
        };
        if is_in {
            return joined(members);
        }
        let full = |text: String| {
            Decision::refuse(Refusal::new(Code::TooMany, text).advise("leave @room     or: rooms"))
        };
        if let Some(lock) = room.and_then(|room| room.lock.as_ref())
            && !ask.key.as_ref().is_some_and(|key| lock.opens(key))
        {
            return Decision::refuse(bad_key(&name, ask.key.is_some()));
        }
        if rooms.count_of(peer) >= MAX_ROOMS_OF {
            return full(format!("you are in {MAX_ROOMS_OF} rooms, which is the most"));
        }
        if members >= MAX_MEMBERS {
            return full(format!("{name} is full ({MAX_MEMBERS} people)"));
        }
        if room.is_none() && rooms.len() >= MAX_ROOMS {
            return full(format!("there are {MAX_ROOMS} rooms, which is the most"));
        }
        let mut decision = joined(members + 1);
        if let Some(room) = room {
            self.tell_room(&mut decision, room, member, RoomChange::Joined);
        }
        decision.events.push(Event::Entered {
            peer,
            nick: member.nick.clone(),
            room: name,
            has: self.state.talk.last(),
            // Who makes a room with a key closes it.
            lock: ask.key.as_ref().filter(|_| room.is_none()).map(|key| RoomLock::new(key, rng.random())),
            at: self.at,
        });
        decision
    }

    pub(super) fn leave_room(&self, member: &Member, ask: &Leave) -> Decision {
        let room = match self.own_room(member, &ask.room) {
            Ok(room) => room,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let mut decision = done();
        self.tell_room(&mut decision, room, member, RoomChange::Left);
        let (peer, nick, room) = (member.id.peer_id, member.nick.clone(), room.name.clone());
        decision.events.push(Event::Exited { peer, nick, room, at: self.at });
        decision
    }

    pub(super) fn rooms(&self, asker: &Member) -> Decision {
        let all = self.state.ledger.rooms.iter().map(|(_, room)| self.room_entry(room, Some(asker)));
        let rooms = fitting(all, |entry| 100 + weight(&entry.room));
        Decision::answer(Answer::Rooms(RoomList { rooms, total: count(self.state.ledger.rooms.len()) }))
    }

    /// A room as it is told.
    pub(crate) fn room_entry(&self, room: &Room, asker: Option<&Member>) -> RoomEntry {
        let here = |peer| self.state.members.get(MemberId::session(peer)).is_some();
        RoomEntry {
            room: room.name.clone(),
            members: count(room.members.len()),
            here: count(room.members.keys().filter(|peer| here(**peer)).count()),
            joined: asker.is_some_and(|asker| room.members.contains_key(&asker.id.peer_id)),
            kept: room.kept,
            closed: room.lock.is_some(),
        }
    }

    /// Who belongs to a room.
    pub(super) fn who_in(&self, asker: &Member, name: &str) -> Decision {
        let Some(room) = self.state.ledger.rooms.get(name) else {
            return Decision::refuse(self.no_such_room(name));
        };
        let (mut peers, mut absent) = (Vec::new(), Vec::new());
        for peer in room.members.keys() {
            if let Some(member) = self.state.members.get(MemberId::session(*peer)) {
                peers.push(self.person(member, asker));
            } else if let Some(known) = self.state.ledger.people.get(*peer) {
                absent.push(Absent { nick: known.nick.clone(), peer_id: known.peer, seen: known.seen });
            }
        }
        let total = count(room.members.len());
        peers.sort_by(|a, b| a.nick.cmp(&b.nick));
        absent.sort_by(|a, b| a.nick.cmp(&b.nick));
        // Both lists go into one line.
        let peers = fitting(peers.into_iter(), |person| 2 * weight_of(person));
        let absent = fitting(absent.into_iter(), |absent| 2 * (120 + weight(&absent.nick)));
        Decision::answer(Answer::WhoIsHere(WhoIsHere { peers, total, absent }))
    }

    /// A room that somebody belongs to, or why not.
    pub(super) fn own_room(&self, member: &Member, name: &str) -> Result<&Room, Refusal> {
        let room = self.state.ledger.rooms.get(name).ok_or_else(|| self.no_such_room(name))?;
        if room.members.contains_key(&member.id.peer_id) {
            return Ok(room);
        }
        let text = format!("you are not in {}", room.name);
        Err(Refusal::new(Code::NotInRoom, text).advise(format!("join {}", room.name)))
    }

    pub(super) fn no_such_room(&self, name: &str) -> Refusal {
        let shown: String = name.chars().take(64).collect();
        let mut refusal = Refusal::new(Code::NoSuchRoom, format!("there is no room {shown}"));
        refusal.near = self.state.ledger.rooms.near(&shown);
        refusal.advise(format!("rooms     or: join {shown}"))
    }

    /// The connections of a room's members who are here, but for one.
    pub(super) fn sessions_in(&self, room: &Room, except: &Member) -> Vec<SessionKey> {
        let others = room.members.keys().filter(|peer| **peer != except.id.peer_id);
        let members = others.filter_map(|peer| self.state.members.get(MemberId::session(*peer)));
        members.filter_map(|member| member.session).collect()
    }

    fn tell_room(&self, to: &mut Decision, room: &Room, member: &Member, change: RoomChange) {
        let push = Push::Room { room: room.name.clone(), nick: Some(member.nick.clone()), change };
        to.deliver(self.sessions_in(room, member), Urgency::Advisory, push);
    }

    /// Somebody for whom nothing is kept cannot have what lasts.
    pub(super) fn is_guest(&self, member: &Member, what: &str) -> Option<Refusal> {
        if self.state.ledger.people.get(member.id.peer_id).is_some() {
            return None;
        }
        let text = format!("a guest {what}: nothing is kept for one who will not come back");
        Some(Refusal::new(Code::Guest, text).advise("hello without `guest`"))
    }
}

fn bad_key(room: &str, is_said: bool) -> Refusal {
    let text = if is_said { format!("that is not the key of {room}") } else { format!("{room} is closed") };
    Refusal::new(Code::BadKey, text).advise(format!("join {room} KEY     (ask somebody who is in it)"))
}
