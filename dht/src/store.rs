//! Peers that others announced with us. Bounded in torrents, in peers of one, and in time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt as _;
use shared::{InfoHash, Moment};

/// The most torrents.
const MAX_TORRENTS: usize = 2_000;
/// The most peers of one torrent.
const MAX_PEERS: usize = 500;
/// The most entries of all torrents from one address.
const MAX_OF_ONE: usize = 500;
/// How long an announce counts.
const LIFE: Duration = Duration::from_secs(1_800);

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Store {
    torrents: BTreeMap<InfoHash, BTreeMap<SocketAddr, Moment>>,
    by_address: BTreeMap<std::net::IpAddr, usize>,
}

impl Store {
    /// Somebody announced. Says whether there was room.
    pub(crate) fn add(&mut self, hash: InfoHash, peer: SocketAddr, now: Moment) -> bool {
        if let Some(since) = self.torrents.get_mut(&hash).and_then(|peers| peers.get_mut(&peer)) {
            *since = now;
            return true;
        }
        let full = self
            .torrents
            .get(&hash)
            .map_or(self.torrents.len() >= MAX_TORRENTS, |peers| peers.len() >= MAX_PEERS);
        let count = self.by_address.entry(peer.ip()).or_default();
        if full || *count >= MAX_OF_ONE {
            return false;
        }
        *count += 1;
        self.torrents.entry(hash).or_default().insert(peer, now);
        true
    }

    /// At most `most` peers of a torrent, chosen by chance.
    pub(crate) fn some(&self, hash: &InfoHash, most: usize, dice: &mut impl rand::Rng) -> Vec<SocketAddr> {
        let Some(peers) = self.torrents.get(hash) else { return Vec::new() };
        let start = if peers.len() > most { dice.random_range(0..peers.len()) } else { 0 };
        peers.keys().cycle().skip(start).take(most.min(peers.len())).copied().collect()
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Moment) {
        for peers in self.torrents.values_mut() {
            peers.retain(|peer, since| {
                let young = now.since(*since) < LIFE;
                if !young && let Some(count) = self.by_address.get_mut(&peer.ip()) {
                    *count = count.saturating_sub(1);
                }
                young
            });
        }
        self.torrents.retain(|_, peers| !peers.is_empty());
        self.by_address.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn peer(number: u16) -> SocketAddr {
        let [high, low] = number.to_be_bytes();
        ([10, 0, high, low], 6881).into()
    }

    #[test]
    fn what_others_announce_is_bounded_and_forgotten() {
        let (mut store, mut dice) = (Store::default(), Xoshiro256PlusPlus::seed_from_u64(1));
        let (hash, now) = (InfoHash([1; 20]), Moment::START);
        assert_eq!((0..900).filter(|number| store.add(hash, peer(*number), now)).count(), MAX_PEERS);
        assert!(store.add(hash, peer(0), now), "who is there may say so again");
        assert_eq!(store.some(&hash, 50, &mut dice).len(), 50);
        assert_eq!(store.some(&InfoHash([2; 20]), 50, &mut dice), []);
        let greedy: SocketAddr = "10.9.9.9:1".parse().unwrap();
        let hash_of = |number: u32| {
            let mut hash = [9; 20];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            InfoHash(hash)
        };
        assert_eq!((0..900).filter(|number| store.add(hash_of(*number), greedy, now)).count(), MAX_OF_ONE);
        let later = now + Duration::from_secs(1_000);
        store.add(hash, peer(3), later);
        store.expire(now + LIFE);
        assert_eq!(store.some(&hash, 50, &mut dice), [peer(3)]);
        assert!(store.add(hash_of(0), greedy, later), "room again");
    }
}
