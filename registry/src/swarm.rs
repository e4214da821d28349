//! Who has how much of one entry, and who wants to be told.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt as _};
use shared::control::Have;

use crate::identity::MemberId;

/// What one source has and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceState {
    pub(crate) have: Have,
    /// Whether it shares the entry, rather than only fetching it.
    pub(crate) sharer: bool,
    /// Hundredths that are there.
    pub(crate) percent: u8,
    /// Bytes it says it received.
    pub(crate) downloaded: u64,
    /// Bytes it says it gave.
    pub(crate) uploaded: u64,
    /// When its download began: milliseconds since 1970, and what it had received before.
    pub(crate) started: Option<(u64, u64)>,
    /// When it was last heard of: milliseconds since 1970.
    pub(crate) heard: u64,
    /// How many announces in a row came before their time.
    pub(crate) early: u8,
}

/// The sources of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Swarm {
    pub(crate) sources: BTreeMap<MemberId, SourceState>,
    pub(crate) subscribers: BTreeSet<MemberId>,
    /// Downloads that completed.
    pub(crate) completed: u64,
    /// Bytes received by those who left, and by those who are here.
    pub(crate) downloaded: u64,
    /// Bytes given by those who left, and by those who are here.
    pub(crate) uploaded: u64,
    /// Of these, bytes given by those who had all from the beginning.
    pub(crate) from_origin: u64,
}

impl Swarm {
    /// Sources that have everything.
    pub(crate) fn full(&self) -> usize {
        self.sources.values().filter(|source| source.have.is_full()).count()
    }

    /// A uniform random sample of at most `want` sources without `except`.
    pub(crate) fn sample(&self, want: usize, except: MemberId, rng: &mut impl Rng) -> Vec<MemberId> {
        let others = self.sources.len() - usize::from(self.sources.contains_key(&except));
        let mut chosen = BTreeSet::new();
        // Floyd: as many draws as there are results, whatever the size of the swarm.
        for last in others.saturating_sub(want)..others {
            let drawn = rng.random_range(0..=last);
            if !chosen.insert(drawn) {
                chosen.insert(last);
            }
        }
        let others = self.sources.keys().filter(|peer| **peer != except);
        others.enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, peer)| *peer).collect()
    }

    /// Takes over the peers of another swarm of the same torrent.
    pub(crate) fn merge(&mut self, other: Self) {
        for (peer, source) in other.sources {
            self.sources.entry(peer).or_insert(source);
        }
        self.subscribers.extend(other.subscribers);
        self.completed += other.completed;
        self.downloaded = self.downloaded.saturating_add(other.downloaded);
        self.uploaded = self.uploaded.saturating_add(other.uploaded);
        self.from_origin = self.from_origin.saturating_add(other.from_origin);
    }

    /// What a source says it received and gave enters the sums; a count that went back starts anew.
    pub(crate) fn count(&mut self, before: Option<&SourceState>, downloaded: u64, uploaded: u64) {
        let (down, up) = before.map_or((0, 0), |before| (before.downloaded, before.uploaded));
        self.downloaded = self.downloaded.saturating_add(downloaded.checked_sub(down).unwrap_or(downloaded));
        let given = uploaded.checked_sub(up).unwrap_or(uploaded);
        self.uploaded = self.uploaded.saturating_add(given);
        // Who received nothing and has all did not get it here.
        if downloaded == 0 && before.is_some_and(|before| before.have.is_full()) {
            self.from_origin = self.from_origin.saturating_add(given);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;
    use shared::PeerId;

    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::session(PeerId([number; 20]))
    }

    fn swarm(size: u8) -> Swarm {
        let source = SourceState {
            have: Have::Full,
            sharer: true,
            percent: 100,
            downloaded: 0,
            uploaded: 0,
            started: None,
            heard: 0,
            early: 0,
        };
        let sources = (0..size).map(|number| (member(number), source)).collect();
        Swarm { sources, ..Swarm::default() }
    }

    #[test]
    fn a_sample_is_uniform_and_never_holds_the_one_who_asks() {
        let swarm = swarm(20);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut seen = BTreeMap::new();
        for _ in 0..19_000 {
            let sample = swarm.sample(5, member(3), &mut rng);
            assert_eq!(sample.len(), 5);
            for peer in sample {
                *seen.entry(peer).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(seen.len(), 19);
        assert!(!seen.contains_key(&member(3)));
        // 5,000 each is expected; six standard deviations are about 360.
        assert!(seen.values().all(|count| (4_600..5_400).contains(count)), "{seen:?}");
    }

    #[test]
    fn a_small_swarm_is_given_whole() {
        let mut rng = SmallRng::seed_from_u64(1);
        assert_eq!(swarm(3).sample(50, member(9), &mut rng).len(), 3);
        assert_eq!(swarm(3).sample(50, member(1), &mut rng).len(), 2);
        assert!(swarm(1).sample(50, member(0), &mut rng).is_empty());
        assert!(swarm(3).sample(0, member(9), &mut rng).is_empty());
    }
}
