//! When each connection was last heard, and which has been silent for too long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::Moment;

/// A watch over connections, or over clients in swarms. A sign of life costs one map write; the queue of deadlines is put right
/// only when its first one is reached.
#[derive(Debug)]
pub(crate) struct Silence<K> {
    patience: Duration,
    heard: BTreeMap<K, Moment>,
    deadlines: BTreeSet<(Moment, K)>,
}

impl<K: Copy + Ord> Silence<K> {
    /// Silent for longer than `patience` is too long.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, heard: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// Starts to watch.
    pub(crate) fn watch(&mut self, session: K, now: Moment) {
        self.heard.insert(session, now);
        self.deadlines.insert((now + self.patience, session));
    }

    /// A sign of life.
    pub(crate) fn heard(&mut self, session: K, now: Moment) {
        if let Some(at) = self.heard.get_mut(&session) {
            *at = now;
        }
    }

    /// Stops to watch.
    pub(crate) fn forget(&mut self, session: K) {
        self.heard.remove(&session);
    }

    /// Whether it is watched.
    pub(crate) fn is_watched(&self, session: K) -> bool {
        self.heard.contains_key(&session)
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Those that have been silent for too long; they are watched no longer.
    pub(crate) fn expired(&mut self, now: Moment) -> Vec<K> {
        let mut expired = Vec::new();
        while let Some((deadline, session)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(deadline, session));
            let Some(heard) = self.heard.get(&session) else { continue };
            let due = *heard + self.patience;
            if due <= now {
                self.heard.remove(&session);
                expired.push(session);
            } else {
                self.deadlines.insert((due, session));
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::SessionKey;

    #[test]
    fn only_the_silent_expire() {
        let second = |s| Moment::START + Duration::from_secs(s);
        let mut silence = Silence::new(Duration::from_secs(90));
        for session in 1..=3 {
            silence.watch(SessionKey(session), second(0));
        }
        silence.heard(SessionKey(2), second(60));
        silence.forget(SessionKey(3));
        assert_eq!(silence.next(), Some(second(90)));
        assert_eq!(silence.expired(second(89)), []);
        assert_eq!(silence.expired(second(90)), [SessionKey(1)]);
        assert_eq!(silence.next(), Some(second(150)));
        assert_eq!(silence.expired(second(150)), [SessionKey(2)]);
        assert_eq!(silence.next(), None);
    }
}
