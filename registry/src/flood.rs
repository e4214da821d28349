//! How fast each peer may ask and talk: token buckets, filled by time that is handed in.
//!
//! A refusal says when to come again; what is refused here is never half done. Buckets are soft:
//! they are no part of the state and are dropped when they are full.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::control::{Code, Refusal};
use shared::{Moment, PeerId};

use crate::config::Rate;

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meter {
    /// Requests of a peer.
    Requests(PeerId),
    /// Messages of a peer.
    Messages(PeerId),
    /// Bytes of messages to a peer.
    BytesTo(PeerId),
    /// Bytes of messages to a room: one of [`ROOMS`] places, so that rooms that come and go leave nothing.
    BytesToRoom(u16),
    /// Bytes of messages to all.
    BytesToAll,
}

/// Buckets of rooms. Two rooms may share one; with few rooms that is rare and does no harm.
pub(crate) const ROOMS: u16 = 1_024;

/// The bucket of a room.
pub(crate) fn room_meter(key: &str) -> Meter {
    // FNV-1a.
    let hash =
        key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    Meter::BytesToRoom(u16::try_from(hash % u32::from(ROOMS)).unwrap_or_default())
}

/// Tokens are counted in thousandths, so that a slow flow is exact.
const PART: u64 = 1_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    parts: u64,
    at: Moment,
}

/// All buckets that are not full.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    buckets: BTreeMap<Meter, Bucket>,
}

impl Flood {
    /// Takes `amount` from each meter, or, if one of them lacks it, from none and says how long to
    /// wait.
    pub(crate) fn take(&mut self, wanted: &[(Meter, Rate, u64)], now: Moment) -> Result<(), Refusal> {
        let mut wait = Duration::ZERO;
        for (meter, rate, amount) in wanted {
            let bucket = self.level(*meter, *rate, now);
            // More than a whole bucket is let through when the bucket is full: it can never be fuller.
            let needed = (amount * PART).min(rate.burst * PART);
            let missing = needed.saturating_sub(bucket.parts);
            if missing > 0 {
                wait = wait.max(Duration::from_millis(missing.div_ceil(rate.per_second.max(1))));
            }
        }
        if !wait.is_zero() {
            return Err(refusal(wait));
        }
        for (meter, rate, amount) in wanted {
            let bucket = self.level(*meter, *rate, now);
            let parts = bucket.parts.saturating_sub(amount * PART);
            self.buckets.insert(*meter, Bucket { parts, ..bucket });
        }
        Ok(())
    }

    fn level(&self, meter: Meter, rate: Rate, now: Moment) -> Bucket {
        let full = rate.burst * PART;
        let Some(bucket) = self.buckets.get(&meter) else { return Bucket { parts: full, at: now } };
        let millis = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        let flown = millis.saturating_mul(rate.per_second);
        if flown == 0 {
            return *bucket;
        }
        // What is left of a millisecond counts the next time: who comes thousands of times in a second gets
        // what flows in as well.
        let at = bucket.at + Duration::from_millis(millis);
        Bucket { parts: bucket.parts.saturating_add(flown).min(full), at }
    }

    /// Drops the buckets of a peer that left. One that comes back at once starts with full ones,
    /// which its login costs more than it gains.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        for meter in [Meter::Requests(peer), Meter::Messages(peer), Meter::BytesTo(peer)] {
            self.buckets.remove(&meter);
        }
    }
}

fn refusal(wait: Duration) -> Refusal {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut refusal = Refusal::new(Code::RateLimited, format!("too fast: come again in {millis} ms"));
    refusal.retry_after_ms = Some(millis);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 10, per_second: 2 };

    #[test]
    fn who_comes_often_gets_what_flows_in_as_well() {
        let mut flood = Flood::default();
        let meter = Meter::Requests(PeerId([1; 20]));
        let rate = Rate { burst: 10, per_second: 10_000 };
        for tenth in 0..10_000 {
            let now = Moment::from_start(Duration::from_micros(tenth * 100));
            flood.take(&[(meter, rate, 1)], now).unwrap();
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_flow() {
        let mut flood = Flood::default();
        let meter = Meter::Messages(PeerId([1; 20]));
        let mut now = Moment::START;
        for _ in 0..10 {
            flood.take(&[(meter, RATE, 1)], now).unwrap();
        }
        let refusal = flood.take(&[(meter, RATE, 1)], now).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (Code::RateLimited, Some(500)));
        // Asking again and again does not push the time away.
        now = now + Duration::from_millis(499);
        assert_eq!(flood.take(&[(meter, RATE, 1)], now).unwrap_err().retry_after_ms, Some(1));
        now = now + Duration::from_millis(1);
        flood.take(&[(meter, RATE, 1)], now).unwrap();
        flood.take(&[(meter, RATE, 1)], now).unwrap_err();
        flood.take(&[(Meter::Messages(PeerId([2; 20])), RATE, 1)], now).unwrap();
    }

    #[test]
    fn one_empty_bucket_leaves_the_others_as_they_are() {
        let mut flood = Flood::default();
        let (a, b) = (Meter::BytesToAll, Meter::BytesTo(PeerId([1; 20])));
        flood.take(&[(a, RATE, 10)], Moment::START).unwrap();
        flood.take(&[(b, RATE, 5), (a, RATE, 1)], Moment::START).unwrap_err();
        flood.take(&[(b, RATE, 10)], Moment::START).unwrap();
        // More than a bucket holds waits for a full one.
        let later = Moment::START + Duration::from_secs(5);
        flood.take(&[(a, RATE, 1_000)], later).unwrap();
        flood.take(&[(a, RATE, 1)], later).unwrap_err();
    }
}
