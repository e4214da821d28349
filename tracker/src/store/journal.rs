//! The queue between the hub and the writer thread, and the writer's loop.
//!
//! The hub numbers and queues events under its lock and never waits. The writer takes all that is
//! there, writes it as one transaction and opens the gate. When the store fails, what is queued is
//! dropped and the gate tells everyone so; every two seconds the writer asks the hub for a checkpoint
//! of all that lasts, and with the first one that is kept everything is well again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use registry::Lasting;
use runtime::{Clock, Outbox};

use super::gate::Gate;
use super::{Store, StoreError};

/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(2);
/// Events since the last checkpoint after which the journal is shortened, unless the checkpoint is
/// nearly as long.
const SHORTEN_AFTER: u64 = 500_000;
/// How long a journal that is long already stays so when the tracker starts: the first moments belong to those
/// who come back.
const CALM: Duration = Duration::from_secs(30);
/// Bytes that may be queued: beyond it, who asks for more is told to come again.
const CROWDED: usize = 64 * 1024 * 1024;

/// Everything that lasts, as it was when it was asked for.
pub(crate) struct Checkpoint {
    /// The number of the newest event that is in it: what [`Journal::cover`] gave under the hub's lock.
    pub(crate) number: u64,
    /// Events whose fold it is.
    pub(crate) events: Vec<Lasting>,
}

/// Makes a checkpoint, with info dictionaries or without; `None` when the hub is gone.
pub(crate) type Snapshot = Box<dyn Fn(bool) -> Option<Checkpoint> + Send>;
/// Opens the store again after it failed.
pub(crate) type Reopen = Box<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send>;

/// What became of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They are kept when the gate reaches this number.
    At(u64),
    /// They cannot be kept at present.
    Not,
}

/// The hub's end of the queue. Copies are the same queue.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    gate: Gate,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Lasting>,
    bytes: usize,
    /// The number of the newest event.
    last: u64,
    failed: bool,
    stopping: bool,
}

impl Queue {
    fn clear(&mut self) -> Vec<Lasting> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

impl Journal {
    pub(crate) fn new() -> Self {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new(), gate: Gate::new() };
        Self { shared: Arc::new(shared) }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues what happened. To be called in the order in which it happened: under the hub's lock.
    pub(crate) fn push(&self, events: Vec<Lasting>) -> Kept {
        let mut queue = self.queue();
        queue.last += u64::try_from(events.len()).unwrap_or(0);
        if queue.failed {
            return Kept::Not;
        }
        queue.bytes += events.iter().map(cost).sum::<usize>();
        queue.waiting.extend(events);
        let number = queue.last;
        drop(queue);
        self.shared.changed.notify_one();
        Kept::At(number)
    }

    /// Whether the disk is so far behind that nothing more should be promised.
    pub(crate) fn is_crowded(&self) -> bool {
        self.queue().bytes > CROWDED
    }

    /// Why nothing can be kept at present, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.gate.failure()
    }

    /// Lines of this outbox wait for `number`.
    pub(crate) fn hold(&self, number: u64, outbox: &Outbox) {
        self.shared.gate.hold(number, outbox);
    }

    /// A checkpoint was made: what is queued is in it. Gives the number that it reaches.
    pub(crate) fn cover(&self) -> u64 {
        let mut queue = self.queue();
        queue.clear();
        queue.failed = false;
        queue.last
    }

    /// Starts the thread that writes. Without a store, or with one that is new in the place of
    /// another, the first thing that is written is a checkpoint.
    pub(crate) fn start(
        &self,
        store: Result<Box<dyn Store>, StoreError>,
        (snapshot, reopen): (Snapshot, Reopen),
    ) -> std::io::Result<JoinHandle<()>> {
        let clock = Clock::start();
        let mut writer =
            Writer { journal: self.clone(), store: None, snapshot, reopen, shorten: SHORTEN_AFTER, clock };
        match store {
            Ok(store) => writer.store = Some(store),
            Err(error) => writer.settle(Err(error), 0),
        }
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run())
    }

    /// Nothing more will come: the writer ends when it has written what is there.
    pub(crate) fn stop(&self) {
        self.queue().stopping = true;
        self.shared.changed.notify_all();
    }
}

/// Bytes that an event may take, roughly.
fn cost(lasting: &Lasting) -> usize {
    let info =
        lasting.info.as_ref().map_or(0, |kept| kept.info.len() + kept.layers.as_ref().map_or(0, Vec::len));
    info + match &lasting.event {
        registry::Event::Messaged { text, .. } => 300 + text.len(),
        _ => 500,
    }
}

struct Writer {
    journal: Journal,
    /// `None` when it failed.
    store: Option<Box<dyn Store>>,
    snapshot: Snapshot,
    reopen: Reopen,
    shorten: u64,
    clock: Clock,
}

impl Writer {
    fn run(mut self) {
        loop {
            let shared = Arc::clone(&self.journal.shared);
            let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            while queue.waiting.is_empty() && !queue.stopping && !queue.failed {
                queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if queue.failed {
                if !queue.stopping {
                    let waited = shared.changed.wait_timeout(queue, PAUSE);
                    queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                let stopping = queue.stopping;
                drop(queue);
                // The last chance too is taken: what happened meanwhile may be saved yet.
                let gone = !self.checkpoint(true);
                if gone || stopping {
                    return;
                }
                continue;
            }
            let (batch, number, stopping) = (queue.clear(), queue.last, queue.stopping);
            drop(queue);
            let Some(store) = &mut self.store else { return };
            if batch.is_empty() {
                return;
            }
            let result = store.append(&batch);
            let is_calm = self.clock.now().since_start() >= CALM;
            let is_long = store.len() > self.shorten && is_calm && !stopping;
            let is_kept = result.is_ok();
            self.settle(result, number);
            if is_kept && is_long {
                self.checkpoint(false);
            }
        }
    }

    /// Writes everything that lasts in the place of what the store has; whether the hub still lives.
    fn checkpoint(&mut self, with_infos: bool) -> bool {
        if self.store.is_none() {
            match (self.reopen)() {
                Ok(store) => self.store = Some(store),
                Err(error) => {
                    self.settle(Err(error), 0);
                    return true;
                }
            }
        }
        let Some(Checkpoint { number, events }) = (self.snapshot)(with_infos) else { return false };
        let Some(store) = &mut self.store else { return true };
        let result = store.replace(&events);
        // A journal that is mostly checkpoint is not made shorter by another one.
        self.shorten = SHORTEN_AFTER.max(4 * u64::try_from(events.len()).unwrap_or(u64::MAX / 4));
        self.settle(result, number);
        true
    }

    fn settle(&mut self, result: Result<(), StoreError>, number: u64) {
        let gate = &self.journal.shared.gate;
        match result {
            Ok(()) => {
                if gate.keep(number) {
                    tracing::info!("what happens is kept on disk again");
                }
            }
            Err(error) => {
                self.store = None;
                {
                    let mut queue = self.journal.queue();
                    queue.failed = true;
                    queue.clear();
                }
                if gate.fail(&error.to_string()) {
                    tracing::error!(
                        "nothing can be kept on disk: {error}. The tracker serves on; what happens now is \
                         forgotten if it stops before this is mended. {}",
                        error.advice()
                    );
                }
            }
        }
    }
}
