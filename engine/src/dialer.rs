//! Outgoing connections: a bounded number at once, each with a deadline for TCP and one for the
//! handshake. Who closes on a plain handshake is tried again behind Message Stream Encryption.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::InfoHashes;
use swarm::{DialFailure, Input};
use tokio::time::timeout;
use wire::mse::Methods;

use crate::config::MseMode;
use crate::connection::handshake::{self, HandshakeError};
use crate::connection::stream::Stream;
use crate::connection::utp::Utp;
use crate::connection::{Event, Inbox, Shaken};
use crate::shared_parts::Parts;

/// How long TCP is tried alone.
const TCP_ALONE: Duration = Duration::from_secs(2);

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// TCP; where that does not get through soon, uTP too when it is on.
    Any,
    /// uTP only: the far side dials us at the same moment (BEP 55).
    Utp,
}

/// Dials in a task of its own; the torrent hears [`Event::Attach`] or `DialFailed`.
pub(crate) fn dial(parts: &Arc<Parts>, hashes: InfoHashes, address: SocketAddr, by: By, inbox: Inbox) {
    let parts = Arc::clone(parts);
    let _detached = runtime::spawn("dial", async move {
        let end = parts.end.clone();
        let outcome = tokio::select! {
            outcome = attempt(&parts, &hashes, address, by) => outcome,
            () = end.cancelled() => return,
        };
        let event = match outcome {
            Ok(shaken) => Event::Attach(Box::new(shaken)),
            Err(reason) => Event::Inputs(vec![Input::DialFailed { address, reason }]),
        };
        let _ = inbox.send(event).await.is_ok();
    });
}

/// The most addresses that are remembered; beyond that all are forgotten.
const MOST_SHY: usize = 1024;

/// Addresses that closed on a plain handshake and answered to Message Stream Encryption.
#[derive(Debug, Default)]
pub(crate) struct Shy(Mutex<BTreeSet<SocketAddr>>);

impl Shy {
    fn addresses(&self) -> std::sync::MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, address: SocketAddr, shy: bool) {
        let mut addresses = self.addresses();
        if shy {
            if addresses.len() >= MOST_SHY {
                addresses.clear();
            }
            addresses.insert(address);
        } else {
            addresses.remove(&address);
        }
    }

    /// The ways to begin, in the order in which they are tried.
    fn ways(&self, address: SocketAddr, mode: MseMode) -> Vec<Option<Methods>> {
        match mode {
            MseMode::Off => vec![None],
            MseMode::Require => vec![Some(Methods::RC4)],
            MseMode::Accept if self.addresses().contains(&address) => vec![Some(Methods::ANY), None],
            MseMode::Accept => vec![None, Some(Methods::ANY)],
        }
    }
}

async fn attempt(
    parts: &Parts,
    hashes: &InfoHashes,
    address: SocketAddr,
    by: By,
) -> Result<Shaken, DialFailure> {
    // Both semaphores live as long as the session.
    let _dialling = parts.dials.acquire().await.map_err(|_| DialFailure::Network)?;
    let permit = Arc::clone(&parts.connections).try_acquire_owned().map_err(|_| DialFailure::Network)?;
    let mut failure = DialFailure::Network;
    for offer in parts.shy.ways(address, parts.config.mse) {
        let mut stream = connect(parts, address, by).await?;
        let shaken = handshake::outgoing(&mut stream, hashes, parts.own(hashes), offer);
        let error = match timeout(parts.config.handshake_timeout, shaken).await {
            Ok(Ok(greeting)) => {
                parts.shy.learn(address, offer.is_some());
                return Ok(Shaken { stream, address, outgoing: true, greeting, permit });
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(DialFailure::TimedOut),
        };
        tracing::debug!(%address, %error, hidden = offer.is_some(), "handshake failed");
        failure = match error {
            // Closed without a word: perhaps it wants another beginning.
            HandshakeError::Lost(_) => DialFailure::Network,
            HandshakeError::Mse(_) => DialFailure::Handshake,
            _ => return Err(DialFailure::Handshake),
        };
    }
    Err(failure)
}

async fn connect(parts: &Parts, address: SocketAddr, by: By) -> Result<Stream, DialFailure> {
    let patience = parts.config.dial_timeout;
    let connected = match (by, parts.utp.get()) {
        (By::Any, None) => runtime::net::connect(address, patience).await.map(Stream::from),
        (By::Any, Some(utp)) => by_either(utp, address, patience).await,
        (By::Utp, Some(utp)) => utp.connect(address, patience).await.map(Stream::from),
        (By::Utp, None) => Err(io::ErrorKind::Unsupported.into()),
    };
    connected.map_err(|error| {
        tracing::debug!(%address, %error, "dial failed");
        match error.kind() {
            io::ErrorKind::ConnectionRefused => DialFailure::Refused,
            io::ErrorKind::TimedOut => DialFailure::TimedOut,
            _ => DialFailure::Network,
        }
    })
}

/// By TCP; and when that is not there soon, by uTP beside it.
async fn by_either(utp: &Utp, address: SocketAddr, patience: Duration) -> io::Result<Stream> {
    let tcp = runtime::net::connect(address, patience);
    tokio::pin!(tcp);
    let waits = match timeout(TCP_ALONE, &mut tcp).await {
        Ok(Ok(tcp)) => return Ok(tcp.into()),
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "not by TCP, so by uTP");
            false
        }
        Err(_) => true,
    };
    let utp = utp.connect(address, patience);
    tokio::pin!(utp);
    if !waits {
        return utp.await.map(Stream::from);
    }
    tokio::select! {
        connected = &mut tcp => match connected {
            Ok(tcp) => Ok(tcp.into()),
            Err(_) => utp.await.map(Stream::from),
        },
        connected = &mut utp => match connected {
            Ok(utp) => Ok(utp.into()),
            Err(_) => tcp.await.map(Stream::from),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_is_tried_first_the_next_time() {
        let shy = Shy::default();
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let (plain, hidden) = (None, Some(Methods::ANY));
        assert_eq!(shy.ways(address(1), MseMode::Accept), [plain, hidden]);
        shy.learn(address(1), true);
        assert_eq!(shy.ways(address(1), MseMode::Accept), [hidden, plain]);
        assert_eq!(shy.ways(address(1), MseMode::Off), [plain]);
        assert_eq!(shy.ways(address(2), MseMode::Require), [Some(Methods::RC4)]);
        shy.learn(address(1), false);
        assert_eq!(shy.ways(address(1), MseMode::Accept), [plain, hidden]);
        (0..=1024).for_each(|port| shy.learn(address(port), true));
        assert!(shy.addresses().len() <= MOST_SHY);
    }
}
