//! How many requests to keep open with one peer.
//!
//! Each block tells how long its request waited. While that is short the peer could send more, so
//! the number grows by one a block (doubling each round trip); once requests queue up at the far
//! side it shrinks, so that little is promised to a peer that shares its link with many. Never sends
//! anything; the download asks it before each request.

use std::time::Duration;

use shared::Moment;

use crate::rate::Rate;

/// Requests at the start: what is asked of one peer can be asked of no other, and a piece that another
/// has in a moment spreads sooner from there.
const FIRST_DEPTH: usize = 6;
/// Requests that even a slow peer may have open.
const LEAST_DEPTH: usize = 4;
/// A wait that keeps any link busy without promising far ahead.
const QUEUE_TARGET: Duration = Duration::from_millis(40);

/// ... and in blocks, for links on which that is no time at all.
const GAPS: u32 = 6;

/// The depth of one peer's request pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    depth: usize,
    most: usize,
    shortest_wait: Option<Duration>,
    last_block: Moment,
    rate: Rate,
    snubbed: bool,
    surplus: usize,
    /// Time between blocks that it sends one after the other.
    gap: Option<Duration>,
}

impl Pipeline {
    /// A pipeline that never opens more than `most` requests.
    pub(crate) fn new(most: usize, now: Moment) -> Self {
        Self {
            depth: FIRST_DEPTH.min(most),
            most,
            shortest_wait: None,
            last_block: now,
            rate: Rate::new(Duration::from_millis(100)),
            snubbed: false,
            surplus: 0,
            gap: None,
        }
    }

    /// The far side holds no more than `most` requests for us.
    pub(crate) fn allow(&mut self, most: usize) {
        self.most = self.most.min(most.max(1));
        self.depth = self.depth.min(self.most);
    }

    /// How many requests may be open now.
    pub(crate) fn depth(&self) -> usize {
        if self.snubbed { 1 } else { self.depth }
    }

    /// The far side has begun, or begun again, to answer requests.
    pub(crate) fn unchoked(&mut self, now: Moment) {
        self.last_block = now;
        self.depth = self.depth.max(FIRST_DEPTH.min(self.most));
    }

    /// A request goes out while none is open: silence counts from now on.
    pub(crate) fn wakes(&mut self, now: Moment) {
        self.last_block = now;
    }

    /// A block of `bytes` came, asked for at `asked`, with `open` requests left. Returns how long after
    /// the block before it, if it was waited for all the time.
    pub(crate) fn block_came(
        &mut self,
        bytes: u32,
        asked: Moment,
        open: usize,
        now: Moment,
    ) -> Option<Duration> {
        let gap = (asked <= self.last_block && !self.rate.is_new()).then(|| now.since(self.last_block));
        if let Some(gap) = gap {
            self.gap = Some(smooth(self.gap, gap));
        }
        self.rate.add(u64::from(bytes), now);
        self.last_block = now;
        self.snubbed = false;
        let wait = now.since(asked);
        let shortest = self.shortest_wait.map_or(wait, |shortest| shortest.min(wait));
        self.shortest_wait = Some(shortest);
        let target = QUEUE_TARGET.max(shortest * 2).max(self.gap.unwrap_or_default() * GAPS);
        if wait < target {
            self.surplus = 0;
            // Growing while requests lie idle would measure nothing.
            if open + 2 >= self.depth / 2 {
                self.depth = (self.depth + 1).min(self.most);
            }
        } else if wait > target * 3 / 2 {
            self.surplus += 1;
            if self.surplus * 4 > self.depth && self.depth > LEAST_DEPTH {
                self.surplus = 0;
                self.depth -= 1 + self.depth / 16;
            }
        }
        gap
    }

    /// How long a request may be expected to wait at most, from what was seen.
    pub(crate) fn expected_wait(&self, now: Moment, open: usize) -> Duration {
        let rate = self.rate.per_second(now);
        if rate < 1.0 {
            return Duration::from_secs(3600);
        }
        let bytes = u32::try_from(open + 1).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(bytes) * f64::from(shared::BLOCK_LENGTH) / rate)
    }

    /// When the peer counts as snubbing us, if no block comes.
    pub(crate) fn snub_at(&self, after: Duration) -> Moment {
        self.last_block + after
    }

    /// From now on one request at a time, until a block comes.
    pub(crate) fn snub(&mut self) {
        self.snubbed = true;
        self.depth = LEAST_DEPTH.min(self.most);
    }

    /// Whether it has left us waiting for too long.
    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubbed
    }
}

/// A running mean that leans to the new value by an eighth.
pub(crate) fn smooth(mean: Option<Duration>, new: Duration) -> Duration {
    mean.map_or(new, |mean| (mean * 7 + new) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(round_trip: Duration, bytes_per_second: u32, blocks: usize) -> usize {
        // Request i is answered one round trip after it, but no faster than the link.
        let mut pipeline = Pipeline::new(500, Moment::START);
        let block = Duration::from_secs(1) * 16384 / bytes_per_second;
        let mut open = std::collections::VecDeque::new();
        let (mut now, mut link) = (Moment::START, Moment::START);
        for _ in 0..blocks {
            while open.len() < pipeline.depth() {
                open.push_back(now);
            }
            let asked = open.pop_front().unwrap();
            link = (link + block).max(asked + round_trip);
            now = link;
            pipeline.block_came(16384, asked, open.len(), now);
        }
        pipeline.depth()
    }

    #[test]
    fn a_fast_link_opens_all_that_is_allowed() {
        assert_eq!(run(Duration::from_micros(200), 600_000_000, 5000), 500);
        assert!(run(Duration::from_millis(100), 50_000_000, 5000) > 300, "VPN with a long way");
    }

    #[test]
    fn a_slow_link_is_not_promised_much() {
        let depth = run(Duration::from_millis(5), 1_000_000, 2000);
        assert!((LEAST_DEPTH..=20).contains(&depth), "{depth}");
    }

    #[test]
    fn silence_snubs_and_a_block_forgives() {
        let mut pipeline = Pipeline::new(500, Moment::START);
        pipeline.snub();
        assert_eq!(pipeline.depth(), 1);
        pipeline.block_came(16384, Moment::START, 0, Moment::START + Duration::from_secs(30));
        assert!(pipeline.depth() > 1 && !pipeline.is_snubbed());
    }
}
