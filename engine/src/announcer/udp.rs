//! An announce over UDP (BEP 15): a connection id first, then the announce, each said again a few times.
//!
//! The pauses between repetitions double as the text says, but begin shorter and end sooner: on a LAN an
//! answer takes milliseconds, and the announcer comes again by itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use shared::announce::{Announce, AnnounceReply};
use shared::display::escape;
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use wire::tracker::compact::Family;
use wire::tracker::udp::{Request, Response};

use super::ask::AnnounceError;
use crate::http::Reach;

/// How often one request is sent.
const TRIES: u32 = 4;
/// The first pause, near and far; each further one is twice as long.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// More than any answer with the most addresses of either family.
const MAX_ANSWER: usize = 20 + 18 * 400;

/// Why a tracker did not answer over UDP.
#[derive(Debug, Error)]
pub enum UdpError {
    /// No datagram comes through.
    #[error("{address} cannot be reached over UDP: {reason}")]
    Network {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// Silence.
    #[error("{address} did not answer {TRIES} datagrams within {} s", after.as_secs().max(1))]
    Silent {
        /// Where.
        address: SocketAddr,
        /// In all.
        after: Duration,
    },
    /// It says no.
    #[error("{address} refuses: {}", escape(reason))]
    Refused {
        /// Where.
        address: SocketAddr,
        /// In its own words.
        reason: String,
    },
    /// It has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
}

/// Announces at the first of these addresses that answers.
pub(super) async fn announce(
    host: &str,
    addresses: &[SocketAddr],
    announce: Announce,
) -> Result<AnnounceReply, AnnounceError> {
    let mut last = UdpError::NoAddress { host: host.to_owned() };
    for address in addresses.iter().take(2) {
        match at(*address, &announce).await {
            Ok(reply) => return Ok(reply),
            Err(refused @ UdpError::Refused { .. }) => return Err(refused.into()),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

async fn at(address: SocketAddr, announce: &Announce) -> Result<AnnounceReply, UdpError> {
    let failed = |error: io::Error| UdpError::Network { address, reason: error.to_string() };
    let any =
        if address.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
    // The system drops what comes from elsewhere, and tells when nobody listens there.
    socket.connect(address).await.map_err(failed)?;
    let client = Client { socket, address };
    let connection = client
        .transact(
            |transaction| Request::Connect { transaction },
            |response| match response {
                Response::Connect { connection, .. } => Some(connection),
                _ => None,
            },
        )
        .await?;
    client
        .transact(
            |transaction| Request::Announce { connection, transaction, announce: announce.clone(), ip: None },
            |response| match response {
                Response::Announce { reply, .. } => Some(reply),
                _ => None,
            },
        )
        .await
}

struct Client {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Client {
    /// Sends a request until its answer comes. Datagrams of another kind or mark are passed over.
    async fn transact<T>(
        &self,
        request: impl Fn(u32) -> Request,
        answer: impl Fn(Response) -> Option<T>,
    ) -> Result<T, UdpError> {
        let address = self.address;
        let failed = |error: io::Error| UdpError::Network { address, reason: error.to_string() };
        let near = Reach::of(address.ip()) != Reach::Public;
        let mut pause = if near { FIRST_PAUSE.0 } else { FIRST_PAUSE.1 };
        let transaction = rand::random();
        let bytes = request(transaction).encode();
        let mut buffer = vec![0; MAX_ANSWER];
        let (family, start) = (Family::of(address.ip()), Instant::now());
        for _ in 0..TRIES {
            self.socket.send(&bytes).await.map_err(failed)?;
            let end = Instant::now() + pause;
            pause *= 2;
            while let Ok(got) = timeout_at(end, self.socket.recv(&mut buffer)).await {
                let length = got.map_err(failed)?;
                let Ok(response) = Response::decode(buffer.get(..length).unwrap_or_default(), family) else {
                    continue;
                };
                if response.transaction() != transaction {
                    continue;
                }
                if let Response::Error { reason, .. } = response {
                    return Err(UdpError::Refused { address, reason });
                }
                if let Some(answer) = answer(response) {
                    return Ok(answer);
                }
            }
        }
        Err(UdpError::Silent { address, after: start.elapsed() })
    }
}
