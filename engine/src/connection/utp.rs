//! uTP (BEP 29): connections over one UDP socket, on the port number where TCP listens.
//!
//! It serves to get through NATs, and it steps aside for whatever else uses the link: [`YieldingSocket`]
//! sees to that. It is off unless the person asks for it, as on a LAN nobody has to yield. Called by the
//! dialer and the listener.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use dontfrag::UdpSocketExt as _;
use librqbit_dualstack_sockets::{BindOpts, UdpSocket};
use librqbit_utp::{SocketOpts, UtpSocket, UtpSocketUdp, UtpStream};
use runtime::clock::Clock;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::utp_socket::YieldingSocket;

/// The library sends the first packet once, so an attempt that long without answer is begun anew.
const ASK_AGAIN: Duration = Duration::from_millis(1500);
/// Bytes that one connection may hold in each direction until they are read, or acknowledged.
const WINDOW: u32 = 1024 * 1024;
/// Bytes of datagrams that may wait to be read: a full window of some connections.
const WAITING: usize = 4 * 1024 * 1024;

/// The library does not name the surroundings of its own socket, which are those of ours too.
trait In {
    type Surroundings;
}

impl<T, E> In for UtpSocket<T, E> {
    type Surroundings = E;
}

type Surroundings = <UtpSocketUdp as In>::Surroundings;

/// The uTP socket of a session.
#[derive(Debug, Clone)]
pub(crate) struct Utp(Arc<UtpSocket<YieldingSocket, Surroundings>>);

impl Utp {
    /// Binds the UDP port of this address; `end` ends every connection.
    pub(crate) fn bind(
        address: SocketAddr,
        most: usize,
        clock: Clock,
        end: CancellationToken,
    ) -> io::Result<Self> {
        let window = NonZeroUsize::new(WINDOW as usize);
        let options = SocketOpts {
            vsock_rx_bufsize_bytes: window,
            vsock_tx_bufsize_bytes_max: window,
            disable_nagle: true,
            cancellation_token: end,
            max_live_vsocks: NonZeroUsize::new(most),
            dont_wait_for_lastack: true,
            ..SocketOpts::default()
        };
        let one_or_both = BindOpts { request_dualstack: true, reuseport: false, device: None };
        let socket = UdpSocket::bind_udp(address, one_or_both).map_err(io::Error::other)?;
        let whole = match address {
            SocketAddr::V4(_) => socket.socket().set_dontfrag_v4(true),
            SocketAddr::V6(_) => socket.socket().set_dontfrag_v6(true),
        };
        if let Err(error) = whole {
            tracing::debug!(%error, "packets of uTP may be cut on their way");
        }
        if let Err(error) = runtime::net::hold_datagrams(socket.socket(), WAITING) {
            tracing::debug!(%error, "datagrams of uTP may be lost while others are read");
        }
        let yielding = YieldingSocket::new(socket, WINDOW, clock);
        let utp = UtpSocket::new_with_opts(yielding, Surroundings::default(), options);
        utp.map(Self).map_err(io::Error::other)
    }

    /// Connects within `patience`. When both sides do so at the same time, each has two connections.
    pub(crate) async fn connect(&self, address: SocketAddr, patience: Duration) -> io::Result<UtpStream> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if let Ok(connected) = timeout(left.min(ASK_AGAIN), self.0.connect(address)).await {
                return connected.map_err(io::Error::other);
            }
        }
    }

    /// The next connection that somebody else began.
    pub(crate) async fn accept(&self) -> io::Result<(UtpStream, SocketAddr)> {
        let stream = self.0.accept().await.map_err(io::Error::other)?;
        let address = stream.remote_addr();
        Ok((stream, address))
    }
}
