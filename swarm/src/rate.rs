//! Bytes per second over a sliding window, in whole numbers so that every machine agrees.
//!
//! Never reads a clock; called for each block by the pipeline, the choker and the status.

use std::time::Duration;

use shared::Moment;

const SLOTS: usize = 10;

/// How fast bytes go by, over the last ten slots of time.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    slot_nanos: u64,
    slots: [u64; SLOTS],
    newest: u64,
    /// When the newest slot ends: most of what is counted falls into it.
    ends: Moment,
    /// Bytes of all slots.
    sum: u64,
    since: Option<Moment>,
    total: u64,
}

impl Rate {
    /// A rate over a window of ten times `slot`.
    pub(crate) fn new(slot: Duration) -> Self {
        let slot_nanos = u64::try_from(slot.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { slot_nanos, slots: [0; SLOTS], newest: 0, ends: Moment::START, sum: 0, since: None, total: 0 }
    }

    /// Counts `bytes` that went by at `now`.
    pub(crate) fn add(&mut self, bytes: u64, now: Moment) {
        if now >= self.ends {
            self.turn_to(self.slot_at(now));
        }
        if let Some(value) = self.slots.get_mut(place(self.newest)) {
            *value += bytes;
        }
        self.sum += bytes;
        self.since.get_or_insert(now);
        self.total += bytes;
    }

    /// Bytes per second at `now`; a young rate is taken over its age, but at least one slot.
    pub(crate) fn per_second(&self, now: Moment) -> f64 {
        let Some(since) = self.since else { return 0.0 };
        let slot = if now < self.ends { self.newest } else { self.slot_at(now) };
        let gone: u64 =
            (self.newest + 1..=slot).take(SLOTS).filter_map(|expired| self.slots.get(place(expired))).sum();
        let sum = self.sum - gone;
        let window = Duration::from_nanos(self.slot_nanos.saturating_mul(SLOTS as u64));
        let age = now.since(since).clamp(Duration::from_nanos(self.slot_nanos), window);
        as_f64(sum) / age.as_secs_f64()
    }

    /// Whether nothing was ever counted.
    pub(crate) fn is_new(&self) -> bool {
        self.since.is_none()
    }

    /// Whether it counts for less than one slot of time: what it gives until then is too little.
    pub(crate) fn is_young(&self, now: Moment) -> bool {
        self.since.is_none_or(|since| now.since(since) < Duration::from_nanos(self.slot_nanos))
    }

    /// All bytes ever counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// `slot` is the newest from now on; those that it pushes out do not count any more.
    fn turn_to(&mut self, slot: u64) {
        for expired in (self.newest + 1..=slot).take(SLOTS) {
            if let Some(value) = self.slots.get_mut(place(expired)) {
                self.sum -= std::mem::take(value);
            }
        }
        self.newest = self.newest.max(slot);
        self.ends =
            Moment::from_start(Duration::from_nanos((self.newest + 1).saturating_mul(self.slot_nanos)));
    }

    fn slot_at(&self, now: Moment) -> u64 {
        u64::try_from(now.since_start().as_nanos()).unwrap_or(u64::MAX) / self.slot_nanos
    }
}

fn place(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more than 53 bits")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::START + Duration::from_millis(millis)
    }

    #[test]
    fn a_steady_stream_is_measured_exactly() {
        let mut rate = Rate::new(Duration::from_millis(100));
        for tick in 0..500 {
            rate.add(1000, at(tick * 10));
        }
        let measured = rate.per_second(at(4990));
        assert!((measured - 100_000.0).abs() < 10_000.0, "{measured}");
        assert_eq!(rate.total(), 500_000);
    }

    #[test]
    fn silence_brings_it_down_to_nothing() {
        let mut rate = Rate::new(Duration::from_millis(100));
        assert!(rate.per_second(at(0)).abs() < 0.1);
        assert!(rate.is_young(at(7)));
        rate.add(1_000_000, at(50));
        assert!(rate.is_young(at(149)) && !rate.is_young(at(150)));
        assert!(rate.per_second(at(100)) > 1_000_000.0);
        assert!(rate.per_second(at(600)) < 2_000_000.0);
        assert!(rate.per_second(at(1100)).abs() < 0.1);
        rate.add(10, at(100_000));
        assert!(rate.per_second(at(100_000)) < 200.0);
    }
}
