//! Socket options and addresses, in one file.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use shared::control::is_local;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// A connection whose far side acknowledges nothing for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// Listens on `address`, also right after another program listened there. Port 0 takes any.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 too; where the system has no IPv4 this fails and does not matter.
        socket.set_only_v6(false).ok();
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Bytes that the system holds for a connection beyond those under way.
#[cfg(target_os = "linux")]
const MOST_UNSENT: u32 = 128 * 1024;

/// Listens on `address` for datagrams, `[::]` for those of IPv4 too. Port 0 takes any.
pub fn datagrams(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false).ok();
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Asks the system to hold `bytes` of datagrams that nobody has read yet; it may hold fewer, unless the
/// program may set aside the system's limit.
pub fn hold_datagrams(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_ok() {
        return Ok(());
    }
    SockRef::from(socket).set_recv_buffer_size(bytes)
}

/// The address of both families for one that means every IPv4 address of this machine; any other as it
/// is, and where the system has no IPv6.
pub fn both_families(address: SocketAddr) -> SocketAddr {
    let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
    let v6 = || {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_only_v6(false)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())
    };
    if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && v6().is_ok() { every } else { address }
}

/// The address of this machine from which a packet to `there` would leave; nothing is sent.
pub fn local_towards(there: SocketAddr) -> io::Result<IpAddr> {
    let any =
        if there.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(there)?;
    Ok(socket.local_addr()?.ip())
}

/// Connects to `address` within `patience`.
pub async fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream =
        timeout(patience, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    tune(&stream)?;
    Ok(stream)
}

/// Makes a connection fit for small lines and for noticing that the far side is gone: no delay of
/// small writes, keep-alive probes, and an end after 30 s without any acknowledgement. What cannot be
/// sent yet stays with us, where it can still be taken back, and not in megabytes of the system.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
        socket.set_tcp_notsent_lowat(MOST_UNSENT)?;
    }
    Ok(())
}

/// An IPv4 address that came in over an IPv6 socket (`::ffff:10.0.0.1`) as what it is.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// What the system calls it, such as `wg0`.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
}

/// The addresses by which others may reach a program that listens on `bound`, IPv4 first, without
/// loopback (unless it listens only there) and without link-local ones.
pub fn reachable(bound: IpAddr) -> Vec<Interface> {
    if !bound.is_unspecified() {
        return vec![Interface { name: String::new(), ip: bound }];
    }
    let mut found: Vec<Interface> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| Interface { ip: interface.ip(), name: interface.name })
        .filter(|interface| interface.ip.is_ipv4() || bound.is_ipv6())
        .collect();
    found.sort_by_key(|interface| (interface.ip.is_ipv6(), !is_local(interface.ip)));
    if found.is_empty() {
        found.push(Interface { name: "lo".to_owned(), ip: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_can_be_taken_again_at_once_but_not_twice() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = connect(address, DEAD_AFTER).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        tune(&server).unwrap();
        assert_eq!(listen(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((server, client, listener));
        listen(address).unwrap();
    }

    #[test]
    fn mapped_addresses_are_shown_as_what_they_are() {
        assert_eq!(canonical("[::ffff:10.0.0.1]:5".parse().unwrap()), "10.0.0.1:5".parse().unwrap());
    }

    #[test]
    fn there_is_always_an_address_to_tell() {
        assert!(!reachable("0.0.0.0".parse().unwrap()).is_empty());
        assert_eq!(reachable("127.0.0.1".parse().unwrap()).len(), 1);
    }
}
