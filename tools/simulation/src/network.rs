//! Links without bytes: each node's uplink sends one thing after the other at its rate, the far
//! end's downlink receives likewise, and every connection adds its latency.
//!
//! Blocks queue; small messages slip in between them, as fair queueing lets them, but use up their
//! share of the link. Where [`System`] says so they wait behind the blocks, as in most uplinks, and blocks
//! count as sent while the system still holds them.

use std::time::Duration;

use shared::Moment;

/// What lies between a brain and its link: the system below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct System {
    /// Bytes that it takes in beyond what is sent: a block counts as sent that much too early.
    pub hides: u64,
    /// Whether messages wait behind the blocks that were sent before them, as in a queue without fairness.
    pub in_order: bool,
    /// Bytes of headers for every thousand bytes.
    pub headers: u64,
}

/// Bytes per second and the moment from which the link is free.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Bytes per second; none means without limit.
    pub rate: Option<u64>,
    free_at: Moment,
    busy: Duration,
}

impl Link {
    /// A link that is idle.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, free_at: Moment::START, busy: Duration::ZERO }
    }

    fn time_for(&self, bytes: u64) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1))
        })
    }

    /// Queues `bytes`: the moment at which the last of them is through.
    pub fn queue(&mut self, bytes: u64, now: Moment) -> Moment {
        if self.rate.is_none() {
            return now;
        }
        let takes = self.time_for(bytes);
        self.busy += takes;
        self.free_at = self.free_at.max(now) + takes;
        self.free_at
    }

    /// Sends `bytes` ahead of what is queued: the moment at which the last of them is through.
    pub fn slip_in(&mut self, bytes: u64, now: Moment) -> Moment {
        self.queue(bytes, now);
        now + self.time_for(bytes)
    }

    /// When no more than `hidden` bytes will be in front of the moment `at`.
    pub fn seems(&self, at: Moment, hidden: u64, now: Moment) -> Moment {
        now + at.since(now).saturating_sub(self.time_for(hidden))
    }

    /// Whether anything is on its way through the link.
    pub fn is_busy(&self, now: Moment) -> bool {
        self.free_at > now
    }

    /// How long the link has been in use.
    pub fn busy(&self) -> Duration {
        self.busy
    }
}
