//! Outgoing connections: a bounded number at once, each with a deadline for TCP and one for the
//! handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use shared::InfoHashes;
use swarm::{DialFailure, Input};
use tokio::time::timeout;

use crate::connection::handshake::{self, HandshakeError};
use crate::connection::{Event, Inbox, Shaken};
use crate::shared_parts::Parts;

/// Dials in a task of its own; the torrent hears [`Event::Attach`] or `DialFailed`.
pub(crate) fn dial(parts: &Arc<Parts>, hashes: InfoHashes, address: SocketAddr, inbox: Inbox) {
    let parts = Arc::clone(parts);
    let _detached = runtime::spawn("dial", async move {
        let end = parts.end.clone();
        let outcome = tokio::select! {
            outcome = attempt(&parts, &hashes, address) => outcome,
            () = end.cancelled() => return,
        };
        let event = match outcome {
            Ok(shaken) => Event::Attach(Box::new(shaken)),
            Err(reason) => Event::Inputs(vec![Input::DialFailed { address, reason }]),
        };
        let _ = inbox.send(event).await.is_ok();
    });
}

async fn attempt(parts: &Parts, hashes: &InfoHashes, address: SocketAddr) -> Result<Shaken, DialFailure> {
    // Both semaphores live as long as the session.
    let _dialling = parts.dials.acquire().await.map_err(|_| DialFailure::Network)?;
    let permit = Arc::clone(&parts.connections).try_acquire_owned().map_err(|_| DialFailure::Network)?;
    let connected = runtime::net::connect(address, parts.config.dial_timeout).await;
    let mut stream = connected.map_err(|error| {
        tracing::debug!(%address, %error, "dial failed");
        match error.kind() {
            io::ErrorKind::ConnectionRefused => DialFailure::Refused,
            io::ErrorKind::TimedOut => DialFailure::TimedOut,
            _ => DialFailure::Network,
        }
    })?;
    let shaken = handshake::outgoing(&mut stream, hashes, parts.peer_id);
    let greeting = match timeout(parts.config.handshake_timeout, shaken).await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "handshake failed");
            return Err(match error {
                HandshakeError::Lost(_) => DialFailure::Network,
                _ => DialFailure::Handshake,
            });
        }
        Err(_) => return Err(DialFailure::TimedOut),
    };
    Ok(Shaken { stream, address, outgoing: true, greeting, permit })
}
