//! Whom of a swarm a client is told of. Called by the crowd.

use std::net::{IpAddr, SocketAddr};

use shared::PeerId;

use super::arriving::contact;
use super::places::{FULL, Place, TWIN};
use super::share;
use super::swarm::{Swarm, V4, address_v6, ip_v4};
use super::told::Told;
use crate::command::{Announcement, Door};

/// One without a name, for those who ask over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) peer_id: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) is_full: bool,
}

/// Two draws out of one random number.
fn dice(draw: u64) -> (usize, usize) {
    let half = |shift: u32| usize::try_from(draw >> shift & u64::from(u32::MAX)).unwrap_or(0);
    (half(0), half(32))
}

impl Swarm {
    /// At most `want` that can be dialled, whatever kind of address they have; `draw` is a random number.
    pub(super) fn strangers(&self, want: usize, draw: u64) -> Vec<Stranger> {
        let stranger = |peer_id, address, is_full| Stranger { peer_id, address, is_full };
        // Who is there by both is told by the address that more can use.
        let v6 = self.v6().into_iter().flat_map(|v6| v6.sample(want, dice(draw.rotate_left(17))));
        let v6 = v6.filter(|place| place.is_dialable() && !place.has(TWIN));
        let v6 = v6.map(|place| stranger(place.id, address_v6(&place.contact), place.has(FULL)));
        let alone: Vec<Stranger> = v6.collect();
        let v4 = self.v4.sample(want, dice(draw)).filter(|place| place.is_dialable());
        let v4 = v4.map(|place| {
            let port = u16::from_be_bytes([place.contact[4], place.contact[5]]);
            stranger(place.id, SocketAddr::new(ip_v4(place.contact), port), place.has(FULL))
        });
        let first = share(self.v4.list().len(), alone.len(), want);
        let mut told: Vec<Stranger> = v4.take(first).collect();
        told.extend(alone);
        told.truncate(want);
        told
    }

    /// At most `want` others of each kind of address that the client can use; `draw` is a random number.
    pub(super) fn tell(&self, said: &Announcement, want: usize, draw: u64, told: &mut Told) {
        let dice = dice(draw);
        let (is_v4, any) = (said.from.is_ipv4(), said.door != Door::Udp);
        if is_v4 || any {
            self.tell_v4(said, want, dice, told);
        }
        let Some(v6) = self.v6().filter(|_| !is_v4 || any) else { return };
        let own = SocketAddr::new(said.from.ip(), said.announce.port);
        // One more is drawn, as the client itself may be among them.
        let others = v6.sample(want + 1, dice).filter(|place| place.is_dialable());
        let others = others.filter(|place| !place.says(said.announce.peer_id));
        for place in others.take(want) {
            let address = address_v6(&place.contact);
            if address != own {
                told.add(address, place.id);
            }
        }
    }

    fn tell_v4(&self, said: &Announcement, want: usize, dice: (usize, usize), told: &mut Told) {
        let own = match said.from.ip() {
            IpAddr::V4(ip) => contact(ip.octets(), said.announce.port.to_be_bytes()),
            IpAddr::V6(_) => [0; V4],
        };
        // Who is seen as loopback is beside us, and told to others by our own address.
        let beside = Some(said.via.to_canonical()).filter(|_| !said.from.ip().is_loopback());
        // The same id is the client itself, or no one it could talk to.
        let me = said.announce.peer_id;
        let fits = |place: &Place<V4>| place.is_dialable() && !place.says(me) && place.contact != own;
        if told.wants_ids || beside.is_some_and(|via| via.is_ipv6()) {
            for place in self.v4.sample(want + 1, dice).filter(|place| fits(place)).take(want) {
                let ip = beside.filter(|_| place.contact[0] == 127).unwrap_or(ip_v4(place.contact));
                let port = u16::from_be_bytes([place.contact[4], place.contact[5]]);
                told.add(SocketAddr::new(ip, port), place.id);
            }
            return;
        }
        // This is most of the work of an announce: addresses are copied as they are, into room that is there.
        let before = told.v4.len();
        told.v4.resize(before + want.min(self.v4.list().len()) * V4, 0);
        let mut room = told.v4.get_mut(before..).unwrap_or_default();
        let mut count = 0;
        for place in self.v4.sample(want + 1, dice) {
            if !fits(place) {
                continue;
            }
            let Some((first, rest)) = room.split_first_chunk_mut::<V4>() else { break };
            *first = place.contact;
            if let (Some(IpAddr::V4(via)), 127) = (beside, place.contact[0]) {
                first[..4].copy_from_slice(&via.octets());
            }
            room = rest;
            count += 1;
        }
        told.v4.truncate(before + count * V4);
    }
}
