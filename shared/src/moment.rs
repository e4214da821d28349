//! Time as the brains know it: handed in, never read from a clock.
//!
//! The shells make a `Moment` from a monotonic clock; simulations count it up themselves. It has
//! nothing to do with the time of day.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, as nanoseconds since the program (or the simulation) started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The moment of the start.
    pub const START: Self = Self(0);

    /// The moment `since_start` after the start; saturates after 584 years.
    pub fn from_start(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after the start this moment lies.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long after `earlier` this moment lies; zero when it does not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_below_the_start() {
        let one = Moment::START + Duration::from_secs(1);
        assert_eq!(Moment::START.since(one), Duration::ZERO);
        assert_eq!(one - Duration::from_secs(2), Moment::START);
        assert_eq!(one.since(Moment::START), Duration::from_secs(1));
    }
}
