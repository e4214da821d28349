//! When the blocks that were written to a connection have left this machine.
//!
//! A write returns as soon as the system holds the bytes. On a slow link they wait there behind others, and
//! a brain that believes them sent promises the link to more peers than it carries; then all that it says
//! waits too, and what was asked for in vain is asked for again elsewhere. So a block counts as sent when
//! all but what the connection carries in a few milliseconds has been acknowledged. Never waits itself; the
//! writer asks it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime::unacknowledged::{Standing, Unacknowledged};
use shared::Span;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often to look while something waits and nothing comes.
pub(crate) const LOOK: Duration = Duration::from_millis(4);
/// What the connection carries in this time and a round trip may be on its way and counts as sent:
/// acknowledgements wait in the far side's queue as our blocks do in ours.
const ON_ITS_WAY: Duration = Duration::from_millis(12);
/// The rate is measured over at least this time; for so long an answer is good for more than one question.
const MEASURE: Duration = Duration::from_millis(20);
/// After so long without a block the last answers say nothing of the link any more.
const PAUSE: Duration = Duration::from_millis(50);

/// How the reader of a connection tells its writer that something came: acknowledgements come with it.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    wanted: AtomicBool,
    came: Notify,
}

impl Heard {
    /// Something came.
    pub(crate) fn came(&self) {
        if self.wanted.swap(false, Ordering::Relaxed) {
            self.came.notify_one();
        }
    }

    /// Waits until something comes.
    pub(crate) async fn wait(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.came.notified().await;
    }
}

/// The blocks of one connection that the system holds.
#[derive(Debug)]
pub(crate) struct Departures {
    /// Whom to ask, our address and theirs.
    asks: Option<(Arc<Unacknowledged>, SocketAddr, SocketAddr)>,
    /// Bytes written so far.
    written: u64,
    /// Blocks, each with what was written up to its end.
    waiting: VecDeque<(u64, Span)>,
    /// When the last block was written.
    spoke: Instant,
    /// When the last measurement was since the last pause, and what had been acknowledged.
    measured: Option<(Instant, u64)>,
    /// The same of the last answer.
    answered: Option<(Instant, u64)>,
    /// Bytes in a second.
    rate: u64,
}

impl Departures {
    /// Of a connection between `ends`. Where nobody can be asked, a block has left when it is written.
    pub(crate) fn new(asks: Option<Arc<Unacknowledged>>, ends: Option<(SocketAddr, SocketAddr)>) -> Self {
        Self {
            asks: asks.zip(ends).map(|(asks, (ours, theirs))| (asks, ours, theirs)),
            written: 0,
            waiting: VecDeque::new(),
            spoke: Instant::now(),
            measured: None,
            answered: None,
            rate: 0,
        }
    }

    /// Whether blocks wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes that are no block were written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// A block was written: `bytes` with its head.
    pub(crate) fn wrote_block(&mut self, span: Span, bytes: usize) {
        let now = Instant::now();
        if now.duration_since(self.spoke) >= PAUSE {
            (self.measured, self.answered) = (None, None);
        }
        self.spoke = now;
        self.written += bytes as u64;
        self.waiting.push_back((self.written, span));
    }

    /// The blocks that have left since the last call, in order.
    pub(crate) fn left(&mut self) -> Vec<Span> {
        let now = Instant::now();
        if self.is_no_time(now) {
            return self.end();
        }
        let answer = self.asks.as_ref().and_then(|(asks, ours, theirs)| asks.ask(*ours, *theirs).ok());
        if let Some(standing) = answer {
            return self.leave(standing, now);
        }
        self.asks = None;
        self.end()
    }

    /// Whether all that may be unacknowledged is what the link carries in no time, going by the last
    /// answer: on a fast one nobody needs to be asked for each block.
    fn is_no_time(&self, now: Instant) -> bool {
        self.answered.is_some_and(|(at, acknowledged)| {
            let most = self.written.saturating_sub(acknowledged);
            now.duration_since(at) < MEASURE && most <= bytes_in(self.rate, ON_ITS_WAY)
        })
    }

    /// All that wait: the connection ends, and nobody will know.
    pub(crate) fn end(&mut self) -> Vec<Span> {
        self.waiting.drain(..).map(|(_, span)| span).collect()
    }

    fn leave(&mut self, standing: Standing, now: Instant) -> Vec<Span> {
        let acknowledged = self.written.saturating_sub(u64::from(standing.unacknowledged));
        self.answered = Some((now, acknowledged));
        let (since, before) = *self.measured.get_or_insert((now, acknowledged));
        let passed = now.duration_since(since);
        if passed >= MEASURE {
            let rate = per_second(acknowledged.saturating_sub(before), passed);
            self.rate = self.rate.midpoint(rate);
            self.measured = Some((now, acknowledged));
        }
        let on_its_way = bytes_in(self.rate, standing.round_trip + ON_ITS_WAY);
        let gone = acknowledged.saturating_add(on_its_way);
        let count = self.waiting.partition_point(|(end, _)| *end <= gone);
        self.waiting.drain(..count).map(|(_, span)| span).collect()
    }
}

fn per_second(bytes: u64, passed: Duration) -> u64 {
    let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000_000) / micros
}

fn bytes_in(rate: u64, time: Duration) -> u64 {
    rate.saturating_mul(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 16_384;

    fn spans(count: u32) -> Vec<Span> {
        let layout = shared::Layout::new(1 << 20, 1 << 20).unwrap();
        (0..count).map(|at| layout.span(0, at * 16_384, 16_384).unwrap()).collect()
    }

    fn written(spans: &[Span]) -> Departures {
        let mut departures = Departures::new(None, None);
        for span in spans {
            departures.wrote_block(*span, BLOCK);
        }
        departures
    }

    fn unacknowledged(bytes: usize) -> Standing {
        Standing { unacknowledged: u32::try_from(bytes).unwrap(), round_trip: Duration::ZERO }
    }

    #[test]
    fn a_block_has_left_when_its_last_byte_is_acknowledged() {
        let spans = spans(3);
        let mut departures = written(&spans);
        let now = Instant::now();
        assert_eq!(departures.leave(unacknowledged(3 * BLOCK), now), []);
        assert_eq!(departures.leave(unacknowledged(2 * BLOCK + 1), now), []);
        assert_eq!(departures.leave(unacknowledged(BLOCK), now), spans[..2]);
        departures.wrote(100);
        assert_eq!(departures.leave(unacknowledged(101), now), []);
        assert_eq!(departures.leave(unacknowledged(100), now), spans[2..]);
        assert!(!departures.is_waiting());
    }

    #[test]
    fn on_a_fast_link_what_is_on_its_way_does_not_hold_up_the_rest() {
        let spans = spans(64);
        let mut departures = written(&spans);
        let now = Instant::now();
        assert_eq!(departures.leave(unacknowledged(64 * BLOCK), now), []);
        let later = now + MEASURE;
        // 32 blocks in 20 ms: 9 of them fit into 12 ms at half of that rate, 16 more into a round trip.
        assert_eq!(departures.leave(unacknowledged(32 * BLOCK), later), spans[..41]);
        let far = Standing { round_trip: Duration::from_millis(20), ..unacknowledged(32 * BLOCK) };
        assert_eq!(departures.leave(far, later), spans[41..57]);
        assert!(!departures.is_no_time(later), "32 blocks may be under way");
        assert_eq!(departures.leave(unacknowledged(9 * BLOCK), later), spans[57..]);
        assert!(departures.is_no_time(later) && !departures.is_no_time(later + MEASURE));
        departures.wrote(BLOCK);
        assert!(!departures.is_no_time(later), "10 blocks are more than 12 ms");
    }

    #[test]
    fn where_nobody_can_be_asked_a_block_has_left_when_it_is_written() {
        let spans = spans(2);
        let mut departures = written(&spans);
        assert_eq!(departures.left(), spans);
    }
}
