//! How much one address may ask of the doors for BitTorrent clients: a bucket for each, so that a flood
//! from one leaves the others alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Addresses that are told apart at once; further ones share a bucket until others are full again.
const MAX_BUCKETS: usize = 65_536;

/// Buckets of one kind of request.
#[derive(Debug)]
pub(crate) struct Rate {
    burst: f64,
    per_second: f64,
    buckets: Mutex<BTreeMap<Option<IpAddr>, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rate {
    /// So many at once, and so many more each second.
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: burst.into(), per_second: per_second.into(), buckets: Mutex::default() }
    }

    /// So many at once, and so many more each minute.
    pub(crate) fn per_minute(burst: u32, per_minute: u32) -> Self {
        Self { burst: burst.into(), per_second: f64::from(per_minute) / 60.0, buckets: Mutex::default() }
    }

    /// So many each second and at once `times` as many; for 0, as many as come.
    pub(crate) fn or_none(per_second: u32, times: u32) -> Option<Self> {
        (per_second > 0).then(|| Self::new(per_second.saturating_mul(times), per_second))
    }

    /// Whether one could be taken from the bucket of `ip`; nothing is.
    pub(crate) fn has_one(&self, ip: IpAddr, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(&Some(place(ip))).or_else(|| buckets.get(&None));
        bucket.is_none_or(|bucket| self.level(*bucket, now) >= 1.0)
    }

    /// Takes one from the bucket of `ip`; false when it is empty.
    pub(crate) fn take(&self, ip: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = Some(place(ip));
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&place) {
            buckets.retain(|_, bucket| self.level(*bucket, now) < self.burst);
            if buckets.len() >= MAX_BUCKETS {
                place = None;
            }
        }
        let bucket = buckets.entry(place).or_insert(Bucket { left: self.burst, at: now });
        let left = self.level(*bucket, now);
        let taken = left >= 1.0;
        *bucket = Bucket { left: if taken { left - 1.0 } else { left }, at: now };
        taken
    }

    fn level(&self, bucket: Bucket, now: Instant) -> f64 {
        let flown = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        (bucket.left + flown).min(self.burst)
    }
}

/// What counts as one address: of IPv6 the 64 bits that a household gets.
pub(crate) fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_from_one_address_leaves_the_others_alone() {
        let rate = Rate::new(10, 2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let now = Instant::now();
        let taken = (0..100).filter(|_| rate.take(ip("10.0.0.1"), now)).count();
        assert_eq!(taken, 10);
        assert!(rate.take(ip("10.0.0.2"), now), "another address has its own");
        assert!(rate.take(ip("10.0.0.1"), now + Duration::from_millis(500)));
        assert!(!rate.take(ip("10.0.0.1"), now + Duration::from_millis(600)));
        // One network of IPv6 is one address, also behind a socket of both families.
        let taken = (0..100_u16).filter(|n| rate.take(ip(&format!("2001:db8::{n:x}")), now)).count();
        assert_eq!(taken, 10);
        assert!(!rate.take(ip("::ffff:10.0.0.1"), now + Duration::from_millis(600)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rate = Rate::new(1, 1);
        let now = Instant::now();
        for number in 0..u32::try_from(MAX_BUCKETS).unwrap() + 100 {
            rate.take(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(rate.buckets.lock().unwrap().len() <= MAX_BUCKETS + 1);
        // When they have filled again there is room.
        assert!(rate.take("10.9.9.9".parse().unwrap(), now + Duration::from_secs(5)));
        assert!(rate.buckets.lock().unwrap().len() < 3);
    }
}
