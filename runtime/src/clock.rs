//! Reads the real clocks, so that brains need not: monotonic time as [`Moment`], and the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use shared::Moment;
use tokio::time::Instant;

/// A monotonic clock that started with the program. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment now. Not affected by changes of the time of day.
    pub fn now(&self) -> Moment {
        Moment::from_start(self.start.elapsed())
    }

    /// When `moment` is, for timers. Moments after the next year are as good as never.
    pub fn instant(&self, moment: Moment) -> Instant {
        const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);
        self.start + moment.since_start().min(self.start.elapsed() + YEAR)
    }

    /// Waits until `moment`; for ever when there is none.
    pub async fn sleep_until(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => tokio::time::sleep_until(self.instant(moment)).await,
            None => std::future::pending().await,
        }
    }
}

/// The time of day as milliseconds since 1970. Only to be shown, never to measure with.
pub fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of day where this machine stands, as `10:31:02`.
pub fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

/// A time in milliseconds since 1970 where this machine stands, as `10:31:02.123`.
pub fn time_of(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.unwrap_or_default().to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// A time in milliseconds since 1970 where this machine stands, as `2026-11-21 10:31`.
pub fn date_and_time_of(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.unwrap_or_default().to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Date and time where this machine stands, with its offset: `2026-11-21T10:31:02.123+01:00`.
pub fn timestamp() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// A time in seconds since 1970 as `2014-02-08 14:33:57 UTC`; none for what no calendar has.
pub fn date_of(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_reached_when_its_time_has_passed() {
        let clock = Clock::start();
        let copy = clock;
        let later = clock.now() + Duration::from_secs(5);
        clock.sleep_until(Some(later)).await;
        assert!(copy.now() >= later);
        assert!(copy.now().since(later) < Duration::from_secs(1));
    }

    #[test]
    fn the_time_of_day_has_eight_characters() {
        assert_eq!(time_of_day().len(), 8);
        assert_eq!(date_of(1_391_870_037).as_deref(), Some("2014-02-08 14:33:57 UTC"));
        assert_eq!(date_of(i64::MAX), None);
        assert!(time_of(1_123).ends_with(":01.123") && time_of(u64::MAX).len() == 12);
        assert!(timestamp().len() >= 29, "{}", timestamp());
    }
}
