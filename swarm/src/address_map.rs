//! What is kept by address for every connection: a short sorted list of addresses in as few bytes as they
//! have, as each connection of a crowd keeps some hundred. Only keeps; never judges an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address and a port as the wire writes them; the order is that of [`SocketAddr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Short {
    V4([u8; 4], [u8; 2]),
    V6([u8; 16], [u8; 2]),
}

impl From<SocketAddr> for Short {
    fn from(address: SocketAddr) -> Self {
        let port = address.port().to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) => Self::V4(ip.octets(), port),
            IpAddr::V6(ip) => Self::V6(ip.octets(), port),
        }
    }
}

impl From<Short> for SocketAddr {
    fn from(short: Short) -> Self {
        match short {
            Short::V4(ip, port) => (Ipv4Addr::from(ip), u16::from_be_bytes(port)).into(),
            Short::V6(ip, port) => (Ipv6Addr::from(ip), u16::from_be_bytes(port)).into(),
        }
    }
}

/// Something for each of some addresses.
#[derive(Debug, Clone)]
pub(crate) struct AddressMap<T>(Vec<(Short, T)>);

impl<T> Default for AddressMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> AddressMap<T> {
    /// How many addresses there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Room for `more` addresses, and none to spare.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    fn find(&self, address: Short) -> Result<usize, usize> {
        // Lists are told in order, so what is new comes last as a rule.
        match self.0.last() {
            Some((last, _)) if *last < address => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&address, |(address, _)| *address),
        }
    }

    /// What is kept for `address`.
    pub(crate) fn get(&self, address: Short) -> Option<&T> {
        self.find(address).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Whether anything is kept for `address`.
    pub(crate) fn contains(&self, address: Short) -> bool {
        self.find(address).is_ok()
    }

    /// Keeps `value` for `address`, in place of what was kept.
    pub(crate) fn insert(&mut self, address: Short, value: T) {
        match self.find(address) {
            Ok(at) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = value;
                }
            }
            Err(at) => self.0.insert(at, (address, value)),
        }
    }

    /// Keeps nothing for `address`.
    pub(crate) fn remove(&mut self, address: Short) {
        if let Ok(at) = self.find(address) {
            self.0.remove(at);
        }
    }

    /// All addresses, rising.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Short> + '_ {
        self.0.iter().map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_an_ordered_map(steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_u16..9, 0_u8..9), 0..99)) {
            let (mut map, mut model) = (AddressMap::default(), BTreeMap::new());
            for (comes, six, port, host) in steps {
                let ip: IpAddr =
                    if six { Ipv6Addr::from([host; 16]).into() } else { Ipv4Addr::from([host; 4]).into() };
                let address = SocketAddr::new(ip, port);
                prop_assert_eq!(map.contains(address.into()), model.contains_key(&address));
                if comes {
                    map.insert(address.into(), port);
                    model.insert(address, port);
                } else {
                    map.remove(address.into());
                    model.remove(&address);
                }
                prop_assert_eq!(map.get(address.into()), model.get(&address));
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.addresses().map(SocketAddr::from).eq(model.keys().copied()));
            }
        }
    }
}
