//! Our DHT node (BEP 5), kept in step with our torrents: peers are looked for and ours announced, for all
//! but private torrents (BEP 27). Nodes that answered are kept for the next run. As long as there are
//! private torrents only, or none, not one datagram is sent.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime::Shutdown;
use runtime::dht::{Dht, DhtConfig, Found, Scope};
use shared::InfoHash;
use swarm::PeerSource;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::DhtMode;
use crate::connection::Event;
use crate::folder::write_atomically;
use crate::shared_parts::Parts;
use crate::status::State;
use crate::torrent::Command;

/// How often torrents are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often nodes are kept.
const KEEP: Duration = Duration::from_secs(120);
/// When they are kept first.
const FIRST_KEEP: Duration = Duration::from_secs(5);
/// The most nodes that are kept, and bytes of them that are read.
const MOST_KEPT: (usize, u64) = (200, 16 * 1024);
/// Nodes that wait to be met; and all of them, while there is nothing to look for.
const WAITING: usize = 64;
const MOST_WAITING: usize = 512;
/// Peers of one find that are taken.
const MOST_FOUND: usize = 100;
/// Where the public DHT begins, for whoever asks for it.
const PUBLIC: [&str; 4] = [
    "router.bittorrent.com:6881",
    "router.utorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "dht.libtorrent.org:25401",
];

/// Starts the node as the settings say. Without a port for it there is no DHT, and that is all.
pub(crate) fn start(parts: Arc<Parts>, listen: SocketAddr, kept: PathBuf) {
    let scope = match parts.config.dht {
        DhtMode::Off => return,
        DhtMode::Lan => Scope::Lan,
        DhtMode::Public => Scope::Public,
    };
    let shutdown = Shutdown::new();
    let waiting: BTreeSet<SocketAddr> = parts.config.dht_bootstrap.iter().copied().collect();
    let config = DhtConfig { listen, scope, bootstrap: Vec::new() };
    let (node, found) = match Dht::start(config, shutdown.clone()) {
        Ok(started) => started,
        Err(error) => {
            tracing::warn!(%error, "no DHT: it finds no UDP port");
            return;
        }
    };
    let (sender, told) = mpsc::channel(WAITING);
    let _ = parts.dht_port.set(node.local_addr().port()).is_ok();
    let _ = parts.dht_nodes.set(sender).is_ok();
    tracing::debug!(address = %node.local_addr(), ?scope, "DHT node started");
    let task = Task { parts, node, kept, sought: BTreeSet::new(), waiting };
    let _detached = runtime::spawn("dht torrents", task.run(found, told, shutdown));
}

struct Task {
    parts: Arc<Parts>,
    node: Dht,
    kept: PathBuf,
    /// Names that are looked for.
    sought: BTreeSet<InfoHash>,
    /// Nodes that we know of and have no question for yet.
    waiting: BTreeSet<SocketAddr>,
}

impl Task {
    async fn run(
        mut self,
        mut found: mpsc::Receiver<Found>,
        mut told: mpsc::Receiver<SocketAddr>,
        shutdown: Shutdown,
    ) {
        self.meet_known().await;
        let (mut look, mut keep) = (interval(LOOK), interval(KEEP));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        keep.reset_after(FIRST_KEEP);
        let end = self.parts.end.clone();
        let mut torrents_changed = self.parts.torrents_changed.subscribe();
        loop {
            tokio::select! {
                () = end.cancelled() => break,
                _ = look.tick() => self.look(),
                Ok(()) = torrents_changed.changed() => self.look(),
                _ = keep.tick() => self.keep().await,
                Some(found) = found.recv() => self.take(found),
                Some(address) = told.recv() => self.meet(address),
            }
        }
        self.keep().await;
        shutdown.request();
    }

    /// Nodes of the last run, and the public ones if they are asked for.
    async fn meet_known(&mut self) {
        let path = self.kept.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        for address in read.unwrap_or_default() {
            self.meet(address);
        }
        if self.parts.config.dht == DhtMode::Public {
            for name in PUBLIC {
                let found = tokio::time::timeout(Duration::from_secs(5), tokio::net::lookup_host(name)).await;
                if let Ok(Ok(addresses)) = found {
                    addresses.take(2).for_each(|address| self.meet(address));
                }
            }
        }
    }

    /// A node is met as soon as there is something to ask it.
    fn meet(&mut self, address: SocketAddr) {
        let met = !self.sought.is_empty() && self.node.meet(address);
        if !met && self.waiting.len() < MOST_WAITING {
            self.waiting.insert(address);
        }
    }

    /// Looks for what is here and not private, and lets go of the rest.
    fn look(&mut self) {
        let port = Some(self.parts.listen_port);
        let mut wanted = BTreeSet::new();
        for torrent in self.parts.torrents().iter().filter(|torrent| !torrent.is_private()) {
            let state = torrent.status.borrow().state;
            if !matches!(state, State::Paused | State::Error) {
                let v2 = torrent.hashes.get_v2().map(|v2| v2.truncated());
                wanted.extend([torrent.hashes.get_v1(), v2].into_iter().flatten());
            }
        }
        // What the node does not take in now, it is told with the next look.
        while !wanted.is_empty()
            && let Some(address) = self.waiting.pop_first()
        {
            if !self.node.meet(address) {
                self.waiting.insert(address);
                break;
            }
        }
        for name in wanted.difference(&self.sought.clone()) {
            if !self.node.seek(*name, port) {
                break;
            }
            self.sought.insert(*name);
        }
        for name in self.sought.clone().difference(&wanted) {
            if !self.node.forget(*name) {
                break;
            }
            self.sought.remove(name);
        }
    }

    fn take(&self, mut found: Found) {
        let Some((_, torrent)) = self.parts.find(&found.hash).filter(|(_, torrent)| !torrent.is_private())
        else {
            return;
        };
        found.peers.truncate(MOST_FOUND);
        // A torrent that is too busy hears it the next time.
        let found = Event::Command(Command::Peers(found.peers, PeerSource::Dht));
        let _ = torrent.inbox.try_send(found).is_ok();
    }

    async fn keep(&self) {
        let nodes = self.node.nodes().await;
        if nodes.is_empty() {
            return;
        }
        let lines: Vec<String> = nodes.iter().take(MOST_KEPT.0).map(ToString::to_string).collect();
        let text = lines.join("\n");
        let path = self.kept.clone();
        let write = move || write_atomically(&path, text.as_bytes(), false);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::debug!(%error, "DHT nodes could not be kept");
        }
    }
}

/// The nodes of an earlier run: one address in a line; what is none is passed over.
fn read(path: &Path) -> Vec<SocketAddr> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_KEPT.1).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    text.lines().filter_map(|line| line.parse().ok()).take(MOST_KEPT.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_nodes_are_read_and_anything_else_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes");
        assert_eq!(read(&path), []);
        std::fs::write(&path, "10.0.0.1:6881\nnonsense\n[fd00::1]:6881\n").unwrap();
        assert_eq!(read(&path), ["10.0.0.1:6881".parse().unwrap(), "[fd00::1]:6881".parse().unwrap()]);
        std::fs::write(&path, "10.0.0.1:6881\n".repeat(5_000)).unwrap();
        assert_eq!(read(&path).len(), 200);
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert_eq!(read(&path), []);
    }
}
