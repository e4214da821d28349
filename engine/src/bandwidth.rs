//! Rate limits: who wants to move bytes pays first and waits for what was paid before.
//!
//! A bucket keeps one number, the moment at which everything paid so far will have been earned. That
//! is exact over time, gives turns in the order of asking, and needs no task of its own. Time that
//! nobody used is kept for [`BURST`] at most, which also makes up for coarse timers. A bucket may have
//! a parent; then both are paid. Readers and writers of connections call it, nobody else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How much unused time is kept.
const BURST: Duration = Duration::from_millis(50);
/// How many payments a second should cover, so that many connections share smoothly.
const TURNS_PER_SECOND: u64 = 50;
/// The least and the most bytes that one payment should be about.
const QUANTUM: std::ops::RangeInclusive<u64> = 16 * 1024..=256 * 1024;

/// How much may be owed when something small goes first.
const CREDIT: Duration = Duration::from_secs(1);
/// The most seconds that a debt lasts after the limit was changed.
const MOST_DEBT: f64 = 5.0;

/// One direction of one limit.
#[derive(Debug)]
pub(crate) struct Bucket {
    parent: Option<Arc<Self>>,
    account: Mutex<Account>,
    changed: Notify,
}

#[derive(Debug)]
struct Account {
    bytes_per_second: Option<u64>,
    /// When everything paid so far will have been earned.
    earned: Instant,
}

impl Account {
    fn pay(&mut self, bytes: usize, now: Instant) -> Instant {
        let Some(rate) = self.bytes_per_second else { return now };
        let begin = self.earned.max(now.checked_sub(BURST).unwrap_or(now));
        self.earned = begin + duration(bytes as u64, rate);
        begin
    }
}

fn duration(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    // A year is as good as never, and can be added to a moment.
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).min(31_536_000 * 1_000_000_000))
}

impl Bucket {
    /// A limit of its own, inside `parent` where there is one. `None`: no limit of its own.
    pub(crate) fn new(bytes_per_second: Option<u64>, parent: Option<Arc<Self>>) -> Arc<Self> {
        let account = Account { bytes_per_second, earned: Instant::now() };
        Arc::new(Self { parent, account: Mutex::new(account), changed: Notify::new() })
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit in force here, parents not asked.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.account().bytes_per_second
    }

    /// Another limit from now on. What is owed stays owed, at the new rate.
    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        let now = Instant::now();
        let mut account = self.account();
        let owed = account.earned.saturating_duration_since(now).as_secs_f64();
        let owed = owed * ratio(account.bytes_per_second, bytes_per_second);
        account.bytes_per_second = bytes_per_second;
        account.earned = now + Duration::from_secs_f64(owed.min(MOST_DEBT));
        drop(account);
        self.changed.notify_waiters();
    }

    /// Whether there is a limit, here or above.
    pub(crate) fn is_limited(&self) -> bool {
        self.rate().is_some() || self.parent.as_ref().is_some_and(|parent| parent.is_limited())
    }

    /// The most bytes that one payment should be about.
    pub(crate) fn quantum(&self) -> usize {
        let own = self
            .rate()
            .map_or(*QUANTUM.end(), |rate| (rate / TURNS_PER_SECOND).clamp(*QUANTUM.start(), *QUANTUM.end()));
        let own = usize::try_from(own).unwrap_or(usize::MAX);
        self.parent.as_ref().map_or(own, |parent| own.min(parent.quantum()))
    }

    /// Pays for `bytes` and waits for its turn. When a limit changes meanwhile, the wait ends.
    pub(crate) async fn pay(&self, bytes: usize) {
        let mut level = Some(self);
        while let Some(bucket) = level {
            bucket.pay_here(bytes).await;
            level = bucket.parent.as_deref();
        }
    }

    /// Pays for a few bytes that shall not wait behind many: later ones wait longer instead. Only when much
    /// is owed already it waits until less is.
    pub(crate) async fn pay_ahead(&self, bytes: usize) {
        let mut level = Some(self);
        while let Some(bucket) = level {
            bucket.pay_within(bytes, CREDIT).await;
            level = bucket.parent.as_deref();
        }
    }

    async fn pay_here(&self, bytes: usize) {
        self.pay_within(bytes, Duration::ZERO).await;
    }

    /// Pays, and waits until no more than `credit` was owed before.
    async fn pay_within(&self, bytes: usize, credit: Duration) {
        let changed = self.changed.notified();
        let now = Instant::now();
        let begin = self.account().pay(bytes, now);
        if begin > now + credit {
            tokio::select! {
                () = tokio::time::sleep_until(begin - credit) => {}
                () = changed => {}
            }
        }
    }
}

/// By how much a debt in time grows when the rate changes.
fn ratio(old: Option<u64>, new: Option<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no sixteen digits")]
    match (old, new) {
        (Some(old), Some(new)) => old as f64 / new.max(1) as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sum_of_many_is_the_limit() {
        let bucket = Bucket::new(Some(8_000_000), None);
        let start = Instant::now();
        let run = || async {
            for _ in 0..100 {
                bucket.pay(80_000).await;
            }
        };
        tokio::join!(run(), run(), run(), run(), run());
        let took = start.elapsed().as_secs_f64();
        assert!((4.8..5.1).contains(&took), "40 MB at 8 MB/s took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_goes_ahead_and_is_paid_all_the_same() {
        let bucket = Bucket::new(Some(100_000), None);
        let start = Instant::now();
        bucket.pay(80_000).await;
        bucket.pay_ahead(10_000).await;
        assert!(start.elapsed().is_zero(), "0.8 s were owed");
        bucket.pay_ahead(100_000).await;
        assert!(start.elapsed().is_zero(), "0.9 s were owed");
        bucket.pay_ahead(1).await;
        let took = start.elapsed().as_secs_f64();
        assert!((0.89..0.92).contains(&took), "{took}: 1.9 s were owed");
        bucket.pay(1).await;
        let took = start.elapsed().as_secs_f64();
        assert!((1.89..1.92).contains(&took), "{took}: all of it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_parent_limits_its_children_together_and_a_child_itself() {
        let parent = Bucket::new(Some(1_000_000), None);
        let fast = Bucket::new(None, Some(Arc::clone(&parent)));
        let slow = Bucket::new(Some(100_000), Some(Arc::clone(&parent)));
        let start = Instant::now();
        let run = |bucket: Arc<Bucket>, times: usize| async move {
            for _ in 0..times {
                bucket.pay(10_000).await;
            }
            start.elapsed().as_secs_f64()
        };
        let (fast, slow) = tokio::join!(run(fast, 270), run(slow, 30));
        assert!((2.5..3.1).contains(&fast) && (2.5..3.3).contains(&slow), "{fast} {slow}");
    }

    #[tokio::test(start_paused = true)]
    async fn lifting_a_limit_frees_those_who_wait() {
        let bucket = Bucket::new(Some(1), None);
        bucket.pay(1_000_000).await;
        let waiting = {
            let bucket = Arc::clone(&bucket);
            async move { bucket.pay(1).await }
        };
        let start = Instant::now();
        tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bucket.set_rate(None);
        });
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!((bucket.rate(), bucket.quantum()), (None, 256 * 1024));
    }
}
