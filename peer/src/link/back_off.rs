//! How long to wait before the tracker is tried again. Pure: dice are handed in.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait while the tracker has been away for a short time only: whoever restarts a tracker
/// finds everybody back within 5 s.
const SHORT: Duration = Duration::from_secs(2);
/// The longest wait.
const LONG: Duration = Duration::from_secs(30);
/// How many tries count as a short time: about two minutes.
const SHORT_TRIES: u32 = 60;

/// The wait before try number `tries` (counted from 0), spread by `dice` in 0..1 so that a room full of
/// peers does not come back in one instant.
pub(super) fn wait(tries: u32, dice: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(tries.min(16)).unwrap_or(u32::MAX));
    let most = if tries < SHORT_TRIES { SHORT } else { LONG };
    doubled.min(most).mul_f64(0.75 + dice.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_two_seconds_and_later_to_thirty() {
        let waits: Vec<Duration> = (0..4).map(|tries| wait(tries, 0.5)).collect();
        assert_eq!(waits, [500, 1000, 2000, 2000].map(Duration::from_millis));
        assert_eq!(wait(1000, 0.5), LONG);
        assert!(wait(0, 0.0) < wait(0, 1.0));
        assert!((0..60).all(|tries| wait(tries, 1.0) <= Duration::from_millis(2500)));
    }
}
