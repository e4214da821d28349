//! The torrent file as far as it is known: it may come late, and its piece layers later still; trackers
//! may be told before it and after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::metainfo::Metainfo;
use swarm::announce::{MAX_TRACKERS, MAX_URL};

/// What is known of one torrent's file; shared by its task and its handle.
#[derive(Debug, Default)]
pub(crate) struct KnownMetainfo(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    metainfo: Option<Arc<Metainfo>>,
    /// Those that were told beside the file, until there is one.
    trackers: Vec<Vec<String>>,
}

impl KnownMetainfo {
    /// This much is known at the start.
    pub(crate) fn new(metainfo: Option<Arc<Metainfo>>) -> Self {
        Self(Mutex::new(Known { metainfo, trackers: Vec::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is known by now.
    pub(crate) fn get(&self) -> Option<Arc<Metainfo>> {
        self.lock().metainfo.clone()
    }

    /// From now on this is known, and the trackers that were told before belong to it.
    pub(crate) fn set(&self, mut metainfo: Metainfo) -> Arc<Metainfo> {
        let mut known = self.lock();
        merge(&mut metainfo.announce, &known.trackers);
        if let Some(before) = &known.metainfo {
            merge(&mut metainfo.announce, &before.announce);
        }
        let metainfo = Arc::new(metainfo);
        known.metainfo = Some(Arc::clone(&metainfo));
        metainfo
    }

    /// The trackers in tiers (BEP 12).
    pub(crate) fn trackers(&self) -> Vec<Vec<String>> {
        let known = self.lock();
        known.metainfo.as_ref().map_or_else(|| known.trackers.clone(), |known| known.announce.clone())
    }

    /// More trackers. Gives the torrent file when it is to be kept anew.
    pub(crate) fn add_trackers(&self, tiers: &[Vec<String>]) -> Option<Arc<Metainfo>> {
        let mut known = self.lock();
        let Some(metainfo) = known.metainfo.clone() else {
            merge(&mut known.trackers, tiers);
            return None;
        };
        let mut announce = metainfo.announce.clone();
        merge(&mut announce, tiers);
        if announce == metainfo.announce {
            return None;
        }
        let metainfo = Arc::new(Metainfo { announce, ..(*metainfo).clone() });
        known.metainfo = Some(Arc::clone(&metainfo));
        Some(metainfo)
    }
}

/// Adds tiers behind those that are there; what is known already, is too long or too many is left out.
pub(crate) fn merge(tiers: &mut Vec<Vec<String>>, more: &[Vec<String>]) {
    for tier in more {
        let mut new: Vec<String> = Vec::new();
        for url in tier {
            let count = tiers.iter().flatten().count() + new.len();
            let fits = !url.is_empty() && url.len() <= MAX_URL && count < MAX_TRACKERS;
            if fits && !new.contains(url) && !tiers.iter().flatten().any(|known| known == url) {
                new.push(url.clone());
            }
        }
        if !new.is_empty() {
            tiers.push(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_merged_without_repetition_and_within_bounds() {
        let tier = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let mut tiers = vec![tier(&["a", "b"])];
        merge(&mut tiers, &[tier(&["b"]), tier(&["c", "a", "c", ""]), tier(&["d"])]);
        assert_eq!(tiers, [tier(&["a", "b"]), tier(&["c"]), tier(&["d"])]);
        let many: Vec<Vec<String>> = (0..200).map(|number| vec![format!("u{number}")]).collect();
        merge(&mut tiers, &many);
        merge(&mut tiers, &[vec!["x".repeat(MAX_URL + 1)]]);
        assert_eq!(tiers.iter().flatten().count(), MAX_TRACKERS);
    }

    #[test]
    fn trackers_that_were_told_early_are_kept() {
        let known = KnownMetainfo::default();
        assert!(known.add_trackers(&[vec![String::from("a")]]).is_none());
        assert_eq!(known.trackers(), [["a"]]);
    }
}
