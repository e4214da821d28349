//! Which addresses can only mean a machine nearby.

use std::net::IpAddr;

/// Whether an address belongs to this machine, a LAN or a VPN: loopback, private, link-local,
/// shared (100.64/10) or unique local.
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lans_and_vpns_are_local() {
        for ip in ["127.0.0.1", "10.8.0.7", "192.168.1.1", "172.20.1.1", "100.64.3.4", "fe80::1", "fd00::1"] {
            assert!(is_local(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["8.8.8.8", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_local(ip.parse().unwrap()), "{ip}");
        }
        assert!(is_local("::ffff:10.0.0.1".parse().unwrap()));
    }
}
