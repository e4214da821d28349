//! An announce as the crowd takes it, and what it changes of a swarm. Called by the crowd.

use std::net::IpAddr;

use shared::Moment;
use shared::announce::Event as Why;

use super::places::{FULL, KEYED, Place, Who};
use super::swarm::{Swarm, V4, V6, ip_v4, ip_v6};
use crate::command::Announcement;

/// What an announce says of its client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    who: Who,
    pub(super) ip: IpAddr,
    port: [u8; 2],
    is_full: bool,
    heard: u16,
    /// The least seconds between announces.
    least: u64,
    why: Why,
}

/// What a place was before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) ip: IpAddr,
    was_full: bool,
    /// Announces in a row that came too early.
    pub(super) early: u8,
}

/// Seconds as records keep them.
pub(super) fn seconds(now: Moment) -> u16 {
    u16::try_from(now.since_start().as_secs() % 65_536).unwrap_or(0)
}

/// Who announces.
pub(super) fn who(said: &Announcement) -> Who {
    let keyed = said.announce.key.is_some();
    let mark = match (said.announce.key, said.from.ip().to_canonical()) {
        (Some(key), _) => key.to_be_bytes(),
        (None, IpAddr::V4(ip)) => ip.octets(),
        (None, IpAddr::V6(ip)) => {
            let bits = ip.to_bits();
            let folded = (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) & u128::from(u32::MAX);
            u32::try_from(folded).unwrap_or(0).to_be_bytes()
        }
    };
    Who { id: said.announce.peer_id, mark, keyed }
}

impl Arrival {
    /// An announce that comes `now`, where `least` seconds are to lie between two.
    pub(crate) fn of(said: &Announcement, least: u64, now: Moment) -> Self {
        let why = said.announce.event;
        let is_full = said.announce.left == Some(0) || why == Why::Completed;
        let (ip, port) = (said.from.ip().to_canonical(), said.announce.port.to_be_bytes());
        Self { who: who(said), ip, port, is_full, heard: seconds(now), least, why }
    }

    fn renew<const W: usize>(
        &self,
        place: &mut Place<W>,
        contact: [u8; W],
        ip: impl Fn([u8; W]) -> IpAddr,
    ) -> Before {
        let is_early = u64::from(place.age(self.heard)) < self.least;
        let early = place.hurry(is_early, self.why == Why::Interval);
        let before = Before { ip: ip(place.contact), was_full: place.has(FULL), early };
        (place.contact, place.heard) = (contact, self.heard);
        before
    }

    fn place<const W: usize>(&self, contact: [u8; W]) -> Place<W> {
        let mut place = Place { id: self.who.id, contact, mark: self.who.mark, heard: self.heard, flags: 0 };
        place.set(FULL, self.is_full);
        place.set(KEYED, self.who.keyed);
        place
    }
}

/// Address and port as compact lists have them.
pub(super) fn contact<const A: usize, const W: usize>(ip: [u8; A], port: [u8; 2]) -> [u8; W] {
    let mut contact = [0; W];
    for (to, from) in contact.iter_mut().zip(ip.iter().chain(&port)) {
        *to = *from;
    }
    contact
}

impl Swarm {
    /// A client that is here by this kind of address says something.
    pub(super) fn renew(&mut self, arrival: &Arrival, secret: u64) -> Option<Before> {
        let before = match arrival.ip {
            IpAddr::V4(ip) => {
                let contact: [u8; V4] = contact(ip.octets(), arrival.port);
                arrival.renew(self.v4_mut(&arrival.who, secret)?, contact, ip_v4)
            }
            IpAddr::V6(ip) => {
                let contact: [u8; V6] = contact(ip.octets(), arrival.port);
                arrival.renew(self.v6_mut(&arrival.who, secret)?, contact, |contact| ip_v6(&contact))
            }
        };
        if before.was_full != arrival.is_full {
            self.set_full(&arrival.who, secret, arrival.is_full);
        }
        self.note_end(arrival, before.was_full);
        Some(before)
    }

    /// A client comes that is not here by this kind of address.
    pub(super) fn enter(&mut self, arrival: &Arrival, secret: u64) {
        // It may be here by the other kind.
        let was_full = self.set_full(&arrival.who, secret, arrival.is_full).unwrap_or(false);
        match arrival.ip {
            IpAddr::V4(ip) => self.insert_v4(arrival.place(contact(ip.octets(), arrival.port)), secret),
            IpAddr::V6(ip) => self.insert_v6(arrival.place(contact(ip.octets(), arrival.port)), secret),
        }
        self.note_end(arrival, was_full);
    }

    fn note_end(&mut self, arrival: &Arrival, was_full: bool) {
        if arrival.why == Why::Completed && !was_full {
            self.completed = self.completed.saturating_add(1);
        }
    }
}
