//! A DHT node on a UDP socket: the body of [`::dht::Node`]. Used by the engine and by the tracker.

use std::io;
use std::net::{IpAddr, SocketAddr};

pub use ::dht::Scope;
use ::dht::krpc::MAX_DATAGRAM;
use ::dht::{Node, NodeConfig, NodeId, Output};
use rand::rngs::StdRng;
use shared::InfoHash;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::{Clock, Shutdown, net};

/// Wishes that may wait for the node, and finds that may wait to be taken.
const WAITING: usize = 256;
/// Ports that are tried, beginning with the one that is asked for.
const PORTS: u16 = 10;

/// How a node is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtConfig {
    /// Where to listen. If another program has the port, one of the next is taken.
    pub listen: SocketAddr,
    /// With whom it speaks.
    pub scope: Scope,
    /// Nodes to begin with.
    pub bootstrap: Vec<SocketAddr>,
}

/// Peers of a torrent that a DHT named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which torrent.
    pub hash: InfoHash,
    /// Where they listen.
    pub peers: Vec<SocketAddr>,
}

/// A running node. Cheap to clone; it ends with its shutdown, or with the last copy.
#[derive(Debug, Clone)]
pub struct Dht {
    wishes: mpsc::Sender<Wish>,
    address: SocketAddr,
}

#[derive(Debug)]
enum Wish {
    Meet(SocketAddr),
    Seek(InfoHash, Option<u16>),
    Forget(InfoHash),
    Nodes(oneshot::Sender<Vec<SocketAddr>>),
}

impl Dht {
    /// Starts a node under a new name. What it finds comes out of the receiver; whoever does not take it
    /// in time loses it.
    pub fn start(config: DhtConfig, shutdown: Shutdown) -> io::Result<(Self, mpsc::Receiver<Found>)> {
        let socket = bind(config.listen)?;
        let address = socket.local_addr()?;
        let mut dice: StdRng = rand::make_rng();
        let node_config =
            NodeConfig { id: NodeId::random(&mut dice), scope: config.scope, ipv6: address.is_ipv6() };
        let clock = Clock::start();
        let mut node = Node::new(node_config, rand::Rng::next_u64(&mut dice), clock.now());
        for address in config.bootstrap {
            node.meet(address, clock.now());
        }
        let (wishes, inbox) = mpsc::channel(WAITING);
        let (finds, found) = mpsc::channel(WAITING);
        let body = Body { node, socket, clock, finds };
        let _detached = crate::spawn("dht", body.run(inbox, shutdown));
        Ok((Self { wishes, address }, found))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Somebody whom the person or a peer trusts runs a node there. `false`: too many wishes wait, and this
    /// one was not taken; so with the others below.
    pub fn meet(&self, address: SocketAddr) -> bool {
        self.wish(Wish::Meet(address))
    }

    /// Looks for peers of a torrent from now on, and announces our TCP port if there is one.
    pub fn seek(&self, hash: InfoHash, port: Option<u16>) -> bool {
        self.wish(Wish::Seek(hash, port))
    }

    /// The torrent is not ours any more.
    pub fn forget(&self, hash: InfoHash) -> bool {
        self.wish(Wish::Forget(hash))
    }

    /// Nodes that answered, to begin with next time.
    pub async fn nodes(&self) -> Vec<SocketAddr> {
        let (sender, receiver) = oneshot::channel();
        if self.wishes.send(Wish::Nodes(sender)).await.is_err() {
            return Vec::new();
        }
        receiver.await.unwrap_or_default()
    }

    fn wish(&self, wish: Wish) -> bool {
        let taken = self.wishes.try_send(wish);
        if let Err(error) = &taken {
            tracing::debug!(%error, "a wish to the DHT was not taken");
        }
        taken.is_ok()
    }
}

struct Body {
    node: Node,
    socket: UdpSocket,
    clock: Clock,
    finds: mpsc::Sender<Found>,
}

impl Body {
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>, shutdown: Shutdown) {
        // One byte more, so that what was cut is seen to be too long.
        let mut buffer = [0; MAX_DATAGRAM + 1];
        loop {
            self.carry_out().await;
            let due = self.node.next_timeout();
            tokio::select! {
                () = shutdown.requested() => return,
                got = self.socket.recv_from(&mut buffer) => match got {
                    Ok((length, from)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.node.handle_datagram(datagram, net::canonical(from), self.clock.now());
                    }
                    // Somebody whom we asked is not there: the answer that does not come says the same.
                    Err(error) => tracing::trace!(%error, "a datagram could not be read"),
                },
                wish = wishes.recv() => match wish {
                    None => return,
                    Some(wish) => self.grant(wish),
                },
                () = self.clock.sleep_until(Some(due)) => self.node.handle_timeout(self.clock.now()),
            }
        }
    }

    fn grant(&mut self, wish: Wish) {
        let now = self.clock.now();
        match wish {
            Wish::Meet(address) => self.node.meet(net::canonical(address), now),
            Wish::Seek(hash, port) => self.node.seek(hash, port, now),
            Wish::Forget(hash) => self.node.forget(hash),
            Wish::Nodes(answer) => drop(answer.send(self.node.nodes())),
        }
    }

    async fn carry_out(&mut self) {
        let mapped = self.socket.local_addr().is_ok_and(|own| own.is_ipv6());
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    let to = if mapped { map(to) } else { to };
                    // What does not go out is as good as lost on the way.
                    if let Err(error) = self.socket.send_to(&datagram, to).await {
                        tracing::trace!(%to, %error, "a datagram could not be sent");
                    }
                }
                Output::Found { hash, peers } => {
                    if self.finds.try_send(Found { hash, peers }).is_err() {
                        tracing::debug!(%hash, "peers that the DHT named were dropped: nobody takes them");
                    }
                }
            }
        }
    }
}

/// An IPv4 address as a socket of both families writes it.
fn map(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for step in 0..PORTS {
        let port = if listen.port() == 0 { 0 } else { listen.port().saturating_add(step) };
        match net::datagrams(SocketAddr::new(listen.ip(), port)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn start(listen: &str, bootstrap: Vec<SocketAddr>) -> (Dht, mpsc::Receiver<Found>) {
        let config = DhtConfig { listen: listen.parse().unwrap(), scope: Scope::Lan, bootstrap };
        Dht::start(config, Shutdown::new()).unwrap()
    }

    async fn next(found: &mut mpsc::Receiver<Found>) -> Found {
        tokio::time::timeout(Duration::from_secs(60), found.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn peers_are_found_over_real_sockets_through_a_third_node() {
        let (tracker, _none) = start("127.0.0.1:0", Vec::new());
        let known = vec![tracker.local_addr()];
        let (one, mut found_by_one) = start("127.0.0.1:0", known.clone());
        let (two, mut found_by_two) = start("127.0.0.1:0", known);
        let hash = InfoHash([7; 20]);
        assert!(one.seek(hash, Some(7_001)));
        assert!(two.seek(hash, Some(7_002)));
        let of = |port: u16| Found { hash, peers: vec![([127, 0, 0, 1], port).into()] };
        // Both announce, so each may also be told of itself.
        while next(&mut found_by_one).await != of(7_002) {}
        while next(&mut found_by_two).await != of(7_001) {}
        assert!(!tracker.nodes().await.is_empty());
    }

    #[tokio::test]
    async fn a_taken_port_is_not_the_end() {
        let (one, _found) = start("127.0.0.1:0", Vec::new());
        let (two, _found) = start(&one.local_addr().to_string(), Vec::new());
        assert_ne!(one.local_addr(), two.local_addr());
    }

    #[tokio::test]
    async fn one_socket_speaks_both_families() {
        let config =
            DhtConfig { listen: "[::]:0".parse().unwrap(), scope: Scope::Lan, bootstrap: Vec::new() };
        let Ok((both, _none)) = Dht::start(config, Shutdown::new()) else {
            println!("this machine has no IPv6");
            return;
        };
        let port = both.local_addr().port();
        for ip in ["127.0.0.1", "::1"] {
            let address = SocketAddr::new(ip.parse().unwrap(), port);
            let any = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let (asker, _found) = start(any, vec![address]);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
            while asker.nodes().await != [address] {
                assert!(tokio::time::Instant::now() < deadline, "{ip}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
