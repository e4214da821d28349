//! The routing table (BEP 5): of every distance a few nodes that answered us.
//!
//! A node enters only by answering a question of ours, so nobody enters by hearsay or with an address
//! that is not its own. Who has been there for long stays; who leaves questions unanswered makes room.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::Moment;

use crate::contact::Contact;
use crate::node_id::NodeId;

/// Nodes of one distance, as the text says.
pub(crate) const BUCKET: usize = 8;
/// After this silence a node is asked whether it is still there.
const STALE: Duration = Duration::from_secs(900);
/// Unanswered questions after which a node is gone.
const MOST_FAILURES: u8 = 3;
/// The most nodes of one address: more is somebody who pretends.
const MAX_OF_ADDRESS: usize = 8;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    buckets: BTreeMap<usize, Vec<Contact>>,
}

impl Table {
    pub(crate) fn new(own: NodeId) -> Self {
        Self { own, buckets: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.buckets.values().map(Vec::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.buckets.values().flatten()
    }

    /// A node answered us. Says whether it is new here.
    pub(crate) fn answered(&mut self, id: NodeId, address: SocketAddr, now: Moment) -> bool {
        if id == self.own {
            return false;
        }
        let of_address = self.iter().filter(|contact| contact.address.ip() == address.ip()).count();
        // One that has another name now has begun anew.
        for bucket in self.buckets.values_mut() {
            bucket.retain(|contact| contact.address != address || contact.id == id);
        }
        let bucket = self.buckets.entry(self.own.common_bits(id)).or_default();
        let fresh = Contact { id, address, heard: now, failures: 0 };
        if let Some(known) = bucket.iter_mut().find(|contact| contact.id == id) {
            // Somebody else under the same name has to wait until that one is gone.
            if known.address == address {
                *known = fresh;
            }
            return false;
        }
        // Many nodes behind one address are the normal case on one machine only.
        if of_address >= MAX_OF_ADDRESS && !address.ip().is_loopback() {
            return false;
        }
        if bucket.len() < BUCKET {
            bucket.push(fresh);
            return true;
        }
        let worst = bucket.iter_mut().filter(|contact| contact.failures > 0).max_by_key(|one| one.failures);
        worst.is_some_and(|worst| {
            *worst = fresh;
            true
        })
    }

    /// A node left a question unanswered.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        for bucket in self.buckets.values_mut() {
            for contact in bucket.iter_mut().filter(|contact| contact.address == address) {
                contact.failures = contact.failures.saturating_add(1);
            }
            bucket.retain(|contact| contact.failures < MOST_FAILURES);
        }
    }

    /// Whether a node of this name and address is known.
    pub(crate) fn knows(&self, id: NodeId, address: SocketAddr) -> bool {
        self.iter().any(|contact| contact.id == id && contact.address == address)
    }

    /// The nearest nodes to a name, those in doubt last.
    pub(crate) fn nearest(
        &self,
        target: NodeId,
        most: usize,
        fits: impl Fn(&Contact) -> bool,
    ) -> Vec<(NodeId, SocketAddr)> {
        let mut contacts: Vec<&Contact> = self.iter().filter(|contact| fits(contact)).collect();
        contacts.sort_by_key(|contact| (contact.failures > 0, contact.id.distance(target)));
        contacts.into_iter().take(most).map(|contact| (contact.id, contact.address)).collect()
    }

    /// Nodes that were not heard of for long, and those in doubt.
    pub(crate) fn stale(&self, now: Moment) -> Vec<SocketAddr> {
        let stale = |contact: &&Contact| contact.failures > 0 || now.since(contact.heard) >= STALE;
        self.iter().filter(stale).map(|contact| contact.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, last: u8) -> NodeId {
        let mut id = [0; 20];
        (id[0], id[19]) = (first, last);
        NodeId(id)
    }

    fn address(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 1).into()
    }

    #[test]
    fn a_full_bucket_keeps_who_answers() {
        let mut table = Table::new(id(0, 0));
        let entered = (0..20).filter(|last| table.answered(id(0x80, *last), address(*last), Moment::START));
        assert_eq!(entered.count(), BUCKET);
        assert!(!table.answered(id(0x80, 50), address(50), Moment::START), "no room");
        table.failed(address(3));
        assert!(table.answered(id(0x80, 50), address(50), Moment::START), "the doubtful one makes room");
        assert!(!table.knows(id(0x80, 3), address(3)) && table.knows(id(0x80, 50), address(50)));
        assert!(table.answered(id(0x40, 1), address(60), Moment::START), "another distance has room");
        (0..3).for_each(|_| table.failed(address(0)));
        assert_eq!(table.len(), BUCKET);
        assert!(!table.answered(id(0, 0), address(70), Moment::START), "ourselves");
    }

    #[test]
    fn nobody_takes_over_a_name_or_fills_the_table_from_one_address() {
        let mut table = Table::new(id(0, 0));
        assert!(table.answered(id(1, 1), address(1), Moment::START));
        assert!(!table.answered(id(1, 1), address(2), Moment::START));
        assert!(table.knows(id(1, 1), address(1)));
        assert!(table.answered(id(2, 2), address(1), Moment::START), "a new name at the same place");
        assert_eq!(table.len(), 1);
        let many = (1..100_u8).filter(|port| {
            let address = SocketAddr::from(([10, 9, 9, 9], u16::from(*port)));
            table.answered(id(*port, 7), address, Moment::START)
        });
        assert_eq!(many.count(), MAX_OF_ADDRESS);
    }

    #[test]
    fn the_nearest_come_first_and_old_ones_are_asked() {
        let mut table = Table::new(id(0, 0));
        for first in [1_u8, 2, 4, 8, 0x70] {
            table.answered(id(first, 1), address(first), Moment::START);
        }
        let nearest = table.nearest(id(3, 0), 3, |_| true);
        assert_eq!(nearest.iter().map(|(id, _)| id.0[0]).collect::<Vec<_>>(), [2, 1, 4]);
        let later = Moment::START + STALE;
        assert_eq!(table.stale(later).len(), 5);
        table.answered(id(1, 1), address(1), later);
        assert_eq!(table.stale(later).len(), 4);
    }
}
