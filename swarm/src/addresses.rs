//! Which addresses are worth anything when a stranger names them. Pure questions, no state.
//!
//! Nobody outside makes us knock at our own machine or in our own network, and what is local is told
//! to neighbours only.

use std::net::{IpAddr, SocketAddr};

/// `address` as `teller` named it: in its simplest form, or `None` when it cannot be, or cannot be
/// known to somebody at `teller`.
pub(crate) fn believable(address: SocketAddr, teller: IpAddr) -> Option<SocketAddr> {
    let (ip, teller) = (address.ip().to_canonical(), teller.to_canonical());
    let possible = address.port() != 0 && is_possible(ip);
    let near = (!ip.is_loopback() || teller.is_loopback()) && (!is_local(ip) || is_local(teller));
    (possible && near).then(|| SocketAddr::new(ip, address.port()))
}

/// Whether somebody at `listener` has any use for `address`.
pub(crate) fn is_of_use(address: SocketAddr, listener: IpAddr) -> bool {
    believable(address, listener).is_some()
}

/// Whether one host can have this address, and we can reach it without knowing more.
fn is_possible(ip: IpAddr) -> bool {
    let broadcast = match ip {
        // 0.0.0.0/8 is "this network", 240.0.0.0/4 was never given to anybody.
        IpAddr::V4(v4) => matches!(v4.octets(), [0 | 240..=255, ..]),
        // Link-local addresses mean nothing without the interface.
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether the address is one of this machine or of a local network.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback()
        || match ip {
            IpAddr::V4(v4) => {
                v4.is_private() || v4.is_link_local() || matches!(v4.octets(), [100, 64..=127, ..])
            }
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_names_is_believed_only_where_it_can_be_known() {
        let (public, lan, own) = ("203.0.113.9", "192.168.1.5", "127.0.0.1");
        for (address, tellers) in [
            ("198.51.100.1:6881", vec![public, lan, own]),
            ("[2001:db8::1]:6881", vec![public, lan, own]),
            ("192.168.1.9:6881", vec![lan, own]),
            ("10.1.2.3:6881", vec![lan, own]),
            ("172.16.9.9:6881", vec![lan, own]),
            ("169.254.1.1:6881", vec![lan, own]),
            ("100.64.0.1:6881", vec![lan, own]),
            ("[fd00::1]:6881", vec![lan, own]),
            ("127.0.0.1:6881", vec![own]),
            ("127.9.9.9:6881", vec![own]),
            ("[::1]:6881", vec![own]),
            ("[::ffff:127.0.0.1]:6881", vec![own]),
            ("[::ffff:10.1.2.3]:6881", vec![lan, own]),
            ("198.51.100.1:0", vec![]),
            ("0.0.0.0:6881", vec![]),
            ("0.1.2.3:6881", vec![]),
            ("[::]:6881", vec![]),
            ("[::ffff:0.0.0.0]:6881", vec![]),
            ("224.0.0.1:6881", vec![]),
            ("239.192.152.143:6771", vec![]),
            ("255.255.255.255:6881", vec![]),
            ("240.0.0.1:6881", vec![]),
            ("[ff02::1]:6881", vec![]),
            ("[fe80::1]:6881", vec![]),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            for teller in [public, lan, own] {
                let believed = believable(address, teller.parse().unwrap());
                assert_eq!(believed.is_some(), tellers.contains(&teller), "{address} by {teller}");
            }
        }
    }

    #[test]
    fn one_address_has_one_form() {
        let mapped = "[::ffff:198.51.100.1]:6881".parse().unwrap();
        let believed = believable(mapped, "::ffff:203.0.113.9".parse().unwrap());
        assert_eq!(believed, Some("198.51.100.1:6881".parse().unwrap()));
    }
}
