//! What the operator ordered: what of it holds, and the last orders themselves, for whoever asks who did
//! what and why.
//!
//! What is over is dropped with the next order or restart; until then it only looks as if it held, so
//! every question takes the time. Written by the ledger only.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;
use shared::{InfoHash, InfoHashV2, InfoHashes, PeerId};

use crate::catalog::names;
use crate::event::Event;
use crate::operate::{Ban, Deed, Mute, Order, Removal, Target};

/// Bans that hold at once.
pub(crate) const MAX_BANS: usize = 1_000;
/// People who may not write at once.
pub(crate) const MAX_MUTES: usize = 1_000;
/// Contents that may not be shared.
pub(crate) const MAX_REMOVALS: usize = 1_000;
/// Orders that are remembered.
const MAX_ORDERS: usize = 1_000;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What everyone is told who comes.
    pub(crate) motd: Option<String>,
    mutes: BTreeMap<PeerId, Mute>,
    bans: BTreeMap<Target, Ban>,
    /// By the first of their hashes.
    removals: BTreeMap<InfoHash, Removal>,
    orders: VecDeque<Order>,
}

impl Standing {
    /// The mute of a peer, if one holds.
    pub(crate) fn mute(&self, peer: PeerId, at: u64) -> Option<&Mute> {
        self.mutes.get(&peer).filter(|mute| holds(mute.until, at))
    }

    /// The ban that hits a peer at an address, if one holds.
    pub(crate) fn ban(&self, peer: PeerId, ip: IpAddr, at: u64) -> Option<&Ban> {
        let exact = [Target::Peer(peer), Target::Net(IpNet::from(ip.to_canonical()))];
        let exact = exact.iter().filter_map(|target| self.bans.get(target));
        // Single addresses were found without looking at each ban.
        let wide = self
            .bans
            .values()
            .filter(|ban| matches!(ban.target, Target::Net(net) if net.prefix_len() < net.max_prefix_len()));
        exact.chain(wide).find(|ban| holds(ban.until, at) && ban.target.hits(peer, ip))
    }

    /// Mutes that hold.
    pub(crate) fn mutes(&self, at: u64) -> impl Iterator<Item = &Mute> {
        self.mutes.values().filter(move |mute| holds(mute.until, at))
    }

    /// Bans that hold.
    pub(crate) fn bans(&self, at: u64) -> impl Iterator<Item = &Ban> {
        self.bans.values().filter(move |ban| holds(ban.until, at))
    }

    /// Contents that may not be shared.
    pub(crate) fn removals(&self) -> impl Iterator<Item = &Removal> {
        self.removals.values()
    }

    /// Why content may not be shared, by any of its hashes, if so.
    pub(crate) fn removal(&self, hashes: &InfoHashes, root: Option<InfoHashV2>) -> Option<&Removal> {
        let same = |removal: &&Removal| {
            let is_named = |hash: &InfoHash| names(hashes).any(|other| other == *hash);
            removal.hashes().is_some_and(|removed| names(&removed).any(|hash| is_named(&hash)))
                || (root.is_some() && removal.root == root)
        };
        self.removals.values().find(same)
    }

    /// The last orders, oldest first.
    pub(crate) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// An order was obeyed.
    pub(crate) fn obey(&mut self, order: &Order) {
        let Order { by, at, deed } = order;
        let (by, at) = (by.clone(), *at);
        self.expire(at);
        match deed.clone() {
            Deed::Motd { text } => self.motd = text,
            Deed::Muted { peer, nick, until, reason } => {
                self.mutes.insert(peer, Mute { peer, nick, until, reason, by, at });
            }
            Deed::Unmuted { peer, .. } => drop(self.mutes.remove(&peer)),
            Deed::Banned { target, nick, until, reason, .. } => {
                self.bans.insert(target.clone(), Ban { target, nick, until, reason, by, at });
            }
            Deed::Unbanned { target, .. } => drop(self.bans.remove(&target)),
            Deed::Removed { entry, name, reason, v1, v2, root } => {
                let removal = Removal { entry, name, v1, v2, root, reason, by, at };
                self.removals.extend(removal.key().map(|key| (key, removal)));
            }
            Deed::Restored { key, .. } => drop(self.removals.remove(&key)),
            Deed::Said { .. }
            | Deed::Kicked { .. }
            | Deed::AddedRoom { .. }
            | Deed::OpenedRoom { .. }
            | Deed::DroppedRoom { .. } => {}
        }
        if self.orders.len() == MAX_ORDERS {
            self.orders.pop_front();
        }
        self.orders.push_back(order.clone());
    }

    /// What holds, as a checkpoint says.
    pub(crate) fn set(&mut self, motd: Option<&str>, mutes: &[Mute], bans: &[Ban], removals: &[Removal]) {
        self.motd = motd.map(str::to_owned);
        self.mutes = mutes.iter().map(|mute| (mute.peer, mute.clone())).collect();
        self.bans = bans.iter().map(|ban| (ban.target.clone(), ban.clone())).collect();
        let removals = removals.iter().filter_map(|removal| Some((removal.key()?, removal.clone())));
        self.removals = removals.collect();
    }

    /// What is over is forgotten.
    pub(crate) fn expire(&mut self, at: u64) {
        self.mutes.retain(|_, mute| holds(mute.until, at));
        self.bans.retain(|_, ban| holds(ban.until, at));
    }

    /// Events whose fold is this: the orders that are remembered, and then what holds, as some of it
    /// was ordered before them.
    pub(crate) fn events(&self) -> Vec<Event> {
        if *self == Self::default() {
            return Vec::new();
        }
        let mut events: Vec<Event> =
            self.orders.iter().map(|order| Event::Operated { order: order.clone() }).collect();
        events.push(Event::Standing {
            motd: self.motd.clone(),
            mutes: self.mutes.values().cloned().collect(),
            bans: self.bans.values().cloned().collect(),
            removals: self.removals.values().cloned().collect(),
        });
        events
    }
}

fn holds(until: Option<u64>, at: u64) -> bool {
    until.is_none_or(|until| at < until)
}
