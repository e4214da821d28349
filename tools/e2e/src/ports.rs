//! Ports where nobody listens, for programs that are told where to. Called by the laboratory and by tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that systems take for outgoing connections, so a port that was free stays free.
const FIRST_PORT: u16 = 20_000;

/// An address on the loopback interface where nobody listens.
pub fn free_address() -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    SocketAddr::new(ip, free_port(ip))
}

/// A port where nobody listens, neither for connections nor for datagrams.
pub fn free_port(ip: IpAddr) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 97).unwrap_or(0) * 100;
    loop {
        let port = FIRST_PORT + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((ip, port)).is_ok() && UdpSocket::bind((ip, port)).is_ok() {
            return port;
        }
    }
}
