//! Incoming connections: taken, greeted under a deadline, and given to their torrent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::connection::handshake;
use crate::connection::stream::Stream;
use crate::connection::utp::Utp;
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

/// A place for each connection that is in the middle of its handshake.
#[derive(Debug, Clone)]
pub(crate) struct Greetings(Arc<Semaphore>);

impl Default for Greetings {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(GREETING_AT_ONCE)))
    }
}

/// Binds the UDP port that belongs to this TCP port, and takes connections there. Without it, all goes
/// on by TCP.
pub(crate) fn start_utp(address: SocketAddr, greetings: Greetings, parts: &Arc<Parts>) {
    match Utp::bind(address, parts.config.max_connections, parts.clock, parts.end.clone()) {
        Ok(utp) => {
            let _ = parts.utp.set(utp.clone()).is_ok();
            let _detached = runtime::spawn("uTP listener", accept_utp(utp, greetings, Arc::clone(parts)));
        }
        Err(error) => tracing::warn!(%address, %error, "no uTP: the UDP port could not be taken"),
    }
}

/// Takes uTP connections until the session ends, each when there is a place for it.
async fn accept_utp(utp: Utp, greetings: Greetings, parts: Arc<Parts>) {
    loop {
        let next = async {
            let place = Arc::clone(&greetings.0).acquire_owned().await.ok()?;
            let permit = Arc::clone(&parts.connections).acquire_owned().await.ok()?;
            let (stream, address) = utp.accept().await.ok()?;
            Some((place, permit, stream, address))
        };
        let next = tokio::select! {
            next = next => next,
            () = parts.end.cancelled() => return,
        };
        let Some((place, permit, stream, address)) = next else {
            tracing::warn!("the uTP socket has ended");
            return;
        };
        let address = runtime::net::canonical(address);
        let greet = greet(stream.into(), address, permit, place, Arc::clone(&parts));
        let _detached = runtime::spawn("greet", greet);
    }
}

/// Takes connections until the session ends. Errors of the system pass; they never end it.
pub(crate) async fn accept(listener: TcpListener, greetings: Greetings, parts: Arc<Parts>) {
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
                    Arc::clone(&greetings.0).try_acquire_owned(),
                    Arc::clone(&parts.connections).try_acquire_owned(),
                );
                if let (Ok(place), Ok(permit)) = places {
                    let address = runtime::net::canonical(address);
                    let _ = runtime::net::tune(&stream).is_ok();
                    let greet = greet(stream.into(), address, permit, place, Arc::clone(&parts));
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
    mut stream: Stream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    place: OwnedSemaphorePermit,
    parts: Arc<Parts>,
) {
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
