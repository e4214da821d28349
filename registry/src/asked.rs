//! What an operator may ask: what was ordered, what of it holds, and the rooms.

use shared::Moment;
use shared::control::RoomEntry;

use crate::operate::{Ban, Mute, Order, Removal};
use crate::registry::Registry;

impl Registry {
    /// The bans that hold at a time of day, for the operator.
    pub fn bans(&self, at: u64) -> Vec<Ban> {
        self.state().ledger.standing.bans(at).cloned().collect()
    }

    /// The mutes that hold at a time of day, for the operator.
    pub fn mutes(&self, at: u64) -> Vec<Mute> {
        self.state().ledger.standing.mutes(at).cloned().collect()
    }

    /// What may not be shared, for the operator.
    pub fn removals(&self) -> Vec<Removal> {
        self.state().ledger.standing.removals().cloned().collect()
    }

    /// What everyone is told who comes.
    pub fn motd(&self) -> Option<&str> {
        self.state().ledger.standing.motd.as_deref()
    }

    /// The last orders of operators, oldest first.
    pub fn orders(&self) -> Vec<Order> {
        self.state().ledger.standing.orders().cloned().collect()
    }

    /// The rooms, by name.
    pub fn rooms(&self) -> Vec<RoomEntry> {
        let decider = self.decider(Moment::START, 0);
        self.state().ledger.rooms.iter().map(|(_, room)| decider.room_entry(room, None)).collect()
    }
}
