//! Datagrams to everybody on the local networks: joins a group on every interface, also on those that
//! appear later, and sends once over each.
//!
//! Knows nothing of what the datagrams say. Used by [`crate::lan`] and by the engine's local discovery.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// A group, one for each family, on the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupAddress {
    /// The group of IPv4.
    pub v4: Ipv4Addr,
    /// The group of IPv6.
    pub v6: Ipv6Addr,
    /// The port of both.
    pub port: u16,
}

/// One place to send from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The interface with this address.
    V4(Ipv4Addr),
    /// The interface with this number.
    V6(u32),
}

/// A member of a group on every interface.
#[derive(Debug)]
pub struct Multicast {
    group: GroupAddress,
    bound: IpAddr,
    sockets: Sockets,
    /// Interfaces that were there when they were last looked at.
    joined: BTreeSet<Way>,
}

impl Multicast {
    /// Takes the group's port beside every other program that has it, and joins.
    ///
    /// `bound` is where the sender takes connections: a loopback address keeps everything on this
    /// machine, another one keeps what is sent on its interface.
    pub fn join(group: GroupAddress, bound: IpAddr) -> io::Result<Self> {
        let sockets = Sockets::bind(group.port, true)?;
        let mut member = Self { group, bound, sockets, joined: BTreeSet::new() };
        member.refresh();
        Ok(member)
    }

    /// Joins on interfaces that have come since. Says whether there were any.
    pub fn refresh(&mut self) -> bool {
        let mut found = interfaces();
        found.retain(|interface| interface.is_loopback() || !self.bound.is_loopback());
        let ways: BTreeSet<Way> = found.iter().filter_map(way).collect();
        for way in &ways {
            // Joined already, gone again, or without multicast: nothing to be done about any.
            match (way, &self.sockets.v4, &self.sockets.v6) {
                (Way::V4(address), Some(socket), _) => {
                    socket.join_multicast_v4(self.group.v4, *address).ok();
                }
                (Way::V6(index), _, Some(socket)) => {
                    socket.join_multicast_v6(&self.group.v6, *index).ok();
                }
                _ => {}
            }
        }
        let newcomers = ways.difference(&self.joined).next().is_some();
        self.joined = ways;
        newcomers
    }

    /// The next datagram and where it comes from. One that is longer than `buffer` is cut.
    /// Errors of the system pass; after one the next call goes on.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.sockets.receive(buffer).await
    }

    /// Sends over every interface by which others can reach the sender; `write` makes the bytes for one
    /// family's group address. Gives the number of interfaces that took it.
    pub fn send(&self, write: impl Fn(SocketAddr) -> Vec<u8>) -> usize {
        self.sockets.send(self.group, Some(self.bound), write)
    }

    /// Sends to one address, from the group's port.
    pub fn answer(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let socket = if to.is_ipv4() { &self.sockets.v4 } else { &self.sockets.v6 };
        let socket = socket.as_ref().ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.try_send_to(bytes, to).map(|_| ())
    }
}

/// Sends to a group from a port of one's own; answers come back to it.
#[derive(Debug)]
pub struct Asker {
    group: GroupAddress,
    sockets: Sockets,
}

impl Asker {
    /// Takes a port for each family.
    pub fn new(group: GroupAddress) -> io::Result<Self> {
        Ok(Self { group, sockets: Sockets::bind(0, false)? })
    }

    /// Sends over every interface, loopback too. Gives the number of interfaces that took it.
    pub fn ask(&self, write: impl Fn(SocketAddr) -> Vec<u8>) -> usize {
        self.sockets.send(self.group, None, write)
    }

    /// The next answer and where it comes from, as [`Multicast::receive`].
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.sockets.receive(buffer).await
    }
}

/// A socket for each family that this machine has, at least one.
#[derive(Debug)]
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Sockets {
    fn bind(port: u16, beside_others: bool) -> io::Result<Self> {
        let v4 = socket((Ipv4Addr::UNSPECIFIED, port).into(), beside_others);
        let v6 = socket((Ipv6Addr::UNSPECIFIED, port).into(), beside_others).ok();
        let v4 = if v6.is_none() { Some(v4?) } else { v4.ok() };
        Ok(Self { v4, v6 })
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut second = vec![0; buffer.len()];
        let (length, from, is_second) = tokio::select! {
            got = receive_on(self.v4.as_ref(), buffer) => got.map(|(length, from)| (length, from, false))?,
            got = receive_on(self.v6.as_ref(), &mut second) => got.map(|(length, from)| (length, from, true))?,
        };
        if is_second {
            buffer.copy_from_slice(&second);
        }
        Ok((length, crate::net::canonical(from)))
    }

    /// Sends over the interfaces that lead to `bound`; over all when there is none.
    fn send(
        &self,
        group: GroupAddress,
        bound: Option<IpAddr>,
        write: impl Fn(SocketAddr) -> Vec<u8>,
    ) -> usize {
        let found = interfaces();
        let others = found.iter().any(|interface| !interface.is_loopback());
        let leads = |interface: &if_addrs::Interface| match bound {
            None => true,
            Some(bound) if bound.is_loopback() => interface.is_loopback(),
            // What listens on IPv4 only cannot be reached over IPv6.
            Some(bound) if bound.is_unspecified() => {
                (bound.is_ipv6() || interface.ip().is_ipv4()) && (!others || !interface.is_loopback())
            }
            Some(bound) => interface.ip() == bound,
        };
        let ways: BTreeSet<Way> = found.iter().filter(|interface| leads(interface)).filter_map(way).collect();
        let to_v4 = SocketAddr::from((group.v4, group.port));
        let to_v6 = SocketAddr::from((group.v6, group.port));
        let sent = ways.iter().filter(|way| match (way, &self.v4, &self.v6) {
            (Way::V4(address), Some(socket), _) => {
                SockRef::from(socket).set_multicast_if_v4(address).is_ok()
                    && socket.try_send_to(&write(to_v4), to_v4).is_ok()
            }
            (Way::V6(index), _, Some(socket)) => {
                SockRef::from(socket).set_multicast_if_v6(*index).is_ok()
                    && socket.try_send_to(&write(to_v6), to_v6).is_ok()
            }
            _ => false,
        });
        sent.count()
    }
}

async fn receive_on(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

fn interfaces() -> Vec<if_addrs::Interface> {
    if_addrs::get_if_addrs().unwrap_or_default()
}

fn way(interface: &if_addrs::Interface) -> Option<Way> {
    match interface.ip() {
        IpAddr::V4(address) => Some(Way::V4(address)),
        IpAddr::V6(_) => interface.index.map(Way::V6),
    }
}

/// A socket that sends to groups on the link, and hears what this machine sends to them.
fn socket(address: SocketAddr, beside_others: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if beside_others {
        socket.set_reuse_address(true)?;
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_multicast_hops_v6(1)?;
        socket.set_multicast_loop_v6(true)?;
    } else {
        socket.set_multicast_ttl_v4(1)?;
        socket.set_multicast_loop_v4(true)?;
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
