//! Which addresses of a peer are told to which other peer.

use std::net::{IpAddr, SocketAddr};

use shared::control::{Hello, is_local};

/// Addresses that are kept of one peer.
const MAX: usize = 16;

/// The addresses of a peer's wire: its ports at the address its connection comes from, then those it
/// told itself. Told ones count only when they can only mean a machine nearby, so that nobody can
/// make a swarm dial a stranger; loopback counts only for a peer on the tracker's own machine.
pub(crate) fn accept(hello: &Hello, seen: IpAddr) -> Vec<SocketAddr> {
    let seen = seen.to_canonical();
    let own = hello.ports.iter().map(|port| SocketAddr::new(seen, *port));
    let told = hello
        .addresses
        .iter()
        .map(|told| SocketAddr::new(told.ip().to_canonical(), told.port()))
        .filter(|told| is_local(told.ip()) && (!told.ip().is_loopback() || seen.is_loopback()));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in own.chain(told) {
        if !addresses.contains(&address) && addresses.len() < MAX {
            addresses.push(address);
        }
    }
    addresses
}

/// The addresses of a client that announces: its port at the address that it comes from, then those
/// that it claims, by the same rule. What it had of the other family stays, as one that speaks IPv4
/// and IPv6 announces once by each.
pub(crate) fn announced(
    from: IpAddr,
    port: u16,
    claimed: &[IpAddr],
    before: &[SocketAddr],
) -> Vec<SocketAddr> {
    let from = from.to_canonical();
    if port == 0 {
        return Vec::new();
    }
    let claimed = claimed
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|ip| *ip == from || (is_local(*ip) && (!ip.is_loopback() || from.is_loopback())));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for ip in std::iter::once(from).chain(claimed) {
        let address = SocketAddr::new(ip, port);
        if !addresses.contains(&address) && addresses.len() < MAX {
            addresses.push(address);
        }
    }
    let families = |v4: bool| addresses.iter().any(|address| address.is_ipv4() == v4);
    let (v4, v6) = (families(true), families(false));
    let others = before.iter().filter(|old| if old.is_ipv4() { !v4 } else { !v6 });
    let others: Vec<SocketAddr> = others.take(MAX - addresses.len()).copied().collect();
    addresses.extend(others);
    addresses
}

/// Who asks for addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// Where its connection comes from.
    pub(crate) ip: IpAddr,
    /// The tracker's own address on that connection.
    pub(crate) via: IpAddr,
}

/// A peer's addresses as `asker` can use them, best first. A peer on the tracker's machine is seen
/// as loopback, which is nobody to others: they get the address by which they reach the tracker.
pub(crate) fn for_asker(addresses: &[SocketAddr], asker: Asker) -> Vec<SocketAddr> {
    let here = asker.ip.to_canonical().is_loopback();
    let mut usable: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        let address = if address.ip().is_loopback() && !here {
            SocketAddr::new(asker.via.to_canonical(), address.port())
        } else {
            *address
        };
        if !usable.contains(&address) {
            usable.push(address);
        }
    }
    usable.sort_by_key(|address| std::cmp::Reverse(common_bits(address.ip(), asker.ip.to_canonical())));
    usable
}

/// How many leading bits two addresses share: more means nearer.
fn common_bits(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use shared::PeerId;

    use super::*;

    fn hello(ports: &[u16], told: &[&str]) -> Hello {
        Hello {
            version: 1,
            nick: "ana".to_owned(),
            peer_id: PeerId([1; 20]),
            ports: ports.to_vec(),
            addresses: told.iter().map(|told| told.parse().unwrap()).collect(),
            agent: String::new(),
            token: None,
            session: None,
            guest: false,
        }
    }

    fn shown(addresses: &[SocketAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_cannot_be_a_neighbour_is_replaced_by_what_was_seen() {
        let told = ["8.8.8.8:6881", "0.0.0.0:6881", "224.0.0.1:6881", "127.0.0.1:6881", "10.8.0.7:6881"];
        let kept = accept(&hello(&[6881], &told), "192.168.1.20".parse().unwrap());
        assert_eq!(shown(&kept), ["192.168.1.20:6881", "10.8.0.7:6881"]);
        let kept = accept(&hello(&[6881], &["127.0.0.1:7000"]), "::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(shown(&kept), ["127.0.0.1:6881", "127.0.0.1:7000"]);
        assert!(accept(&hello(&[], &[]), "192.168.1.20".parse().unwrap()).is_empty());
    }

    #[test]
    fn a_peer_beside_the_tracker_is_told_by_the_trackers_address() {
        let addresses: Vec<SocketAddr> =
            ["127.0.0.1:6881", "10.8.0.1:6881"].map(|a| a.parse().unwrap()).into();
        let asker = |ip: &str, via: &str| Asker { ip: ip.parse().unwrap(), via: via.parse().unwrap() };
        let near = for_asker(&addresses, asker("192.168.1.21", "192.168.1.10"));
        assert_eq!(shown(&near), ["192.168.1.10:6881", "10.8.0.1:6881"]);
        let vpn = for_asker(&addresses, asker("10.8.0.7", "10.8.0.1"));
        assert_eq!(shown(&vpn), ["10.8.0.1:6881"]);
        let beside = for_asker(&addresses, asker("127.0.0.1", "127.0.0.1"));
        assert_eq!(shown(&beside).first().map(String::as_str), Some("127.0.0.1:6881"));
    }
}
