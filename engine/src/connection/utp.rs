//! uTP (BEP 29): connections over one UDP socket, on the port number where TCP listens.
//!
//! The congestion control of the library is CUBIC: unlike LEDBAT it takes as much as TCP does, so uTP
//! serves here to get through NATs, not to step aside. It is off unless the person asks for it. Called by
//! the dialer and the listener.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use librqbit_utp::{SocketOpts, UtpSocketUdp, UtpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The library sends the first packet once, so an attempt that long without answer is begun anew.
const ASK_AGAIN: Duration = Duration::from_millis(1500);
/// Bytes that one connection may hold in each direction until they are read, or acknowledged.
const WINDOW: usize = 1024 * 1024;

/// The uTP socket of a session.
#[derive(Debug, Clone)]
pub(crate) struct Utp(Arc<UtpSocketUdp>);

impl Utp {
    /// Binds the UDP port of this address; `end` ends every connection.
    pub(crate) async fn bind(
        address: SocketAddr,
        most: usize,
        end: CancellationToken,
    ) -> Result<Self, librqbit_utp::Error> {
        let options = SocketOpts {
            vsock_rx_bufsize_bytes: NonZeroUsize::new(WINDOW),
            vsock_tx_bufsize_bytes_max: NonZeroUsize::new(WINDOW),
            disable_nagle: true,
            cancellation_token: end,
            max_live_vsocks: NonZeroUsize::new(most),
            dont_wait_for_lastack: true,
            ..SocketOpts::default()
        };
        UtpSocketUdp::new_udp_with_opts(address, options, librqbit_utp::UtpSocketUdpOpts::default())
            .await
            .map(Self)
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
