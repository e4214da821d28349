//! How much may be on its way to one uTP peer (BEP 29, after RFC 6817): less as soon as the way there
//! gets slower, so that whatever else uses the link goes first.
//!
//! Pure: delays and moments are handed in. The uTP socket asks it for each packet that comes back.

use std::collections::VecDeque;
use std::time::Duration;

use shared::Moment;

/// The queueing delay that we cause at most, as BEP 29 has it.
const TARGET: f64 = 100_000.0;
/// Of that, where the first fast growth ends.
const SLOW_START_END: f64 = 0.9 * TARGET;
/// What a packet carries, in bytes; the real size differs little.
const PACKET: f64 = 1400.0;
/// Packets that may always be on their way, so that there is something to measure.
const LEAST: f64 = 2.0 * PACKET;
/// A way that got longer is believed after so many spans of [`SPAN`].
const SPANS: usize = 3;
const SPAN: Duration = Duration::from_secs(60);

/// The window of one connection, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Ledbat {
    window: f64,
    most: f64,
    slow_start: bool,
    /// The shortest delay of each of the last spans, in microseconds; both clocks' offset is in it, so it
    /// is kept modulo 2^32.
    shortest: VecDeque<u32>,
    span_ends: Moment,
}

impl Ledbat {
    /// A new connection; its window never exceeds `most` bytes.
    pub(crate) fn new(most: u32, now: Moment) -> Self {
        Self {
            window: LEAST,
            most: f64::from(most),
            slow_start: true,
            shortest: VecDeque::new(),
            span_ends: now + SPAN,
        }
    }

    /// Packets were acknowledged, and the far side measured `delay` microseconds for ours (its clock minus
    /// ours). `limited`: the window, and nothing else, kept more from being sent.
    pub(crate) fn acknowledged(&mut self, packets: u16, delay: u32, limited: bool, now: Moment) {
        let queueing = f64::from(self.queueing(delay, now));
        let acked = f64::from(packets) * PACKET;
        self.slow_start &= queueing < SLOW_START_END;
        let off_target = (TARGET - queueing) / TARGET;
        let change = if self.slow_start {
            acked
        } else if off_target >= 0.0 {
            off_target * acked * PACKET / self.window
        } else {
            // A packet less for each round trip, as in the RFC, would leave a wide window wide for minutes.
            acked * off_target.max(-0.5)
        };
        if change < 0.0 || limited {
            self.window = (self.window + change).clamp(LEAST, self.most);
        }
    }

    /// Bytes that may be on their way.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a u32")]
    pub(crate) fn window(&self) -> u32 {
        self.window as u32
    }

    /// Whether so many packets on their way are what the window lets through, or nearly.
    pub(crate) fn is_filled_by(&self, packets: u16) -> bool {
        (f64::from(packets) + 2.0) * PACKET >= self.window / 2.0
    }

    /// How long a packet waits in queues on its way, in microseconds.
    fn queueing(&mut self, delay: u32, now: Moment) -> u32 {
        if now >= self.span_ends {
            self.span_ends = now + SPAN;
            self.shortest.push_back(delay);
            if self.shortest.len() > SPANS {
                self.shortest.pop_front();
            }
        }
        match self.shortest.back_mut() {
            None => self.shortest.push_back(delay),
            Some(last) if is_shorter(delay, *last) => *last = delay,
            Some(_) => {}
        }
        let base =
            self.shortest.iter().copied().reduce(|one, two| if is_shorter(two, one) { two } else { one });
        delay.wrapping_sub(base.unwrap_or(delay))
    }
}

/// Of two times modulo 2^32, whether the first is the smaller one.
const fn is_shorter(one: u32, other: u32) -> bool {
    other.wrapping_sub(one).wrapping_sub(1) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a clock offset of almost a full turn makes of a delay in milliseconds.
    fn delay(milliseconds: u32) -> u32 {
        (u32::MAX - 20_000).wrapping_add(milliseconds * 1000)
    }

    /// Ten packets each 50 ms for so many seconds.
    fn run(ledbat: &mut Ledbat, from: u64, seconds: u64, milliseconds: u32) -> u32 {
        for tick in 0..seconds * 20 {
            let now = Moment::START + Duration::from_millis(from * 1000 + tick * 50);
            ledbat.acknowledged(10, delay(milliseconds), true, now);
        }
        ledbat.window()
    }

    #[test]
    fn it_grows_while_the_way_is_free_and_steps_aside_when_it_fills() {
        let mut ledbat = Ledbat::new(1 << 20, Moment::START);
        assert_eq!(ledbat.window(), 2800);
        assert_eq!(run(&mut ledbat, 0, 10, 10), 1 << 20, "nobody else is there");
        let less = run(&mut ledbat, 10, 5, 180);
        assert!(less < 1 << 20, "{less}");
        assert_eq!(run(&mut ledbat, 15, 40, 400), 2800, "somebody else fills the queue");
        let again = run(&mut ledbat, 55, 5, 10);
        assert!(again > 20_000, "{again}");
    }

    #[test]
    fn at_the_target_it_stays() {
        let mut ledbat = Ledbat::new(1 << 20, Moment::START);
        ledbat.acknowledged(20, delay(0), true, Moment::START);
        let before = run(&mut ledbat, 0, 1, 100);
        assert_eq!(run(&mut ledbat, 1, 5, 100), before);
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let mut ledbat = Ledbat::new(1 << 20, Moment::START);
        ledbat.acknowledged(100, delay(5), false, Moment::START);
        assert_eq!(ledbat.window(), 2800);
        assert!(ledbat.is_filled_by(0));
        run(&mut ledbat, 0, 10, 5);
        assert!(!ledbat.is_filled_by(10) && ledbat.is_filled_by(400));
    }

    #[test]
    fn a_way_that_got_longer_is_the_new_base_after_some_minutes() {
        let mut ledbat = Ledbat::new(1 << 20, Moment::START);
        run(&mut ledbat, 0, 1, 5);
        assert_eq!(run(&mut ledbat, 1, 60, 250), 2800);
        assert!(run(&mut ledbat, 61, 240, 250) > 100_000);
    }
}
