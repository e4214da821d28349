//! The doors for BitTorrent clients: HTTP and UDP under one port number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use runtime::Shutdown;
use runtime::net::{both_families, datagrams, listen};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::udp::UdpDoor;
use crate::web::{self, WebConfig};

/// How many ports behind a taken one are tried before any is good.
const NEXT: u16 = 9;
/// How often a free number is looked for that both protocols can have.
const TRIES: usize = 16;

/// Both sockets, bound to one number.
pub(crate) struct Doors {
    tcp: TcpListener,
    udp: UdpSocket,
    /// Where they are, with the port that was taken.
    pub(crate) address: SocketAddr,
}

/// Takes the port of `wanted` for both protocols, or, where it `may_move`, the next one that is free.
pub(crate) fn bind(wanted: SocketAddr, may_move: bool) -> io::Result<Doors> {
    let wanted = both_families(wanted);
    let first = take(wanted);
    if !may_move || !is_taken(&first) {
        return first;
    }
    for port in (1..=NEXT).filter_map(|next| wanted.port().checked_add(next)) {
        let next = take(SocketAddr::new(wanted.ip(), port));
        if !is_taken(&next) {
            return next;
        }
    }
    take(SocketAddr::new(wanted.ip(), 0))
}

fn is_taken(bound: &io::Result<Doors>) -> bool {
    bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn take(wanted: SocketAddr) -> io::Result<Doors> {
    let mut result = both(wanted);
    // The system gave a number that is free for one protocol only.
    for _ in 1..TRIES {
        if wanted.port() != 0 || !is_taken(&result) {
            break;
        }
        result = both(wanted);
    }
    result
}

fn both(wanted: SocketAddr) -> io::Result<Doors> {
    let tcp = listen(wanted)?;
    let address = tcp.local_addr()?;
    Ok(Doors { udp: datagrams(address)?, tcp, address })
}

impl Doors {
    /// Opens both until `shutdown`.
    /// Over UDP an address may ask `datagrams` times a second, or as often as it can for 0.
    pub(crate) fn open(
        self,
        hub: &Hub,
        shutdown: &Shutdown,
        tasks: &TaskTracker,
        web: WebConfig,
        datagrams: u32,
    ) {
        let udp = UdpDoor::new(hub.clone(), Arc::clone(&web.dropped), datagrams);
        runtime::spawn("udp", udp.serve(self.udp, shutdown.clone()));
        runtime::spawn(
            "web-listener",
            web::serve(self.tcp, hub.clone(), web, shutdown.clone(), tasks.clone()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_protocols_have_one_number_and_a_taken_one_is_passed_over() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = bind(any, false).unwrap();
        assert_eq!(first.tcp.local_addr().unwrap().port(), first.udp.local_addr().unwrap().port());
        assert!(is_taken(&bind(first.address, false)));
        let second = bind(first.address, true).unwrap();
        assert_ne!(second.address.port(), first.address.port());
        // A number whose UDP half is taken is taken.
        let address = first.address;
        let Doors { tcp, udp, .. } = first;
        drop(tcp);
        assert!(is_taken(&bind(address, false)));
        drop(udp);
        assert_eq!(bind(address, false).unwrap().address, address);
    }
}
