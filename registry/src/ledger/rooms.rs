//! Rooms, who belongs to each, and what of it each of them has.
//!
//! Somebody who is away belongs still. A room that nobody belongs to is gone, unless the operator made it.
//! What was said in a room lies in [`crate::talk::Talk`] once; here is only, for each member, the id up to
//! which it has it. Written by the ledger only.

use std::collections::{BTreeMap, BTreeSet};

use shared::PeerId;
use shared::control::RoomLock;

use crate::event::Event;
use crate::fold::{nearest, nick_key};

/// Rooms.
pub(crate) const MAX_ROOMS: usize = 1_000;
/// Rooms that one person belongs to.
pub(crate) const MAX_ROOMS_OF: usize = 32;
/// People who belong to one room.
pub(crate) const MAX_MEMBERS: usize = 5_000;

/// One room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// As it is written, with its `@`.
    pub(crate) name: String,
    /// Whether the operator made it.
    pub(crate) kept: bool,
    /// What is kept of its key; none for an open one.
    pub(crate) lock: Option<RoomLock>,
    /// Who belongs to it, and the message up to which each has what was said.
    pub(crate) members: BTreeMap<PeerId, u64>,
}

impl Room {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), kept: false, lock: None, members: BTreeMap::new() }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rooms {
    all: BTreeMap<String, Room>,
    of: BTreeMap<PeerId, BTreeSet<String>>,
    /// Rooms that are gone, whose messages are to be forgotten.
    gone: Vec<String>,
}

/// What tells rooms apart: as for nicks.
pub(crate) fn room_key(name: &str) -> String {
    nick_key(name.strip_prefix('@').unwrap_or(name))
}

impl Rooms {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Room> {
        self.all.get(&room_key(name))
    }

    /// By key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Room)> {
        self.all.iter()
    }

    /// Those that a person belongs to, by key.
    pub(crate) fn of(&self, peer: PeerId) -> impl Iterator<Item = (&String, &Room)> {
        let keys = self.of.get(&peer).into_iter().flatten();
        keys.filter_map(|key| self.all.get_key_value(key))
    }

    /// How many a person belongs to.
    pub(crate) fn count_of(&self, peer: PeerId) -> usize {
        self.of.get(&peer).map_or(0, BTreeSet::len)
    }

    /// Names like one that no room has.
    pub(crate) fn near(&self, name: &str) -> Vec<String> {
        nearest(name, self.all.values().map(|room| room.name.as_str()), 3)
    }

    /// Somebody belongs to a room from now on, and has all up to a message. A new one may have a lock.
    pub(crate) fn enter(&mut self, name: &str, peer: PeerId, has: u64, lock: Option<&RoomLock>) {
        let key = room_key(name);
        let new = || Room { lock: lock.cloned(), ..Room::new(name) };
        self.all.entry(key.clone()).or_insert_with(new).members.entry(peer).or_insert(has);
        self.of.entry(peer).or_default().insert(key);
    }

    /// Somebody belongs to a room no longer.
    pub(crate) fn exit(&mut self, name: &str, peer: PeerId) {
        self.exit_key(&room_key(name), peer);
    }

    fn exit_key(&mut self, key: &str, peer: PeerId) {
        if let Some(keys) = self.of.get_mut(&peer) {
            keys.remove(key);
            if keys.is_empty() {
                self.of.remove(&peer);
            }
        }
        let Some(room) = self.all.get_mut(key) else { return };
        room.members.remove(&peer);
        if room.members.is_empty() && !room.kept {
            self.all.remove(key);
            self.gone.push(key.to_owned());
        }
    }

    /// Somebody is not known any more.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        for key in self.of.get(&peer).cloned().unwrap_or_default() {
            self.exit_key(&key, peer);
        }
    }

    /// The operator made a room, or wants one to stay, or gives it a key.
    pub(crate) fn keep(&mut self, name: &str, lock: Option<&RoomLock>) {
        let room = self.all.entry(room_key(name)).or_insert_with(|| Room::new(name));
        room.kept = true;
        if lock.is_some() {
            room.lock = lock.cloned();
        }
    }

    /// The operator lets everybody in.
    pub(crate) fn open(&mut self, name: &str) {
        if let Some(room) = self.all.get_mut(&room_key(name)) {
            room.lock = None;
        }
    }

    /// The operator closed a room.
    pub(crate) fn close(&mut self, name: &str) {
        let key = room_key(name);
        let Some(room) = self.all.remove(&key) else { return };
        for peer in room.members.keys() {
            if let Some(keys) = self.of.get_mut(peer) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.of.remove(peer);
                }
            }
        }
        self.gone.push(key);
    }

    /// A person has all that was said up to a message.
    pub(crate) fn collected(&mut self, peer: PeerId, up_to: u64) {
        for key in self.of.get(&peer).into_iter().flatten() {
            if let Some(has) = self.all.get_mut(key).and_then(|room| room.members.get_mut(&peer)) {
                *has = (*has).max(up_to);
            }
        }
    }

    /// A room as a checkpoint tells it.
    pub(crate) fn set(&mut self, name: &str, kept: bool, members: &[(PeerId, u64)], lock: Option<&RoomLock>) {
        let key = room_key(name);
        for (peer, _) in members {
            self.of.entry(*peer).or_default().insert(key.clone());
        }
        let members = members.iter().copied().collect();
        self.all.insert(key, Room { kept, lock: lock.cloned(), members, ..Room::new(name) });
    }

    /// Events whose fold this is.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        self.all.values().map(|room| Event::Room {
            room: room.name.clone(),
            kept: room.kept,
            members: room.members.iter().map(|(peer, has)| (*peer, *has)).collect(),
            lock: room.lock.clone(),
        })
    }

    /// The keys of rooms that are gone since this was asked last.
    pub(crate) fn take_gone(&mut self) -> Vec<String> {
        std::mem::take(&mut self.gone)
    }
}
