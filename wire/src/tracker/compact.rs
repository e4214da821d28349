//! Lists of addresses without any wrapping: six bytes each for IPv4 (BEP 23), eighteen for IPv6
//! (BEP 7).
//!
//! What cannot be dialled (port 0, the unspecified address, a group) is left out in both directions.
//! Used by the HTTP and UDP codecs beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most addresses that are taken from one list.
pub const MAX_ADDRESSES: usize = 1_000;

/// Which addresses a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Six bytes each.
    V4,
    /// Eighteen bytes each.
    V6,
}

impl Family {
    /// The family of an address; an IPv4 address inside an IPv6 one is IPv4.
    pub fn of(ip: IpAddr) -> Self {
        if ip.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of one address with its port.
    pub fn width(self) -> usize {
        match self {
            Self::V4 => 6,
            Self::V6 => 18,
        }
    }
}

/// Whether a connection to it can mean anything.
pub fn is_dialable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The addresses of `family` among `addresses`, as bytes.
pub fn encode(addresses: impl IntoIterator<Item = SocketAddr>, family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in addresses.into_iter().filter(|address| is_dialable(*address)) {
        match (address.ip().to_canonical(), family) {
            (IpAddr::V4(ip), Family::V4) => bytes.extend(ip.octets()),
            (IpAddr::V6(ip), Family::V6) => bytes.extend(ip.octets()),
            _ => continue,
        }
        bytes.extend(address.port().to_be_bytes());
    }
    bytes
}

/// The first [`MAX_ADDRESSES`] addresses of a list; `None` when its length is no multiple of the
/// family's width.
pub fn decode(bytes: &[u8], family: Family) -> Option<Vec<SocketAddr>> {
    if !bytes.len().is_multiple_of(family.width()) {
        return None;
    }
    let addresses = bytes.chunks_exact(family.width()).take(MAX_ADDRESSES).filter_map(|address| {
        let (ip, port) = address.split_at_checked(family.width() - 2)?;
        let ip = match family {
            Family::V4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
            Family::V6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(port.try_into().ok()?)))
    });
    Some(addresses.filter(|address| is_dialable(*address)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn d78_a_compact_list_is_a_multiple_of_six_bytes() {
        let addresses: Vec<SocketAddr> =
            ["10.0.0.1:6881", "[fd00::1]:6882", "192.168.1.9:51413"].map(|a| a.parse().unwrap()).into();
        let v4 = encode(addresses.iter().copied(), Family::V4);
        assert_eq!(v4, [10, 0, 0, 1, 0x1a, 0xe1, 192, 168, 1, 9, 0xc8, 0xd5]);
        assert_eq!(decode(&v4, Family::V4).unwrap(), [addresses[0], addresses[2]]);
        let v6 = encode(addresses.iter().copied(), Family::V6);
        assert_eq!((v6.len(), decode(&v6, Family::V6).unwrap()), (18, vec![addresses[1]]));
        for ragged in [&v4[..11], &v4[..5], &v6[..17], &v4[..1]] {
            assert_eq!(decode(ragged, Family::V4), None);
            assert_eq!(decode(ragged, Family::V6), None);
        }
        assert_eq!(decode(&[], Family::V4).unwrap(), []);
    }

    #[test]
    fn nobody_is_sent_to_what_cannot_be_dialled() {
        let odd = ["0.0.0.0:1", "10.0.0.1:0", "239.1.1.1:5", "255.255.255.255:5"];
        assert!(encode(odd.map(|a| a.parse().unwrap()), Family::V4).is_empty());
        assert_eq!(
            decode(&[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 224, 0, 0, 1, 0, 9], Family::V4).unwrap(),
            []
        );
        let many = vec![1; 6 * (MAX_ADDRESSES + 10)];
        assert_eq!(decode(&many, Family::V4).unwrap().len(), MAX_ADDRESSES);
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_told_as_ipv4() {
        let mapped = "[::ffff:10.0.0.1]:9".parse().unwrap();
        assert_eq!(encode([mapped], Family::V4), [10, 0, 0, 1, 0, 9]);
        assert!(encode([mapped], Family::V6).is_empty());
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(addresses in proptest::collection::vec(any::<SocketAddr>(), 0..20)) {
            for family in [Family::V4, Family::V6] {
                let mut kept: Vec<SocketAddr> = addresses.clone();
                kept.retain(|address| is_dialable(*address) && Family::of(address.ip()) == family);
                let kept: Vec<SocketAddr> =
                    kept.iter().map(|a| SocketAddr::new(a.ip().to_canonical(), a.port())).collect();
                prop_assert_eq!(decode(&encode(addresses.clone(), family), family), Some(kept));
            }
        }
    }
}
