//! The crowd of one torrent: who came by IPv4, who by IPv6, and how many have everything. Called by the
//! crowd.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::places::{FULL, Place, Places, TWIN, Who};

/// An IPv4 address with its port, and an IPv6 one.
pub(super) const V4: usize = 6;
pub(super) const V6: usize = 18;

/// Clients of one torrent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Swarm {
    pub(super) v4: Places<V4>,
    /// Hardly anybody comes by IPv6 on a LAN: no place is taken before somebody does.
    v6: Option<Box<Places<V6>>>,
    /// Clients, each once, and those of them that have everything.
    clients: u32,
    full: u32,
    pub(super) completed: u32,
}

impl Swarm {
    pub(super) fn is_empty(&self) -> bool {
        self.clients == 0
    }

    /// Those that have everything, and the others.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.full, self.clients - self.full)
    }

    pub(super) fn v6(&self) -> Option<&Places<V6>> {
        self.v6.as_deref()
    }

    pub(super) fn v4_mut(&mut self, who: &Who, secret: u64) -> Option<&mut Place<V4>> {
        self.v4.get_mut(who, secret)
    }

    pub(super) fn v6_mut(&mut self, who: &Who, secret: u64) -> Option<&mut Place<V6>> {
        self.v6.as_deref_mut()?.get_mut(who, secret)
    }

    /// A client has everything now, or not any more, whichever way it came. Says what it was, if it is here.
    pub(super) fn set_full(&mut self, who: &Who, secret: u64, is_full: bool) -> Option<bool> {
        let mut before = None;
        if let Some(place) = self.v4_mut(who, secret) {
            before = Some(place.has(FULL));
            place.set(FULL, is_full);
        }
        if let Some(place) = self.v6_mut(who, secret) {
            before.get_or_insert(place.has(FULL));
            place.set(FULL, is_full);
        }
        match (before, is_full) {
            (Some(false), true) => self.full += 1,
            (Some(true), false) => self.full -= 1,
            _ => {}
        }
        before
    }

    fn count(&mut self, flags: u8) {
        self.clients += 1;
        self.full += u32::from(flags & FULL != 0);
    }

    fn uncount(&mut self, flags: u8) {
        self.clients -= 1;
        self.full -= u32::from(flags & FULL != 0);
    }

    /// One who has no place of this kind yet.
    pub(super) fn insert_v4(&mut self, place: Place<V4>, secret: u64) {
        let who = place.who();
        match self.v6_mut(&who, secret) {
            Some(twin) => twin.set(TWIN, true),
            None => self.count(place.flags),
        }
        self.v4.insert(place, secret);
    }

    /// One who has no place of this kind yet.
    pub(super) fn insert_v6(&mut self, mut place: Place<V6>, secret: u64) {
        let is_twin = self.v4_mut(&place.who(), secret).is_some();
        place.set(TWIN, is_twin);
        if !is_twin {
            self.count(place.flags);
        }
        self.v6.get_or_insert_default().insert(place, secret);
    }

    fn lost_v4(&mut self, place: &Place<V4>, secret: u64) {
        match self.v6_mut(&place.who(), secret) {
            Some(twin) => twin.set(TWIN, false),
            None => self.uncount(place.flags),
        }
    }

    fn lost_v6(&mut self, place: &Place<V6>) {
        if !place.has(TWIN) {
            self.uncount(place.flags);
        }
        if self.v6.as_ref().is_some_and(|v6| v6.list().is_empty()) {
            self.v6 = None;
        }
    }

    /// Somebody goes, by whichever way it came. The addresses of its places are given back.
    pub(super) fn remove(&mut self, who: &Who, secret: u64) -> [Option<IpAddr>; 2] {
        let v6 = self.v6.as_deref_mut().and_then(|v6| v6.remove(who, secret));
        if let Some(place) = &v6 {
            self.lost_v6(place);
        }
        let v4 = self.v4.remove(who, secret);
        if let Some(place) = &v4 {
            self.lost_v4(place, secret);
        }
        [v4.map(|place| ip_v4(place.contact)), v6.map(|place| ip_v6(&place.contact))]
    }

    /// Takes out all for whom `goes` holds, by their address and age in seconds; gives back their addresses.
    pub(super) fn take_out(
        &mut self,
        secret: u64,
        now: u16,
        goes: impl Fn(&Who, IpAddr, u16) -> bool,
    ) -> Vec<IpAddr> {
        let mut gone = Vec::new();
        if let Some(v6) = &mut self.v6 {
            let leave = |place: &Place<V6>| goes(&place.who(), ip_v6(&place.contact), place.age(now));
            for place in v6.take(secret, leave) {
                self.lost_v6(&place);
                gone.push(ip_v6(&place.contact));
            }
        }
        let leave = |place: &Place<V4>| goes(&place.who(), ip_v4(place.contact), place.age(now));
        for place in self.v4.take(secret, leave) {
            self.lost_v4(&place, secret);
            gone.push(ip_v4(place.contact));
        }
        gone
    }

    /// Takes over the clients of another crowd of the same torrent; gives back the addresses of those that
    /// were in both.
    pub(super) fn merge(&mut self, other: &Self, secret: u64) -> Vec<IpAddr> {
        let mut twice = Vec::new();
        for place in other.v4.list() {
            if self.v4_mut(&place.who(), secret).is_some() {
                twice.push(ip_v4(place.contact));
            } else {
                self.insert_v4(*place, secret);
            }
        }
        for place in other.v6().into_iter().flat_map(Places::list) {
            if self.v6_mut(&place.who(), secret).is_some() {
                twice.push(ip_v6(&place.contact));
            } else {
                self.insert_v6(*place, secret);
            }
        }
        self.completed = self.completed.saturating_add(other.completed);
        twice
    }
}

pub(super) fn ip_v4(contact: [u8; V4]) -> IpAddr {
    let [a, b, c, d, _, _] = contact;
    Ipv4Addr::new(a, b, c, d).into()
}

pub(super) fn ip_v6(contact: &[u8; V6]) -> IpAddr {
    let octets = contact.get(..16).and_then(|octets| <[u8; 16]>::try_from(octets).ok());
    Ipv6Addr::from(octets.unwrap_or_default()).into()
}

/// The address of a place.
pub(super) fn address_v6(contact: &[u8; V6]) -> SocketAddr {
    SocketAddr::new(ip_v6(contact), u16::from_be_bytes([contact[16], contact[17]]))
}
