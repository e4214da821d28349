//! What a session remembers of the peers of its unfinished downloads, so that they go on after a restart
//! while no tracker answers: the addresses at which somebody was reached, who told of them, and when.
//!
//! They lie in a file of the peer's private folder, one line each: info hash, address, flags, seconds
//! since 1970. The first flag is the letter of [`PeerSource`], a `v` behind it says that the tracker or
//! the person named the address too. Of a private torrent only those are kept and used (BEP 27), and none
//! is left when another tracker speaks for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shared::{InfoHash, Moment};
use swarm::{KnownPeer, PeerSource};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use crate::connection::Event;
use crate::folder::write_atomically;
use crate::shared_parts::Parts;
use crate::status::State;
use crate::torrent::{Command, TorrentHandle};

/// How often torrents are asked whom they reach.
const LOOK: Duration = Duration::from_secs(2);
/// How old the file may become while only times have changed.
const REFRESH: Duration = Duration::from_secs(600);
/// The most addresses of one torrent.
const MOST_OF_ONE: usize = 50;
/// The most addresses of all.
const MOST: usize = 5_000;
/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// Seconds after which an address is forgotten where nobody was reached.
const OLDEST: u64 = 14 * 24 * 3600;

/// One address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    source: PeerSource,
    vouched: bool,
    /// Seconds since 1970.
    seen: u64,
}

/// The addresses of each torrent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    torrents: BTreeMap<InfoHash, BTreeMap<SocketAddr, Kept>>,
    /// It says more than the file does, times aside.
    changed: bool,
}

impl Memory {
    /// Reads what an earlier run kept; what makes no sense or is too old is passed over.
    fn read(text: &str, now: u64) -> Self {
        let mut memory = Self::default();
        let lines = text.lines().filter_map(|line| line_of(line, now)).take(MOST);
        for (id, address, kept) in lines {
            let torrent = memory.torrents.entry(id).or_default();
            if torrent.len() < MOST_OF_ONE {
                torrent.insert(address, kept);
            }
        }
        memory
    }

    fn write(&self) -> String {
        let mut text = String::new();
        let lines = self.torrents.iter().flat_map(|(id, kept)| kept.iter().map(move |one| (id, one)));
        for (id, (address, kept)) in lines.take(MOST) {
            let (letter, vouched) = (kept.source.letter(), if kept.vouched { "v" } else { "" });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{id} {address} {letter}{vouched} {}", kept.seen).is_ok();
        }
        text
    }

    /// These peers of a torrent were reached, so many seconds ago each.
    fn note(&mut self, id: InfoHash, peers: impl IntoIterator<Item = (KnownPeer, u64)>, now: u64) {
        let torrent = self.torrents.entry(id).or_default();
        for (peer, ago) in peers {
            let kept = Kept { source: peer.source, vouched: peer.vouched, seen: now.saturating_sub(ago) };
            let before = torrent.insert(peer.address, kept);
            self.changed |= before.is_none_or(|before| before.vouched != kept.vouched);
        }
        let fresh = torrent.len();
        torrent.retain(|_, kept| now.saturating_sub(kept.seen) <= OLDEST);
        while torrent.len() > MOST_OF_ONE {
            let oldest = torrent.iter().min_by_key(|(_, kept)| kept.seen).map(|(address, _)| *address);
            oldest.map(|address| torrent.remove(&address));
        }
        self.changed |= torrent.len() != fresh;
    }

    /// Forgets one torrent.
    pub(crate) fn forget(&mut self, id: &InfoHash) {
        self.changed |= self.torrents.remove(id).is_some();
    }

    /// Forgets all torrents but these.
    fn keep_only(&mut self, wanted: impl Fn(&InfoHash) -> bool) {
        let before = self.torrents.len();
        self.torrents.retain(|id, _| wanted(id));
        self.changed |= self.torrents.len() != before;
    }

    /// Whom to try for a torrent, as coming from where.
    fn of(&self, id: &InfoHash, private: bool) -> (Vec<SocketAddr>, PeerSource) {
        let kept = self.torrents.get(id).into_iter().flatten();
        let usable = kept.filter(|(_, kept)| kept.vouched || !private).map(|(address, _)| *address).collect();
        (usable, if private { PeerSource::Tracker } else { PeerSource::Remembered })
    }
}

/// What is left of a file of known peers when it is read and written again, `now` in seconds since 1970:
/// what makes no sense, is too old or too much is gone.
pub fn tidied(text: &str, now: u64) -> String {
    Memory::read(text, now).write()
}

fn line_of(line: &str, now: u64) -> Option<(InfoHash, SocketAddr, Kept)> {
    let mut words = line.split(' ');
    let (id, address) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mut flags = words.next()?.chars();
    let source = PeerSource::of_letter(flags.next()?)?;
    let vouched = flags.next() == Some('v');
    let seen: u64 = words.next()?.parse().ok()?;
    // A clock that was set back makes nobody live for ever.
    let seen = seen.min(now);
    (now - seen <= OLDEST).then_some((id, address, Kept { source, vouched, seen }))
}

/// Starts remembering: torrents that go on hear at once of whom an earlier run reached.
pub(crate) async fn start(parts: Arc<Parts>, path: PathBuf) {
    let from = path.clone();
    let read = tokio::task::spawn_blocking(move || read(&from)).await.unwrap_or_default();
    let memory = Memory::read(&read, wall());
    let unfinished: Vec<_> = parts.torrents().iter().filter(|one| is_unfinished(one)).cloned().collect();
    for torrent in unfinished {
        let (addresses, source) = memory.of(&torrent.id, torrent.is_private());
        if !addresses.is_empty() {
            tracing::info!(id = %torrent.id, count = addresses.len(), "peers of an earlier run are tried");
            // Nothing else is in the inbox of a torrent that has just begun.
            let _ = torrent.inbox.try_send(Event::Command(Command::Peers(addresses, source))).is_ok();
        }
    }
    *parts.memory_of_peers() = memory;
    let _detached = runtime::spawn("memory of peers", run(parts, path));
}

async fn run(parts: Arc<Parts>, path: PathBuf) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = parts.end.clone();
    let mut written = parts.clock.now();
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = look.tick() => {}
        }
        look_around(&parts).await;
        let now = parts.clock.now();
        let text = {
            let mut memory = parts.memory_of_peers();
            let stale = !memory.torrents.is_empty() && now.since(written) >= REFRESH;
            (std::mem::take(&mut memory.changed) || stale).then(|| memory.write())
        };
        if let Some(text) = text {
            written = now;
            let path = path.clone();
            let write = move || write_atomically(&path, text.as_bytes(), false);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
                tracing::debug!(%error, "addresses of peers could not be kept");
            }
        }
    }
}

/// Asks every unfinished torrent whom it reaches, and forgets those that are finished or gone.
async fn look_around(parts: &Parts) {
    let unfinished: Vec<Arc<TorrentHandle>> =
        parts.torrents().iter().filter(|one| is_unfinished(one)).cloned().collect();
    for torrent in unfinished.iter().filter(|one| one.status.borrow().peers > 0) {
        let (sender, answer) = oneshot::channel();
        // One that is too busy is asked the next time.
        if torrent.inbox.try_send(Event::Command(Command::KnownPeers(sender))).is_err() {
            continue;
        }
        let Ok(peers) = answer.await else { continue };
        let now = parts.clock.now();
        let ago = |seen: Moment| now.since(seen).as_secs();
        let peers = peers.into_iter().take(MOST_OF_ONE).map(|peer| (peer, ago(peer.seen)));
        parts.memory_of_peers().note(torrent.id, peers, wall());
    }
    parts.memory_of_peers().keep_only(|id| unfinished.iter().any(|torrent| torrent.id == *id));
}

fn is_unfinished(torrent: &TorrentHandle) -> bool {
    let status = torrent.status.borrow();
    !status.is_share && status.state != State::Seeding
}

fn wall() -> u64 {
    runtime::clock::wall_millis() / 1000
}

fn read(path: &Path) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::debug!(%error, "no addresses of an earlier run");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ID: InfoHash = InfoHash([0xab; 20]);

    fn peer(port: u16, source: PeerSource, vouched: bool) -> KnownPeer {
        KnownPeer { address: ([10, 0, 0, 1], port).into(), source, vouched, seen: Moment::START }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut memory = Memory::default();
        let sources = [
            PeerSource::Tracker,
            PeerSource::Asked,
            PeerSource::Remembered,
            PeerSource::Exchange,
            PeerSource::LocalDiscovery,
            PeerSource::Dht,
        ];
        let peers = (1..).zip(sources).map(|(port, source)| (peer(port, source, port % 2 == 0), port.into()));
        memory.note(ID, peers, NOW);
        memory.note(InfoHash([1; 20]), [(peer(9, PeerSource::Dht, false), 0)], NOW);
        assert!(std::mem::take(&mut memory.changed));
        assert_eq!(Memory::read(&memory.write(), NOW), memory);
        assert!(memory.write().contains("10.0.0.1:2 Av 1799999998\n"), "{}", memory.write());
    }

    #[test]
    fn what_makes_no_sense_or_is_too_old_is_passed_over() {
        let good = format!("{ID} 10.0.0.1:6881 T {NOW}");
        let too_old = format!("{ID} 10.0.0.2:6881 T {}", NOW - OLDEST - 1);
        let future = format!("{ID} [fd00::1]:6881 Xv {}", u64::MAX);
        for bad in [
            "",
            " ",
            "nonsense",
            &ID.to_string(),
            &format!("{ID} 10.0.0.1:6881"),
            &format!("{ID} 10.0.0.1:6881 T"),
            &format!("{ID} 10.0.0.1:6881 T -1"),
            &format!("{ID} 10.0.0.1:6881 T 99999999999999999999999"),
            &format!("{ID} 10.0.0.1:6881  {NOW}"),
            &format!("{ID} 10.0.0.1:6881 Q {NOW}"),
            &format!("{ID} 10.0.0.1 T {NOW}"),
            &format!("{ID} host:6881 T {NOW}"),
            &format!("abc 10.0.0.1:6881 T {NOW}"),
            &too_old,
        ] {
            assert_eq!(Memory::read(bad, NOW), Memory::default(), "{bad:?}");
            let among = format!("{good}\n{bad}\n{future}\n");
            let (addresses, _) = Memory::read(&among, NOW).of(&ID, false);
            assert_eq!(addresses.len(), 2, "{bad:?}");
        }
        let back = Memory::read(&future, NOW);
        assert_eq!(Memory::read(&back.write(), NOW + OLDEST + 1), Memory::default());
    }

    #[test]
    fn a_memory_is_bounded_and_the_oldest_go_first() {
        let mut memory = Memory::default();
        let peers = (1..=60).map(|port| (peer(port, PeerSource::Exchange, false), u64::from(port)));
        memory.note(ID, peers, NOW);
        let (kept, _) = memory.of(&ID, false);
        assert_eq!(kept.len(), MOST_OF_ONE);
        assert!(kept.iter().all(|address| address.port() <= 50), "the latest stay: {kept:?}");
        memory.note(ID, [], NOW + OLDEST + 10);
        assert_eq!(memory.of(&ID, false).0.len(), 0, "nobody stays for ever");
        let many =
            |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
        let one = many(70_000, &|at| format!("{ID} 10.0.0.1:{} T {NOW}\n", at % 65_536));
        assert_eq!(Memory::read(&one, NOW).of(&ID, false).0.len(), MOST_OF_ONE);
        let others = many(MOST + 10, &|at| format!("{at:040x} 10.0.0.1:1 T {NOW}\n"));
        assert_eq!(Memory::read(&others, NOW).torrents.len(), MOST);
    }

    #[test]
    fn of_a_private_torrent_only_those_are_used_whom_the_tracker_named() {
        let mut memory = Memory::default();
        let (own, stranger) = (peer(1, PeerSource::Tracker, true), peer(2, PeerSource::Exchange, false));
        memory.note(ID, [(own, 0), (stranger, 0)], NOW);
        assert_eq!(memory.of(&ID, true), (vec![own.address], PeerSource::Tracker));
        assert_eq!(memory.of(&ID, false), (vec![own.address, stranger.address], PeerSource::Remembered));
        memory.forget(&ID);
        assert_eq!(memory.of(&ID, false).0.len(), 0);
    }
}
