//! What is on disk so far, and who waits for it.
//!
//! Lines that promise something lie in their outboxes until their number is kept. When the store
//! fails they go out too, but say that they promise nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::Outbox;

/// The gate. Events are numbered from 1 in the order in which they happened.
#[derive(Debug)]
pub(crate) struct Gate {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: u64,
    waiting: VecDeque<(u64, Outbox)>,
    /// Why nothing can be kept at present.
    failed: Option<String>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing can be kept, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.inner().failed.clone()
    }

    /// An outbox has lines that wait for `number`.
    pub(crate) fn hold(&self, number: u64, outbox: &Outbox) {
        let mut inner = self.inner();
        if inner.failed.is_some() {
            outbox.give_up();
        } else if number <= inner.kept {
            outbox.release(inner.kept);
        } else {
            inner.waiting.push_back((number, outbox.clone()));
        }
    }

    /// Everything up to `number` is on disk. Says whether it was in trouble before.
    pub(crate) fn keep(&self, number: u64) -> bool {
        let mut inner = self.inner();
        inner.kept = inner.kept.max(number);
        let recovered = inner.failed.take().is_some();
        while let Some((waits, outbox)) = inner.waiting.front() {
            if *waits > number {
                break;
            }
            outbox.release(number);
            inner.waiting.pop_front();
        }
        recovered
    }

    /// Nothing can be kept, and what was promised is not. Says whether that is news.
    pub(crate) fn fail(&self, why: &str) -> bool {
        let mut inner = self.inner();
        let news = inner.failed.as_deref() != Some(why);
        inner.failed = Some(why.to_owned());
        for (_, outbox) in inner.waiting.drain(..) {
            outbox.give_up();
        }
        news
    }
}
