//! Hands over what is said: into the outbox of one, or of thousands.
//!
//! What many are told wakes none of their tasks. Their outboxes queue here, each once, and couriers write one after
//! the other into its socket: what comes while an outbox queues goes out with it. Called by the hub; started with the
//! tracker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use registry::{Delivery, SessionKey, Urgency};
use runtime::{Outbox, SharedLine, Shutdown};
use shared::control::{Push, write_push};
use tokio::sync::Notify;

use super::{Hub, Inner, LAGGING};
use crate::store::Kept;

/// Outboxes that are written before others get their turn.
const ROUND: usize = 32;
/// When so many are due, half of them are written at once: what is said to thousands must not be asked for faster than
/// it is written.
const MANY: usize = 2_000;
/// Couriers at most; one for each core.
const MOST: usize = 4;

/// Outboxes that have lines to be written. Copies are the same queue; none is in it twice, so it is never longer than
/// there are sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct Couriers {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    due: Mutex<VecDeque<Outbox>>,
    changed: Notify,
}

impl Couriers {
    fn due(&self) -> MutexGuard<'_, VecDeque<Outbox>> {
        self.shared.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, outboxes: Vec<Outbox>) {
        if !outboxes.is_empty() {
            self.due().extend(outboxes);
            self.shared.changed.notify_one();
        }
    }

    async fn work(&self) {
        let mut room = Vec::new();
        loop {
            let (round, more) = {
                let mut due = self.due();
                let count = if due.len() > MANY { due.len() / 2 } else { due.len().min(ROUND) };
                (due.drain(..count).collect::<Vec<Outbox>>(), !due.is_empty())
            };
            if more {
                // Another courier may help.
                self.shared.changed.notify_one();
            }
            if round.is_empty() {
                self.shared.changed.notified().await;
            }
            for outbox in round {
                outbox.flush_due(&mut room);
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Hub {
    /// Lets the couriers work before the next request, if they have something to do: whoever speaks fast must not
    /// fill the outboxes of those who would read in time.
    pub(crate) async fn give_way(&self) {
        let owes = !self.lock().couriers.due().is_empty();
        if owes {
            tokio::task::yield_now().await;
        }
    }

    /// Starts those who write what many are told, until the tracker stops.
    pub(crate) fn start_couriers(&self, shutdown: &Shutdown) {
        let couriers = self.lock().couriers.clone();
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        for _ in 0..count {
            let (couriers, shutdown) = (couriers.clone(), shutdown.clone());
            runtime::spawn("courier", async move {
                tokio::select! {
                    () = shutdown.requested() => {}
                    () = couriers.work() => {}
                }
            });
        }
    }
}

impl Inner {
    /// Puts one thing into the outboxes of all who are to hear it. Those who did not take what they must are added to
    /// `slow`.
    pub(super) fn hand_over(&self, delivery: Delivery, promise: Option<Kept>, slow: &mut Vec<SessionKey>) {
        let bytes = Bytes::from(write_push(&delivery.push));
        let line = SharedLine::from(bytes.clone());
        let is_for_one = delivery.to.len() == 1;
        let most = if delivery.urgency == Urgency::Advisory { LAGGING } else { usize::MAX };
        let mut due = Vec::with_capacity(if is_for_one { 0 } else { delivery.to.len() });
        for session in delivery.to {
            let Some(outbox) = self.outboxes.get(&session) else { continue };
            let pushed = match promise {
                // What one person is told must be true also after a crash.
                Some(Kept::At(_)) if is_for_one && outbox.pending() > most => continue,
                Some(Kept::At(number)) if is_for_one => {
                    let pushed = outbox.push_after(bytes.clone(), number);
                    self.wait_for(promise, outbox);
                    pushed
                }
                _ if is_for_one => outbox.push_unless(line.clone(), most),
                _ => outbox.push_due(line.clone(), most).map(|is_due| {
                    if is_due {
                        due.push(outbox.clone());
                    }
                }),
            };
            if let Err(overflow) = pushed {
                let reason = format!("too slow a reader: {overflow}");
                outbox.close_with(Bytes::from(write_push(&Push::Bye { reason })));
                slow.push(session);
            }
        }
        self.couriers.send(due);
    }
}
