//! Incoming connections: taken, greeted under a deadline, and given to their torrent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::connection::handshake;
use crate::connection::stream::Stream;
use crate::connection::{Event, Shaken};
use crate::error::StartError;
use crate::shared_parts::Parts;

/// The ports that are tried when none is asked for.
const PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;
/// Most connections that may be in the middle of their handshake.
const GREETING_AT_ONCE: usize = 256;
/// How long to wait after the system refused to give a connection, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Listens where the person said, or on the first free port of the usual ones, or on any.
pub(crate) fn listen(wanted: Option<SocketAddr>) -> Result<TcpListener, StartError> {
    let failed = |address, source| StartError::Listen { address, source };
    if let Some(address) = wanted {
        return runtime::net::listen(address).map_err(|source| failed(address, source));
    }
    let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    for port in PORTS {
        match runtime::net::listen(any(port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(any(port), error)),
        }
    }
    runtime::net::listen(any(0)).map_err(|source| failed(any(0), source))
}

/// Takes connections until the session ends. Errors of the system pass; they never end it.
pub(crate) async fn accept(listener: TcpListener, parts: Arc<Parts>) {
    let greeting = Arc::new(Semaphore::new(GREETING_AT_ONCE));
    let mut wait = BACK_OFF.0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = parts.end.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                wait = BACK_OFF.0;
                let places = (
                    Arc::clone(&greeting).try_acquire_owned(),
                    Arc::clone(&parts.connections).try_acquire_owned(),
                );
                if let (Ok(place), Ok(permit)) = places {
                    let address = runtime::net::canonical(address);
                    let greet = greet(stream, address, permit, place, Arc::clone(&parts));
                    let _detached = runtime::spawn("greet", greet);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
        }
    }
}

async fn greet(
    stream: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    place: OwnedSemaphorePermit,
    parts: Arc<Parts>,
) {
    let _ = runtime::net::tune(&stream).is_ok();
    let mut stream = Stream::from(stream);
    let shaken = handshake::incoming(&mut stream, parts.peer_id, parts.config.mse, &*parts);
    let outcome = tokio::select! {
        outcome = timeout(parts.config.handshake_timeout, shaken) => outcome,
        () = parts.end.cancelled() => return,
    };
    drop(place);
    match outcome {
        Ok(Ok((greeting, torrent))) => {
            let shaken = Shaken { stream, address, outgoing: false, greeting, permit };
            let _ = torrent.inbox.send(Event::Attach(Box::new(shaken))).await.is_ok();
        }
        Ok(Err(error)) => tracing::debug!(%address, %error, "handshake refused"),
        Err(_) => tracing::debug!(%address, "handshake took too long"),
    }
}
