//! Accepts connections, counts them by address, and never ends because of one of them.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Shutdown;
use shared::control::{Code, Refusal, is_local, write_refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::config::TrackerConfig;
use crate::hub::Hub;
use crate::{doors, session};

/// The pause after a failed accept, which doubles up to the second one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A failure that stays is told this often.
const REMIND: Duration = Duration::from_secs(60);

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// One connection of an address, for as long as it lives.
pub(crate) struct Place {
    addresses: Addresses,
    ip: IpAddr,
}

impl Addresses {
    /// A place for one more connection, if there is one within `limit`.
    pub(crate) fn take(&self, ip: IpAddr, limit: usize) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { addresses: self.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// A door through which nobody can come at present, such as when there is no file handle left.
#[derive(Debug)]
pub(crate) struct Trouble {
    pause: Duration,
    told: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { pause: PAUSES.0, told: None }
    }
}

impl Trouble {
    /// Somebody came.
    pub(crate) fn is_over(&mut self) {
        self.pause = PAUSES.0;
    }

    /// Says what is wrong now and then, and lets time pass until the next try.
    pub(crate) async fn wait(&mut self, what: &str, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() > REMIND) {
            tracing::warn!(
                %error,
                "no {what} can be accepted, trying again; who is here is served. try: ulimit -n, or LimitNOFILE"
            );
            self.told = Some(Instant::now());
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}

/// Accepts until it is told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    hub: Hub,
    config: Arc<TrackerConfig>,
    sessions: TaskTracker,
    shutdown: Shutdown,
) {
    let addresses = Addresses::default();
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                trouble.is_over();
                let address = runtime::net::canonical(address);
                let limit = if is_local(address.ip()) {
                    config.sessions_per_local_address
                } else {
                    config.sessions_per_address
                };
                match addresses.take(address.ip(), limit) {
                    Some(place) => {
                        let (hub, config) = (hub.clone(), Arc::clone(&config));
                        runtime::spawn(
                            "session",
                            sessions.track_future(async move {
                                let _place = place;
                                session::serve(stream, address, hub, &config).await;
                            }),
                        );
                    }
                    None => refuse(stream, address.ip(), limit, &sessions),
                }
            }
            Err(error) => {
                if is_of_one_connection(&error) {
                    continue;
                }
                trouble.wait("connection", &error).await;
            }
        }
    }
}

fn refuse(stream: TcpStream, ip: IpAddr, limit: usize, sessions: &TaskTracker) {
    tracing::debug!(%ip, limit, "an address has too many connections");
    let text = format!("too many connections from {ip} (limit {limit})");
    let line = write_refusal(None, &Refusal::new(Code::TooManySessions, text));
    runtime::spawn("refusal", sessions.track_future(doors::answer(stream, line)));
}

/// The connection was gone before it was accepted; the next one may be well.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let addresses = Addresses::default();
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let (first, second) = (addresses.take(ip, 2), addresses.take(ip, 2));
        assert!(first.is_some() && second.is_some() && addresses.take(ip, 2).is_none());
        assert!(addresses.take("10.0.0.2".parse().unwrap(), 2).is_some());
        drop(first);
        assert!(addresses.take(ip, 2).is_some());
        drop(second);
        assert!(addresses.counts.lock().unwrap().is_empty());
    }
}
