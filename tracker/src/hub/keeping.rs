//! What the hub keeps: lasting events go to the journal under the hub's lock, and mail counts as taken
//! when its receiver shows that it has it. Called by the hub only.

use std::cell::Cell;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use registry::{Command, Event, Lasting, SessionKey};
use runtime::Outbox;
use shared::control::{Refusal, Request};

use super::{Hub, Inner};
use crate::store::{self, Checkpoint, Journal, Kept, Opened, StoreConfig, StoreError};

/// What an order waits for: that it is on disk, or that it will not be.
const KEPT: &[u8] = b"kept";
const UNKEPT: &[u8] = b"unkept";

impl Hub {
    pub(super) fn start_journal(&self, config: &StoreConfig, opened: Opened) -> Result<(), StoreError> {
        let journal = Journal::new();
        let (hub, queue) = (Arc::downgrade(&self.shared), journal.clone());
        let snapshot = Box::new(move |with_infos| {
            let shared = hub.upgrade()?;
            let inner = shared.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let number = queue.cover();
            Some(Checkpoint { number, events: inner.registry.checkpoint(with_infos) })
        });
        let again = config.clone();
        let unread = Cell::new(opened.unread);
        let reopen = Box::new(move || store::reopen(&again, &unread));
        let last = opened.loaded.last;
        let writer = journal.start(opened.result(), (snapshot, reopen)).map_err(|source| {
            StoreError::File { what: "cannot start a thread for", path: config.dir.join(store::FILE), source }
        })?;
        *self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        let mut inner = self.lock();
        inner.journal = Some(journal);
        inner.keep(&[Event::Restarted { at: last }]);
        Ok(())
    }

    /// The operator orders something. Comes back when it is kept, and says whether it is.
    pub(crate) async fn order(&self, command: Command) -> Result<bool, Refusal> {
        let outbox = Outbox::new(64);
        {
            let mut inner = self.lock();
            if let Some(Err(refusal)) = inner.execute(command, None) {
                return Err(refusal);
            }
            // The newest event in the queue is the last of this order.
            match inner.journal.as_ref().map(|journal| journal.push(Vec::new())) {
                None => return Ok(true),
                Some(Kept::Not) => return Ok(false),
                promise @ Some(Kept::At(number)) => {
                    outbox.push_answer_after(Bytes::from_static(KEPT), number, Bytes::from_static(UNKEPT));
                    inner.wait_for(promise, &outbox);
                }
            }
        }
        let said = outbox.take(1).await;
        Ok(said.is_some_and(|said| said == KEPT))
    }

    /// Why nothing can be kept on disk at present, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().journal.as_ref().and_then(Journal::failure)
    }

    /// Waits until the last of it is on disk. To be called after [`Self::stop`].
    pub(crate) async fn close(&self) {
        if let Some(journal) = self.lock().journal.take() {
            journal.stop();
        }
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join());
            if tokio::time::timeout(store::FAREWELL, joined).await.is_err() {
                tracing::warn!("the disk is slow: what was not yet acknowledged may be lost");
            }
        }
    }
}

impl Inner {
    /// Notes whose socket has taken everything that was kept for them. It counts as read when they say
    /// something after that.
    pub(super) fn note_written(&mut self) {
        for (session, up_to) in self.registry.unread() {
            if self.outboxes.get(&session).is_some_and(|outbox| outbox.pending() == 0) {
                self.written.insert(session, up_to);
            }
        }
    }

    /// Whoever says goodbye reads what stands before the answer to that.
    pub(super) fn note_farewell(&mut self, session: SessionKey) {
        self.written.extend(self.registry.unread_of(session).map(|up_to| (session, up_to)));
    }

    pub(super) fn collect(&mut self, session: SessionKey) {
        if let Some(up_to) = self.written.remove(&session) {
            self.execute(Command::Collected { session, up_to }, None);
        }
    }

    /// Queues for the store what lasts of this; when somebody is promised that it lasts, what of it.
    pub(super) fn keep(&self, events: &[Event]) -> Option<Kept> {
        let journal = self.journal.as_ref()?;
        let lasting: Vec<Lasting> = events.iter().filter_map(Event::lasting).collect();
        if lasting.is_empty() {
            return None;
        }
        let promised = lasting.iter().any(|lasting| lasting.promised);
        let kept = journal.push(lasting);
        promised.then_some(kept)
    }

    pub(super) fn wait_for(&self, promise: Option<Kept>, outbox: &Outbox) {
        if let (Some(Kept::At(number)), Some(journal)) = (promise, &self.journal) {
            journal.hold(number, outbox);
        }
    }

    pub(super) fn is_crowded(&self, command: &Command) -> bool {
        let Command::Request { request, .. } = command else { return false };
        matches!(
            request.as_ref(),
            Request::Share(_)
                | Request::Unshare(_)
                | Request::Message(_)
                | Request::Join(_)
                | Request::Leave(_)
                | Request::Ignore(_)
                | Request::Unignore(_)
        ) && self.journal.as_ref().is_some_and(Journal::is_crowded)
    }

    /// Keeps the counters, if they changed.
    pub(super) fn tally(&mut self) {
        let tally = self.registry.tally();
        if self.tallied.as_ref() != Some(&tally) {
            self.keep(std::slice::from_ref(&tally));
            self.tallied = Some(tally);
        }
    }
}
